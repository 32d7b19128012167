"""Render a review as GitHub-flavoured Markdown."""

import re
from collections.abc import Iterator
from typing import Final

from streams.report.blocks import ReportDocument, ReportSection, ReportTable, TableCell

_SPECIAL: Final = re.compile(r"([\\`*_\[\]|~#])")


def markdown(document: ReportDocument) -> str:
    """Render the document, with a trailing newline."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: ReportDocument) -> Iterator[str]:
    yield f"# {escaped(document.title)}"
    yield ""
    yield escaped(document.subtitle)
    for section in document.sections:
        yield from _section(section)
    if document.reading:
        yield ""
        yield "## How to read this"
    for sentence in document.reading:
        yield ""
        yield escaped(sentence)


def _section(section: ReportSection) -> Iterator[str]:
    yield ""
    yield f"## {escaped(section.title)}"
    if section.listed:
        yield ""
    for sentence in section.sentences:
        if section.listed:
            yield f"- {escaped(sentence)}"
        else:
            yield ""
            yield escaped(sentence)
    for table in section.tables:
        yield from _table(table, named=len(section.tables) > 1 or bool(section.sentences))


def _table(table: ReportTable, *, named: bool) -> Iterator[str]:
    yield ""
    if named:
        yield f"### {escaped(table.name)}"
        yield ""
    yield _row(column.head for column in table.columns)
    yield "|" + "|".join("---:" if column.right else "---" for column in table.columns) + "|"
    for row in table.rows:
        yield _row(_text(cell) for cell in row)
    if table.rest:
        yield ""
        yield escaped(table.rest)


def _row(cells: Iterator[str]) -> str:
    return "| " + " | ".join(escaped(cell) for cell in cells) + " |"


def _text(cell: TableCell) -> str:
    return f"{cell.text} ({cell.note})" if cell.note else cell.text


def escaped(text: str) -> str:
    """Escape Markdown and HTML markup in a text."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", text)
