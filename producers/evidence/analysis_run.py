"""An AnalysisRun of Argo Rollouts, as `kubectl get analysisrun NAME -o json` (or yaml) shows it.

What the controller calls Successful can be nothing measured at all: a failureCondition over NaN is never true. A metric
whose measurements are all without a number is therefore "no_data", whatever the controller made of it.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from producers.events.event_builder import Assignment
from producers.evidence.json_report import JsonNode, read_json
from producers.evidence.report import MEBIBYTE, EvidenceError, EvidenceReading, ReportFile, origin
from schemas.rules import MAX_SHORT

MAX_BYTES: Final = 4 * MEBIBYTE
MAX_YAML_BYTES: Final = MEBIBYTE
"""YAML is read a hundred times slower than JSON."""

_HINT: Final = "make it with `kubectl get analysisrun NAME -o json`"
_VERDICTS: Final = {
    "Successful": "pass",
    "Failed": "fail",
    "Inconclusive": "inconclusive",
    "Error": "error",
    "Running": "running",
    "Pending": "pending",
}
_NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_COMPARED: Final = re.compile(rf"(?<![\w.])result(?:\[\d+\])?\s*(?:<=?|>=?)\s*({_NUMBER})(?![\w.])")
_ARGUMENT: Final = re.compile(r"\{\{\s*args\.([\w.-]+)\s*\}\}")
_NOT_A_NUMBER: Final = frozenset({"", "[]", "nan", "+inf", "-inf", "inf", "null", "<nil>"})


def read_analysis(reports: Sequence[ReportFile]) -> EvidenceReading:
    """The analysis of `canary_promoted`: each metric's verdict, last value, threshold and number of measurements.

    Raises:
        EvidenceError: it is no AnalysisRun, or has measured nothing yet.
    """
    entries = [entry for report in reports for run in _runs(report) for entry in _metrics(run)]
    return EvidenceReading([Assignment("canary.analysis", entries, origin("analysisrun", reports))])


def read_failure(reports: Sequence[ReportFile]) -> EvidenceReading:
    """The reason of `rollback_triggered`: what the failed runs say of themselves."""
    said = []
    for run in (run for report in reports for run in _runs(report)):
        status = run.child("status")
        if status.optional_text("phase") in {"Failed", "Error", "Inconclusive"}:
            said.append(status.optional_text("message") or f"analysis {status.text('phase')}")
    if not said:
        raise EvidenceError(reports[0].name, "no run has failed, so it is no reason to roll back", hint=_HINT)
    return EvidenceReading([Assignment("rollback.reason", "; ".join(said)[:MAX_SHORT], origin("analysisrun", reports))])


def _runs(report: ReportFile) -> Iterator[JsonNode]:
    root = _parsed(report)
    runs = list(root.items("items")) if root.has("items") else [root]
    for run in runs:
        if run.optional_text("kind") != "AnalysisRun":
            raise run.child("kind").error("is not AnalysisRun", _HINT)
        if not (run.has("status") and run.child("status").has("metricResults")):
            raise run.child("status.metricResults").error("is missing: nothing has been measured yet", _HINT)
        yield run
    if not runs:
        raise root.error("lists no AnalysisRun", _HINT)


def _parsed(report: ReportFile) -> JsonNode:
    if report.data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return read_json(report, "an AnalysisRun", _HINT)
    if len(report.data) > MAX_YAML_BYTES:
        raise EvidenceError(report.name, "is too large for YAML", hint=_HINT)
    from producers.evidence.yaml_report import read_yaml  # noqa: PLC0415 - few give YAML

    return read_yaml(report, _HINT)


def _metrics(run: JsonNode) -> Iterator[dict[str, Any]]:
    spec = run.child("spec")
    conditions = {metric.text("name"): metric for metric in spec.items("metrics")} if spec.value is not None else {}
    arguments = {
        argument.text("name"): str(argument.child("value").value)
        for argument in (spec.items("args") if spec.value is not None else ())
        if argument.has("value")
    }
    for result in run.child("status").items("metricResults"):
        name = result.text("name")
        phase = result.optional_text("phase") or "Pending"
        if phase not in _VERDICTS:
            raise result.child("phase").error(f"is {phase[:20]!r}, none that is known", _HINT)
        texts = [node.optional_text("value") or "" for node in result.items("measurements")]
        verdict = _VERDICTS[phase]
        if verdict == "pass" and texts and all(_is_empty(text) for text in texts):
            verdict = "no_data"
        if result.child("dryRun").value is True:
            verdict += " (dry run)"
        yield {
            "metric": name,
            "verdict": verdict,
            "value": _number(texts[-1]) if texts else None,
            "threshold": _threshold(conditions.get(name), arguments),
            "n": result.optional_count("count"),
        }


def _number(text: str) -> float | None:
    """The one number in what a provider answered: "0.01" or "[0.01]"; None if there is none, or several."""
    try:
        value = float(text.strip().removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _is_empty(text: str) -> bool:
    """Whether a provider answered, but with no number: an empty vector, or NaN."""
    inner = text.strip().lower()
    parts = inner.removeprefix("[").removesuffix("]").split(",") if inner.startswith("[") else [inner]
    return all(part.strip() in _NOT_A_NUMBER for part in parts)


def _threshold(metric: JsonNode | None, arguments: dict[str, str]) -> float | None:
    """The number that the result is compared with, if the conditions name exactly one."""
    if metric is None:
        return None
    for name in ("successCondition", "failureCondition"):
        condition = metric.optional_text(name)
        if condition is not None:
            text = _ARGUMENT.sub(lambda found: arguments.get(found[1], found[0]), condition)
            numbers = {float(number) for number in _COMPARED.findall(text)}
            if numbers:
                return _number(str(numbers.pop())) if len(numbers) == 1 else None
    return None
