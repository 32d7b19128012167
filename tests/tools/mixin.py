"""The rules and alerts of deploy/prometheus as plain YAML: `make mixin` writes it, a test holds it to its source."""

import json
from pathlib import Path
from typing import Any, Final

import _jsonnet
import yaml

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "prometheus"
FILES: Final = {"candora.rules.yaml": "prometheusRules", "candora.alerts.yaml": "prometheusAlerts"}
_HEAD: Final = "# Made by `make mixin` from mixin.libsonnet: change that one.\n"


def evaluated(field: str) -> dict[str, Any]:
    """What a field of the mixin is."""
    source = f"(import 'mixin.libsonnet').{field}"
    text: str = _jsonnet.evaluate_snippet(str(FOLDER / "snippet"), source, jpathdir=str(FOLDER))
    found: dict[str, Any] = json.loads(text)
    return found


def as_yaml(groups: dict[str, Any]) -> str:
    """The file for Prometheus."""
    return _HEAD + yaml.dump(_in_order(groups), Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)


def written() -> dict[Path, str]:
    """Each file, as it should be."""
    return {FOLDER / name: as_yaml(evaluated(field)) for name, field in FILES.items()}


_ORDER: Final = ("name", "interval", "record", "alert", "expr", "for", "labels", "annotations", "rules", "groups")


def _in_order(node: Any) -> Any:
    """Jsonnet sorts by name; people read a rule's name first."""
    if isinstance(node, list):
        return [_in_order(entry) for entry in node]
    if isinstance(node, dict):
        names = sorted(node, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
        return {name: _in_order(node[name]) for name in names}
    return node.strip() if isinstance(node, str) else node


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stand as they are read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def main() -> None:
    """Write the files."""
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
