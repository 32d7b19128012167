"""JUnit XML, as pytest, surefire, Gradle, jest-junit, gotestsum, PHPUnit and googletest write it.

There is no standard. What counts are the test cases: totals are missing in one dialect, summed over nested suites in
another, and leave out reruns in a third. Where a total admits more failures than cases show, it is believed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from producers.build_event import Assigned
from producers.evidence.report import MEBIBYTE, EvidenceError, Reading, Report, origin
from producers.evidence.xml_report import number, walk

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BYTES: Final = 64 * MEBIBYTE
DEFAULT_KIND: Final = "tests"
"""Of a suite whose kind the caller does not say."""

_HINT: Final = "give the JUnit XML that the test runner writes, such as that of pytest --junitxml"
_CASE: Final = "testcase"
_SUITES: Final = frozenset({"testsuite", "testsuites"})
_BROKEN: Final = frozenset({"failure", "error"})
_FLAKY: Final = frozenset({"flakyFailure", "flakyError"})
_SKIPPED: Final = frozenset({"skipped", "disabled", "notrun", "ignored", "pending", "suppressed"})
_FAILED: Final = frozenset({"failed", "failure", "error"})
_SHOWN: Final = 3


class Ending(Enum):
    """How a test case ended."""

    PASSED = auto()
    FLAKY = auto()
    """Passed, but not at the first try."""
    FAILED = auto()
    SKIPPED = auto()


@dataclass(slots=True)
class Cases:
    """The test cases of one report or several, by how they ended."""

    endings: Counter[Ending] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """The names of some that failed."""

    @property
    def passed(self) -> int:
        """Cases that passed in the end."""
        return self.endings[Ending.PASSED] + self.endings[Ending.FLAKY]

    @property
    def executed(self) -> int:
        """Cases that ran."""
        return self.passed + self.endings[Ending.FAILED]

    def add(self, name: str, ending: Ending, times: int = 1) -> None:
        """Count a case, or several."""
        self.endings[ending] += times
        if ending is Ending.FAILED and len(self.failed) < _SHOWN:
            self.failed.append(name)

    def add_all(self, other: "Cases") -> None:
        """Count the cases of another report, too."""
        self.endings.update(other.endings)
        self.failed = [*self.failed, *other.failed][:_SHOWN]


def read_junit(shards: Mapping[str, Sequence[Report]], *, reruns: bool = False) -> Reading:
    """The suites of `tests_passed`, by kind; the shards of a kind are added up.

    `reruns`: of several cases with one name in a report the last counts, as gotestsum and Gradle report a rerun.

    Raises:
        EvidenceError: a report is no JUnit XML, or of a kind no test ran.
    """
    suites, notes, objections = [], [], []
    for kind, reports in shards.items():
        cases = Cases()
        for report in reports:
            cases.add_all(count_cases(report, reruns=reruns))
        skipped, failed, flaky = (cases.endings[one] for one in (Ending.SKIPPED, Ending.FAILED, Ending.FLAKY))
        if not cases.executed:
            raise EvidenceError(
                reports[0].name,
                f"no test of the suite {kind!r} ran ({skipped} skipped)",
                hint="what did not run has not passed: mend the selection of tests, or leave the report out",
            )
        suites.append({"kind": kind, "executed": cases.executed, "passed": cases.passed, "skipped": skipped})
        if flaky:
            notes.append(Assigned(f"attributes.tests.flaky.{kind}", str(flaky), origin("junit", reports)))
        if failed:
            more = ", ..." if failed > len(cases.failed) else ""
            objections.append(f"{failed} of {cases.executed} {kind} failed: {', '.join(cases.failed)}{more}")
    every = [report for reports in shards.values() for report in reports]
    return Reading([Assigned("tests.suites", suites, origin("junit", every)), *notes], objections)


def count_cases(report: Report, *, reruns: bool) -> Cases:
    """Count the cases of one report. Raises EvidenceError: it is no JUnit XML."""
    cases, last = Cases(), dict[tuple[str, str, str], tuple[str, Ending]]()
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
            cases.add(f"{element.get('name') or 'a suite'} (by its totals)", Ending.FAILED, unseen) if unseen else None
            seen[-1].update(inner)
        elif name in _BROKEN and not case_open:
            seen[-1][name] += 1
            cases.add("a suite as a whole", Ending.FAILED)
    for title, ending in last.values():
        cases.add(title, ending)
    return cases


def _ending(case: "Element") -> Ending:
    inside = {_tag(child) for child in case}
    said = {case.get("status", "").lower(), case.get("result", "").lower()}
    if inside & _BROKEN or (said & _FAILED and not inside & _FLAKY):
        return Ending.FAILED
    if "skipped" in inside or said & _SKIPPED:
        return Ending.SKIPPED
    return Ending.FLAKY if inside & _FLAKY else Ending.PASSED


def _rerun(before: tuple[str, Ending] | None, now: Ending) -> Ending:
    """How a case ended that ran before: what passes after a failure is flaky."""
    if before is not None and now is Ending.PASSED and before[1] in {Ending.FAILED, Ending.FLAKY}:
        return Ending.FLAKY
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
