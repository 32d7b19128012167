"""LCOV tracefiles (`lcov.info`), as geninfo, istanbul, cargo-llvm-cov and coverage.py write them."""

from typing import Final

from producers.evidence.lines import FileLines, Files
from producers.evidence.report import EvidenceError, ReportFile

_HINT: Final = "give an LCOV tracefile, Cobertura XML, or the JSON of coverage.py"


def read_files(report: ReportFile) -> Files:
    """Return the lines of each file. Raises EvidenceError: it is not a tracefile."""
    try:
        text = report.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise EvidenceError(report.name, "is not text in UTF-8", hint=_HINT) from None
    files: Files = {}
    lines: FileLines | None = None
    for position, row in enumerate(text.splitlines(), start=1):
        key, _, value = row.strip().partition(":")
        if key == "SF":
            lines = files.setdefault(value, FileLines())
        elif key == "end_of_record":
            lines = None
        elif key == "DA":
            if lines is None:
                raise EvidenceError(report.name, "DA stands outside a record", at=f"line {position}", hint=_HINT)
            line, hits = _line(report, position, value)
            lines.executable.add(line)
            if hits > 0:
                lines.executed.add(line)
    if not files:
        raise EvidenceError(report.name, "is no coverage report that is known", hint=_HINT)
    if lines is not None:
        raise EvidenceError(report.name, "ends within a record: it is cut off", hint="write it again")
    return files


def _line(report: ReportFile, position: int, value: str) -> tuple[int, int]:
    """Parse a line number and its hits. A checksum may follow; some tools write hits as 1.0 or below 0."""
    parts = value.split(",")
    try:
        return int(parts[0]), int(float(parts[1]))
    except (ValueError, IndexError, OverflowError):
        raise EvidenceError(report.name, f"{value[:40]!r} is no DA entry", at=f"line {position}", hint=_HINT) from None
