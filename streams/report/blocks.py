"""What a review is laid out in, for every way of showing it: sections of sentences and tables."""

from typing import NamedTuple


class Cell(NamedTuple):
    """What stands in a cell, and in smaller letters under it."""

    text: str
    note: str = ""


class Column(NamedTuple):
    """The head of a column. `width` is how many characters it has on a terminal; 0: what is left."""

    head: str
    width: int = 0
    right: bool = False


class Table(NamedTuple):
    """Rows under heads; `rest` says how many are not shown."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    rest: str = ""


class Section(NamedTuple):
    """A heading, sentences, tables."""

    key: str
    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    listed: bool = False
    """Whether the sentences are a list."""


class Document(NamedTuple):
    """A whole review."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    reading: tuple[str, ...]
    """How to read it."""
