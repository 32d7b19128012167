"""XML that comes from tools which a pull request may have changed: no entities, no outside, no end of nesting."""

from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from producers.evidence.report import MAX_DEPTH, EvidenceError, ReportFile

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class XmlStep(NamedTuple):
    """The begin or the end of an element. At its end the element is whole; after it, it is forgotten."""

    begins: bool
    name: str
    """Without its namespace."""
    element: "Element"
    depth: int
    """1 for the root."""


def walk(report: ReportFile, hint: str, *, whole: frozenset[str], doctype: bool = False) -> Iterator[XmlStep]:
    """Go through a document.

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
    held = 0
    try:
        for event, element in iterparse(BytesIO(report.data), ("start", "end"), forbid_dtd=not doctype):
            name = element.tag.rpartition("}")[2]
            if event == "start":
                path.append(element)
                if len(path) > MAX_DEPTH:
                    raise EvidenceError(report.name, f"is nested more than {MAX_DEPTH} deep", hint=hint)
                held += name in whole
                yield XmlStep(True, name, element, len(path))
                continue
            yield XmlStep(False, name, element, len(path))
            held -= name in whole
            path.pop()
            if path and not held:
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
    """The count in an attribute; 0 where it is missing or no number: totals are often left out."""
    text = element.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0  # noqa: PLR2004 - fits 64 bits
