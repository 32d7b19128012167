"""Read untrusted YAML: plain values only, no tags, and no aliases, which could expand without bound."""

from typing import Any

import yaml
from typing_extensions import override

from producers.evidence.json_report import JsonNode
from producers.evidence.report import EvidenceError, ReportFile


class _Loader(yaml.SafeLoader):
    @override
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def read_yaml(report: ReportFile, hint: str) -> JsonNode:
    """Parse a report in YAML. Raises EvidenceError: it is not YAML, or uses tags or aliases."""
    try:
        value: Any = yaml.load(report.data, _Loader)  # noqa: S506 - a safe loader, made safer
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark is not None else ""
        raise EvidenceError(report.name, "is not plain YAML", at=where, hint=hint) from error
    return JsonNode(value, report.name)
