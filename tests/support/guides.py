"""The commands that the guides in docs print, and the jobs in which a test runs them.

Of a fenced block ```sh everything is run as it stands. Of a pipeline, ```yaml or ```groovy below docs/ci, what it runs
itself is run, in order, with the environment that it sets; whatever its rules say, so that every command is tried.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

DOCS: Final = Path(__file__).parents[2] / "docs"

_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_GROOVY_STEP: Final = re.compile(r"\bsh '([^'\n]*)'")
_GROOVY_VARIABLE: Final = re.compile(r"environment \{ (\w+) = '([^']*)' \}")
_PLACEHOLDER: Final = re.compile(r"\$\{\{\s*(.*?)\s*\}\}|\{\{\s*(.*?)\s*\}\}|\$\((.*?)\)")
_COMMANDS: Final = frozenset({"run", "script", "bash", "command", "commands", "source"})
_VARIABLES: Final = frozenset({"env", "environment", "variables"})


class Script(NamedTuple):
    """Commands of one block, run one after another in the same folder, and the variables that the block sets."""

    commands: list[str]
    environ: Mapping[str, str]


def scripts(guide: Path, placeholders: Mapping[str, str]) -> list[Script]:
    """The scripts of a guide, in order. Raises LookupError for a placeholder of a pipeline that nobody fills in."""
    is_pipeline = guide.parent.name == "ci"
    found = []
    for language, text in _BLOCK.findall(guide.read_text("utf-8")):
        if language == "sh":
            found.append(Script([text], {}))
        elif language == "yaml" and is_pipeline:
            root = yaml.safe_load(text)
            found.append(Script(list(_commands(root)), dict(_variables(root, placeholders))))
        elif language == "groovy" and is_pipeline:
            found.append(Script(_GROOVY_STEP.findall(text), dict(_GROOVY_VARIABLE.findall(text))))
    return found


def _commands(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for entry in node:
            yield from _commands(entry)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in _COMMANDS and isinstance(value, str):
                yield value
            elif key in _COMMANDS - {"command"} and isinstance(value, list) and all(isinstance(x, str) for x in value):
                yield "\n".join(value)
            else:
                yield from _commands(value)


def _variables(node: Any, placeholders: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    entries = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for key, value in node.items() if isinstance(node, dict) else ():
        if key in _VARIABLES and isinstance(value, dict):
            yield from ((name, _filled(text, placeholders)) for name, text in value.items() if isinstance(text, str))
        elif key in _VARIABLES and isinstance(value, list):
            yield from ((entry["name"], _filled(entry["value"], placeholders)) for entry in value)
    for entry in entries:
        yield from _variables(entry, placeholders)


def _filled(text: str, placeholders: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: placeholders[next(filter(None, match.groups()))], text)
