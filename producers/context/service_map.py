"""Map paths to services by the globs of `candora.yaml`, for repositories that hold several services."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from producers.errors import UsageError

if TYPE_CHECKING:
    import yaml

FILE: Final = "candora.yaml"
MAX_BYTES: Final = 1_000_000

_SERVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_TOKEN: Final = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_REPEATED: Final = re.compile(r"(?:\*\*/)+")
_MEANING: Final = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class ServiceMap(NamedTuple):
    """The patterns of each service, in order. The last one that matches a path decides; `!` excludes it."""

    origin: str
    patterns: Mapping[str, Sequence[tuple[bool, re.Pattern[str]]]]

    def touched(self, paths: Iterable[str]) -> list[str]:
        """Return the services that own any of these paths, in the order of the file."""
        paths = list(paths)
        return [name for name, patterns in self.patterns.items() if any(_belongs(path, patterns) for path in paths)]


def read_services(text: str | bytes, origin: str) -> ServiceMap:
    """Parse a service map.

    Raises:
        UsageError: it is not of the form `services: {name: [glob, ...]}`; the message names the line and the field.
    """
    import yaml  # noqa: PLC0415 - most repositories hold one service

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"{origin}, line {at}: this is no YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{origin}: this is no YAML") from error
    patterns: dict[str, list[tuple[bool, re.Pattern[str]]]] = {}
    for name, globs, path in _entries(root, origin):
        if name.value in patterns:
            raise _fault(origin, name, path, "stands here twice")
        if not _SERVICE.fullmatch(name.value):
            raise _fault(origin, name, path, "is not the name of a service: use letters, digits and . _ / -")
        patterns[name.value] = [
            _pattern(glob, f"{path}[{n}]", origin) for n, glob in enumerate(_globs(globs, path, origin))
        ]
    return ServiceMap(origin, patterns)


def _entries(root: "yaml.Node | None", origin: str) -> Iterable[tuple["yaml.ScalarNode", "yaml.Node", str]]:
    import yaml  # noqa: PLC0415 - as above

    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"{origin}: expected `services:` and below it the services, each with a list of globs")
    services = None
    for key, value in root.value:
        if key.value != "services":
            raise _fault(origin, key, str(key.value), "is not known; the file has `services` only")
        services = value
    if not isinstance(services, yaml.MappingNode) or not services.value:
        at = f", line {services.start_mark.line + 1}" if services else ""
        raise UsageError(f"{origin}{at}: services: expected names, each with a list of globs")
    for key, value in services.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _fault(origin, key, "services", "expected the name of a service")
        yield key, value, f"services.{key.value}"


def _globs(node: "yaml.Node", path: str, origin: str) -> "list[yaml.ScalarNode]":
    import yaml  # noqa: PLC0415 - as above

    globs = node.value if isinstance(node, yaml.SequenceNode) else []
    if not globs:
        raise _fault(origin, node, path, "expected a list of globs, such as [services/shop/**, libs/money/**]")
    wrong = next((n for n, glob in enumerate(globs) if not isinstance(glob, yaml.ScalarNode) or not glob.value), None)
    if wrong is not None:
        raise _fault(origin, globs[wrong], f"{path}[{wrong}]", "expected a glob")
    return list(globs)


def _pattern(node: "yaml.ScalarNode", path: str, origin: str) -> tuple[bool, re.Pattern[str]]:
    """Return whether the glob includes paths, and its regular expression. A folder matches everything below it."""
    glob: str = node.value
    includes = not glob.startswith("!")
    glob = glob.removeprefix("!")
    if glob.startswith(("/", "./")) or ".." in glob.split("/"):
        raise _fault(origin, node, path, "write it from the top of the repository, without a / before it, . or ..")
    glob = _REPEATED.sub("**/", glob.rstrip("/"))  # the same paths; repeated, it backtracks exponentially
    meaning = "".join(_MEANING.get(token) or re.escape(token) for token in _TOKEN.findall(glob))
    return includes, re.compile(f"{meaning}(?:/.*)?", re.DOTALL)


def _belongs(path: str, patterns: Sequence[tuple[bool, re.Pattern[str]]]) -> bool:
    return next((includes for includes, pattern in reversed(patterns) if pattern.fullmatch(path)), False)


def _fault(origin: str, node: "yaml.Node", path: str, problem: str) -> UsageError:
    return UsageError(f"{origin}, line {node.start_mark.line + 1}: {path}: {problem}")
