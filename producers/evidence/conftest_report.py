"""conftest's JSON (`conftest test -o json`).

It names the rules that failed, but of those that passed it gives a number only, by namespace. So a rule of the event is
a namespace: who wants a count for each rule puts each into a package of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from producers.events.event_builder import Assignment
from producers.evidence.json_report import JsonNode, read_json
from producers.evidence.report import MEBIBYTE, EvidenceError, EvidenceReading, ReportFile, origin

MAX_BYTES: Final = 16 * MEBIBYTE

_HINT: Final = "make it with `conftest test --output json`"
_SHOWN: Final = 3


@dataclass(slots=True)
class Namespace:
    """Outcomes of one namespace over all files."""

    evaluated: int = 0
    failures: int = 0
    exceptions: int = 0
    warnings: int = 0
    messages: list[str] = field(default_factory=list)


def read_conftest(reports: Sequence[ReportFile]) -> EvidenceReading:
    """Read the rules of `policy_passed`. Raises EvidenceError: not a conftest report, or no rule was evaluated."""
    found: dict[str, Namespace] = {}
    for report in reports:
        root = read_json(report, "a report of conftest", _HINT)
        if not isinstance(root.value, list):
            raise root.error("is not a list, as conftest writes", _HINT)
        for result in root.items():
            _read_result(result, found)
    source = origin("conftest", reports)
    if not any(namespace.evaluated for namespace in found.values()):
        raise EvidenceError(
            reports[0].name,
            "no rule was evaluated, and conftest calls that a success",
            hint="check --namespace, the policies, and that the rules fit the kinds of the files",
        )
    rules = [
        {"id": name, "evaluated": one.evaluated, "failures": one.failures, "exceptions": one.exceptions}
        for name, one in sorted(found.items())
    ]
    assigned = [Assignment("policy.rules", rules, source)]
    warnings = sum(namespace.warnings for namespace in found.values())
    if warnings:
        assigned.append(Assignment("attributes.policy.warnings", str(warnings), source))
    objections = [
        f"{one.failures} failures in {name}: {'; '.join(one.messages)}"
        for name, one in sorted(found.items())
        if one.failures
    ]
    return EvidenceReading(assigned, objections, [Assignment("policy.engine", "conftest", source)])


def _read_result(result: JsonNode, found: dict[str, Namespace]) -> None:
    if not result.has("filename") and not result.has("successes"):
        raise result.error("is not a result of conftest", _HINT)
    namespace = found.setdefault(result.optional_text("namespace") or "main", Namespace())
    outcomes = {name: list(result.items(name)) for name in ("failures", "exceptions", "warnings")}
    namespace.evaluated += result.count("successes") + sum(map(len, outcomes.values()))
    namespace.failures += len(outcomes["failures"])
    namespace.exceptions += len(outcomes["exceptions"])
    namespace.warnings += len(outcomes["warnings"])
    for failure in outcomes["failures"][: _SHOWN - len(namespace.messages)]:
        namespace.messages.append((failure.optional_text("msg") or "no message")[:120])
