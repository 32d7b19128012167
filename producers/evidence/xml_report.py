"""Read XML reports from untrusted tools: no entities, no external resources, limited nesting."""

from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from producers.evidence.report import MAX_DEPTH, EvidenceError, ReportFile

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class XmlStep(NamedTuple):
    """The start or end of an element. At its end the element is complete; afterwards it is released."""

    begins: bool
    name: str
    """Without its namespace."""
    element: "Element"
    depth: int
    """1 for the root."""


def walk(report: ReportFile, hint: str, *, whole: frozenset[str], doctype: bool = False) -> Iterator[XmlStep]:
    """Walk through a document.

    Only the elements named in `whole` keep their children until their own end, so that a large report needs little
    memory. `doctype`: a DOCTYPE may stand at the head; entities are refused all the same, and nothing is fetched.

    Raises:
        EvidenceError: it is not XML, is nested too deep, or asks for entities.
    """
    from xml.etree.ElementTree import ParseError  # noqa: PLC0415 - only who gives a report pays for the parser

    from defusedxml.common import DefusedXmlException  # noqa: PLC0415 - as above
    from defusedxml.ElementTree import iterparse  # noqa: PLC0415 - as above

    if not report.data.strip():
        raise EvidenceError(report.name, "is empty", hint=hint)
    path: list[Element] = []
    open_whole = 0
    try:
        for event, element in iterparse(BytesIO(report.data), ("start", "end"), forbid_dtd=not doctype):
            name = element.tag.rpartition("}")[2]
            if event == "start":
                path.append(element)
                if len(path) > MAX_DEPTH:
                    raise EvidenceError(report.name, f"is nested more than {MAX_DEPTH} deep", hint=hint)
                open_whole += name in whole
                yield XmlStep(True, name, element, len(path))
                continue
            yield XmlStep(False, name, element, len(path))
            open_whole -= name in whole
            path.pop()
            if path and not open_whole:
                path[-1].remove(element)
    except ParseError as error:
        line, column = error.position
        where = f"line {line} column {column + 1}"
        raise EvidenceError(report.name, "is not well-formed XML", at=where, hint=hint) from error
    except DefusedXmlException as error:
        raise EvidenceError(report.name, "declares entities or a DOCTYPE, which no report needs", hint=hint) from error
    except (LookupError, ValueError) as error:
        raise EvidenceError(report.name, "is in an encoding that cannot be read", hint="write it as UTF-8") from error


def number(element: "Element", name: str) -> int:
    """Return the count in an attribute; 0 if it is missing or not a number, as totals are often omitted."""
    text = element.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0  # noqa: PLR2004 - fits 64 bits
