"""Line coverage of the modules that matter, from coverage.py's JSON, Cobertura XML and LCOV.

What is asked for is a module, not the whole: an average over everything hides the module where the money moves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from producers.errors import UsageError
from producers.events.event_builder import Assignment
from producers.evidence import cobertura, coverage_py, lcov
from producers.evidence.lines import FileLines, Files
from producers.evidence.report import MEBIBYTE, EvidenceError, EvidenceReading, ReportFile, origin

MAX_BYTES: Final = 64 * MEBIBYTE
EVERYTHING: Final = "(all)"
"""The module that stands for every file of the reports."""
_WHOLE: Final = 100.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Required line coverage, as shares from 0 to 1."""

    modules: Mapping[str, float]
    """By critical module."""
    overall: float | None = None
    """Of all files together."""


class CoverageEntry(NamedTuple):
    """The coverage of one module, as the contract has it."""

    module: str
    critical: bool
    line: float
    threshold: float


def read_thresholds(texts: Sequence[str], critical: Sequence[str]) -> Thresholds:
    """Parse "payments=90%", "0.8" (of everything) and the critical modules named elsewhere.

    Raises:
        UsageError: a text is no threshold, or a critical module has none.
    """
    modules: dict[str, float] = {}
    overall: float | None = None
    for text in texts:
        name, equals, share = text.rpartition("=")
        if not equals:
            overall = _share(text)
        elif name.strip():
            modules[name.strip()] = _share(share)
        else:
            raise UsageError(f"--coverage-threshold {text}: names no module before the =")
    for name in critical:
        wanted = modules.get(name, overall)
        if wanted is None:
            raise UsageError(f"--critical-module {name}: say its threshold: --coverage-threshold {name}=90%")
        modules[name] = wanted
    if not modules and overall is None:
        raise UsageError(
            "--coverage: say what is asked for: --coverage-threshold MODULE=90% for each critical module, "
            "or --coverage-threshold 80% for everything"
        )
    return Thresholds(modules, overall)


def _share(text: str) -> float:
    number, percent = (text.strip()[:-1], True) if text.strip().endswith("%") else (text, False)
    try:
        share = float(number) / (_WHOLE if percent else 1.0)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"--coverage-threshold: {text!r} is no share: write 90% or 0.9")
    return share


def read_coverage(reports: Sequence[ReportFile], wanted: Thresholds) -> EvidenceReading:
    """Compute the coverage for `tests_passed`. A line that ran in any report counts as executed.

    Raises:
        EvidenceError: a report is of no known format, or a module is in none.
    """
    files: Files = {}
    for report in reports:
        for path, lines in _read(report).items():
            merged = files.setdefault(path.replace("\\", "/"), FileLines())
            merged.executable |= lines.executable
            merged.executed |= lines.executed & lines.executable
    entries, objections = [], []
    for module, threshold in wanted.modules.items():
        entries.append(_entry(module, [files[path] for path in files if in_module(path, module)], threshold, reports))
    if wanted.overall is not None:
        entire = _entry(EVERYTHING, list(files.values()), wanted.overall, reports)
        entries.append(entire._replace(critical=False))
    for one in entries:
        if one.line < one.threshold:
            share, least = _WHOLE * one.line, _WHOLE * one.threshold
            objections.append(f"line coverage of {one.module} is {share:.2f}%, less than {least:g}%")
    found = [one._asdict() for one in entries]
    return EvidenceReading([Assignment("tests.coverage", found, origin("coverage", reports))], objections)


def in_module(path: str, module: str) -> bool:
    """Check whether a file belongs to a module, written as a path, a dotted name, or a pattern with *.

    `shop.payments` and `shop/payments` are `src/shop/payments/card.py`, and `shop/payments.go`.
    """
    if "*" in module:
        return fnmatchcase(path, module)
    wanted = module.strip("/").split("/")
    if len(wanted) == 1 and not _has_suffix(module):
        wanted = module.split(".")
    parts = PurePosixPath(path).parts
    bare = (*parts[:-1], PurePosixPath(path).stem)
    size = len(wanted)
    starts = range(len(parts) - size + 1)
    return any([*names[start : start + size]] == wanted for names in (parts, bare) for start in starts)


def _has_suffix(module: str) -> bool:
    """Whether a name without a slash is that of a file, such as card.py."""
    return PurePosixPath(module).suffix in {".py", ".go", ".js", ".ts", ".java", ".kt", ".rs", ".c", ".cc", ".cpp"}


def _entry(module: str, files: Sequence[FileLines], threshold: float, reports: Sequence[ReportFile]) -> CoverageEntry:
    executable = sum(len(lines.executable) for lines in files)
    if not executable:
        raise EvidenceError(
            reports[0].name,
            f"has no line of {module!r}",
            hint="name the module as the report's paths do, e.g. src/shop/payments; * stands for anything",
        )
    executed = sum(len(lines.executed) for lines in files)
    return CoverageEntry(module, critical=True, line=executed / executable, threshold=threshold)


def _read(report: ReportFile) -> Files:
    head = report.data[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<"):
        return cobertura.read_files(report)
    if head.startswith(b"{"):
        return coverage_py.read_files(report)
    return lcov.read_files(report)
