"""Cobertura XML, as coverage.py, gcovr, coverlet, PHPUnit, istanbul and many converters write it."""

from typing import Final

from producers.evidence.lines import FileLines, Files
from producers.evidence.report import EvidenceError, ReportFile
from producers.evidence.xml_report import number, walk

_HINT: Final = "give Cobertura XML, such as that of `coverage xml` or gcovr --cobertura"


def read_files(report: ReportFile) -> Files:
    """Return the lines of each file; classes that share a file are merged.

    Raises:
        EvidenceError: it is not a Cobertura report.
    """
    files: Files = {}
    for begins, name, element, depth in walk(report, _HINT, whole=frozenset({"class"}), doctype=True):
        if begins and depth == 1 and name != "coverage":
            raise EvidenceError(report.name, f"begins with <{name:.40}>, not with <coverage>", hint=_HINT)
        if begins or name != "class":
            continue
        path = element.get("filename")
        if not path:
            raise EvidenceError(report.name, "has a <class> without a filename", hint=_HINT)
        lines = files.setdefault(path, FileLines())
        for line in element.iter():
            if line.tag.rpartition("}")[2] == "line":
                lines.executable.add(number(line, "number"))
                if number(line, "hits"):
                    lines.executed.add(number(line, "number"))
    if not files:
        raise EvidenceError(report.name, "has no <class>: no Cobertura report, or an empty one", hint=_HINT)
    return files
