"""The JSON report of coverage.py (`coverage json`)."""

from typing import Final

from producers.evidence.json_report import JsonNode, read_json
from producers.evidence.lines import FileLines, Files
from producers.evidence.report import ReportFile

_HINT: Final = "make it with `coverage json`"


def read_files(report: ReportFile) -> Files:
    """Return the lines of each file. Raises EvidenceError: it is not a coverage.py report."""
    root = read_json(report, "a coverage report", _HINT)
    if not (root.has("meta") and root.has("files")):
        raise root.error("is not a report of coverage.py", _HINT)
    return {path: _lines(node) for path, node in root.fields("files")}


def _lines(file: JsonNode) -> FileLines:
    executed = _numbers(file, "executed_lines")
    return FileLines(executed | _numbers(file, "missing_lines"), executed)


def _numbers(file: JsonNode, name: str) -> set[int]:
    if not file.has(name):
        raise file.child(name).error("is missing", _HINT)
    numbers = set()
    for node in file.items(name):
        if type(node.value) is not int:
            raise node.error("is not the number of a line")
        numbers.add(node.value)
    return numbers
