"""The reports of these tests, and what a reading of them says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from producers.evidence.report import EvidenceReading, ReportFile

FOLDER = Path(__file__).parent / "reports"


def report(name: str) -> ReportFile:
    """One of the files beside this."""
    return ReportFile(name.rpartition("/")[2], (FOLDER / name).read_bytes())


def text_report(text: str, name: str = "report") -> ReportFile:
    return ReportFile(name, text.encode())


def said(reading: EvidenceReading) -> Mapping[str, Any]:
    """The values of a reading by path; what holds by default, too."""
    return {entry.path: entry.value for entry in (*reading.defaults, *reading.assigned)}
