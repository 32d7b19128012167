"""JUnit XML, as pytest, surefire, Gradle, jest-junit, gotestsum, PHPUnit and googletest write it.

There is no standard. What counts are the test cases: totals are missing in one dialect, summed over nested suites in
another, and leave out reruns in a third. Where a total admits more failures than cases show, it is believed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from producers.events.event_builder import Assignment
from producers.evidence.report import MEBIBYTE, EvidenceError, EvidenceReading, ReportFile, origin
from producers.evidence.xml_report import number, walk

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BYTES: Final = 64 * MEBIBYTE
DEFAULT_KIND: Final = "tests"
"""Kind of a suite where the caller names none."""

_HINT: Final = "give the JUnit XML that the test runner writes, such as that of pytest --junitxml"
_CASE: Final = "testcase"
_SUITES: Final = frozenset({"testsuite", "testsuites"})
_BROKEN: Final = frozenset({"failure", "error"})
_FLAKY: Final = frozenset({"flakyFailure", "flakyError"})
_SKIPPED: Final = frozenset({"skipped", "disabled", "notrun", "ignored", "pending", "suppressed"})
_FAILED: Final = frozenset({"failed", "failure", "error"})
_SHOWN: Final = 3


class CaseOutcome(Enum):
    """Outcome of a test case."""

    PASSED = auto()
    FLAKY = auto()
    """Passed, but not on the first attempt."""
    FAILED = auto()
    SKIPPED = auto()


@dataclass(slots=True)
class CaseCounts:
    """Counts of test cases by outcome, over one report or several."""

    endings: Counter[CaseOutcome] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """Names of some failed cases."""

    @property
    def passed(self) -> int:
        """Cases that passed in the end."""
        return self.endings[CaseOutcome.PASSED] + self.endings[CaseOutcome.FLAKY]

    @property
    def executed(self) -> int:
        """Cases that ran."""
        return self.passed + self.endings[CaseOutcome.FAILED]

    def add(self, name: str, ending: CaseOutcome, times: int = 1) -> None:
        """Count a case, or several."""
        self.endings[ending] += times
        if ending is CaseOutcome.FAILED and len(self.failed) < _SHOWN:
            self.failed.append(name)

    def add_all(self, other: "CaseCounts") -> None:
        """Add the counts of another report."""
        self.endings.update(other.endings)
        self.failed = [*self.failed, *other.failed][:_SHOWN]


def read_junit(shards: Mapping[str, Sequence[ReportFile]], *, reruns: bool = False) -> EvidenceReading:
    """Build the suites of `tests_passed` by kind, summing the shards of each.

    `reruns`: of several cases with one name in a report the last counts, as gotestsum and Gradle report a rerun.

    Raises:
        EvidenceError: a report is no JUnit XML, or of a kind no test ran.
    """
    suites, notes, objections = [], [], []
    for kind, reports in shards.items():
        cases = CaseCounts()
        for report in reports:
            cases.add_all(count_cases(report, reruns=reruns))
        skipped, failed, flaky = (
            cases.endings[one] for one in (CaseOutcome.SKIPPED, CaseOutcome.FAILED, CaseOutcome.FLAKY)
        )
        if not cases.executed:
            raise EvidenceError(
                reports[0].name,
                f"no test of the suite {kind!r} ran ({skipped} skipped)",
                hint="what did not run has not passed: mend the selection of tests, or leave the report out",
            )
        suites.append({"kind": kind, "executed": cases.executed, "passed": cases.passed, "skipped": skipped})
        if flaky:
            notes.append(Assignment(f"attributes.tests.flaky.{kind}", str(flaky), origin("junit", reports)))
        if failed:
            more = ", ..." if failed > len(cases.failed) else ""
            objections.append(f"{failed} of {cases.executed} {kind} failed: {', '.join(cases.failed)}{more}")
    every = [report for reports in shards.values() for report in reports]
    return EvidenceReading([Assignment("tests.suites", suites, origin("junit", every)), *notes], objections)


def count_cases(report: ReportFile, *, reruns: bool) -> CaseCounts:
    """Count the cases of one report. Raises EvidenceError: it is not JUnit XML."""
    cases, last = CaseCounts(), dict[tuple[str, str, str], tuple[str, CaseOutcome]]()
    seen = [Counter[str]()]  # failure and error elements, by open suite
    case_open = False
    for begins, name, element, depth in walk(report, _HINT, whole=frozenset({_CASE})):
        if begins:
            if depth == 1 and name not in _SUITES:
                raise EvidenceError(report.name, f"begins with <{name:.40}>, not with <testsuites>", hint=_HINT)
            case_open = case_open or name == _CASE
            seen += [Counter()] if name in _SUITES else []
        elif name == _CASE:
            case_open = False
            title, ending = _title(element), _ending(element)
            seen[-1].update(_tag(child) for child in element)
            if reruns:
                key = (element.get("file", ""), element.get("classname", ""), element.get("name", ""))
                last[key] = title, _rerun(last.get(key), ending)
            else:
                cases.add(title, ending)
        elif name in _SUITES:
            inner = seen.pop()
            unseen = _unseen(inner, element)
            cases.add(
                f"{element.get('name') or 'a suite'} (by its totals)", CaseOutcome.FAILED, unseen
            ) if unseen else None
            seen[-1].update(inner)
        elif name in _BROKEN and not case_open:
            seen[-1][name] += 1
            cases.add("a suite as a whole", CaseOutcome.FAILED)
    for title, ending in last.values():
        cases.add(title, ending)
    return cases


def _ending(case: "Element") -> CaseOutcome:
    inside = {_tag(child) for child in case}
    said = {case.get("status", "").lower(), case.get("result", "").lower()}
    if inside & _BROKEN or (said & _FAILED and not inside & _FLAKY):
        return CaseOutcome.FAILED
    if "skipped" in inside or said & _SKIPPED:
        return CaseOutcome.SKIPPED
    return CaseOutcome.FLAKY if inside & _FLAKY else CaseOutcome.PASSED


def _rerun(before: tuple[str, CaseOutcome] | None, now: CaseOutcome) -> CaseOutcome:
    """Return the outcome of a repeated case: a pass after a failure is flaky."""
    if before is not None and now is CaseOutcome.PASSED and before[1] in {CaseOutcome.FAILED, CaseOutcome.FLAKY}:
        return CaseOutcome.FLAKY
    return now


def _unseen(seen: Counter[str], suite: "Element") -> int:
    """How many failures the totals of a suite admit that its cases do not show. From then on they count as seen."""
    unseen = 0
    for element, total in (("failure", "failures"), ("error", "errors")):
        missing = max(0, number(suite, total) - seen[element])
        seen[element] += missing
        unseen += missing
    return unseen


def _title(case: "Element") -> str:
    parts = [case.get("classname", ""), case.get("name", "")]
    return "::".join(part for part in parts if part)[:120] or "a test without a name"


def _tag(element: "Element") -> str:
    return element.tag.rpartition("}")[2]
