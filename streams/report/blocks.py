"""What a review is laid out in, for every way of showing it: sections of sentences and tables."""

from typing import NamedTuple


class TableCell(NamedTuple):
    """What stands in a cell, and in smaller letters under it."""

    text: str
    note: str = ""


class TableColumn(NamedTuple):
    """The head of a column. `width` is how many characters it has on a terminal; 0: what is left."""

    head: str
    width: int = 0
    right: bool = False


class ReportTable(NamedTuple):
    """Rows under heads; `rest` says how many are not shown."""

    name: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    rest: str = ""


class ReportSection(NamedTuple):
    """A heading, sentences, tables."""

    key: str
    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    listed: bool = False
    """Whether the sentences are a list."""


class ReportDocument(NamedTuple):
    """A whole review."""

    title: str
    subtitle: str
    sections: tuple[ReportSection, ...]
    reading: tuple[str, ...]
    """How to read it."""
