"""The packages for CI systems: their inputs, and the script of the GitHub action, of which the others have copies.

`make packages` writes the copies.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent
from typing import Any, Final

import yaml

CI: Final = Path(__file__).parents[2] / "deploy" / "ci"
SCRIPT: Final = CI / "github" / "emit.sh"
ACTION: Final = CI / "github" / "action.yml"
LIBRARY: Final = CI / "jenkins"
RESOURCE: Final = LIBRARY / "resources" / "candora" / "emit.sh"
COMPONENT: Final = CI / "gitlab" / "templates" / "candora.yml"

LISTS: Final = frozenset(
    {"service", "junit", "coverage", "coverage-threshold", "trivy", "sbom", "conftest", "analysis-run", "args"}
)
"""Inputs that hold one value a line."""
SWITCHES: Final = frozenset({"fetch-history", "strict", "allow-failure", "dry-run", "explain"})
CHECKED: Final = frozenset({"event", "version", "requirements"})
"""Inputs that are no flags, and that the script looks at itself."""

_LAST_ENTRY: Final = "    - |\n"
"""Of the component's `script`, the text that ends the file."""
_INPUT: Final = re.compile(r"\$\[\[ inputs\.([a-z-]+) \]\]")


def action() -> dict[str, Any]:
    """GitHub's action."""
    loaded: dict[str, Any] = yaml.safe_load(ACTION.read_text("utf-8"))
    return loaded


def component_inputs() -> dict[str, Mapping[str, Any]]:
    """The inputs of GitLab's component."""
    header, _ = yaml.safe_load_all(COMPONENT.read_text("utf-8"))
    inputs: dict[str, Mapping[str, Any]] = header["spec"]["inputs"]
    return inputs


def component_jobs(given: Mapping[str, Any]) -> Any:
    """What GitLab makes of the component: an input keeps its type where it stands alone, and is text inside of text.

    Raises:
        ValueError: an input that GitLab would refuse.
    """
    _, body = yaml.safe_load_all(COMPONENT.read_text("utf-8"))
    values = {name: spec["default"] for name, spec in component_inputs().items() if "default" in spec} | dict(given)
    for name, value in values.items():
        _check(name, value, component_inputs()[name])
    return _filled(body, values)


def _check(name: str, value: Any, spec: Mapping[str, Any]) -> None:
    wanted = {"boolean": bool, "array": list}.get(spec.get("type", "string"), str)
    if not isinstance(value, wanted):
        raise ValueError(f"{name}: {value!r} is no {wanted.__name__}")  # noqa: TRY004 - one way to refuse
    if value not in spec.get("options", [value]):
        raise ValueError(f"{name}: {value!r} is no option")
    if "regex" in spec and re.search(spec["regex"], str(value)) is None:
        raise ValueError(f"{name}: {value!r} does not match")


def _filled(node: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        return {_filled(key, values): _filled(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(entry, values) for entry in node]
    if not isinstance(node, str):
        return node
    if alone := _INPUT.fullmatch(node):
        return values[alone[1]]
    return _INPUT.sub(lambda match: _as_text(values[match[1]]), node)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def component() -> str:
    """The file of GitLab's component with the script as it is now."""
    head, _, _ = COMPONENT.read_text("utf-8").partition(_LAST_ENTRY)
    return head + _LAST_ENTRY + indent(SCRIPT.read_text("utf-8"), "      ")


def main() -> None:
    """Write the copies."""
    RESOURCE.write_text(SCRIPT.read_text("utf-8"), "utf-8")
    COMPONENT.write_text(component(), "utf-8")


if __name__ == "__main__":
    main()
