"""Document model shared by all output formats: sections of sentences and tables."""

from typing import NamedTuple


class TableCell(NamedTuple):
    """Text of a cell, with an optional note in smaller print."""

    text: str
    note: str = ""


class TableColumn(NamedTuple):
    """Header of a column. `width` is in terminal characters; 0 means the remaining width."""

    head: str
    width: int = 0
    right: bool = False


class ReportTable(NamedTuple):
    """Rows and column headers; `rest` tells how many rows are omitted."""

    name: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    rest: str = ""


class ReportSection(NamedTuple):
    """A title with sentences and tables."""

    key: str
    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    listed: bool = False
    """Whether the sentences form a bullet list."""


class ReportDocument(NamedTuple):
    """A complete review."""

    title: str
    subtitle: str
    sections: tuple[ReportSection, ...]
    reading: tuple[str, ...]
    """Notes on how to read the review."""
