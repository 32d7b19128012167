"""Render a review for a terminal of eighty columns, or a file. No information is conveyed by colour alone."""

from io import StringIO
from typing import IO, Final, Literal

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from streams.report.blocks import ReportDocument, ReportSection, ReportTable, TableCell
from streams.terminal.console import page

_DIM: Final = "bright_black"


def show(document: ReportDocument, file: IO[str], *, colour: bool = False) -> None:
    """Print a document."""
    wide = StringIO()
    console = page(wide, colour=colour)
    console.print(Text(document.title, "bold"))
    console.print(Text(document.subtitle))
    for section in document.sections:
        _section(console, section)
    if document.reading:
        console.print(Text("\nHow to read this", "bold"))
    for sentence in document.reading:
        console.print(Text(sentence, _DIM))
    file.writelines(f"{line.rstrip()}\n" for line in wide.getvalue().splitlines())


def _section(console: Console, section: ReportSection) -> None:
    console.print(Text(f"\n{section.title}", "bold"))
    for sentence in section.sentences:
        console.print(_listed(sentence) if section.listed else Text(sentence))
    for table in section.tables:
        if len(section.tables) > 1 or section.sentences:
            console.print(Text(f"\n{table.name}", "underline"))
        console.print(_grid(table))
        if table.rest:
            console.print(Text(table.rest, _DIM))


def _listed(sentence: str) -> RenderableType:
    grid = Grid.grid(padding=0)
    grid.add_column(width=2)
    grid.add_column()
    grid.add_row("-", Text(sentence))
    return Padding(grid, 0)


def _grid(table: ReportTable) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False, expand=True)
    for column in table.columns:
        justify: Literal["left", "right"] = "right" if column.right else "left"
        width = column.width or None
        ratio = None if width else 1
        grid.add_column(Text(column.head), justify=justify, width=width, ratio=ratio, overflow="fold")
    for row in table.rows:
        grid.add_row(*(_cell(cell) for cell in row))
    return grid


def _cell(cell: TableCell) -> Text:
    text = Text(cell.text)
    return text.append(f"\n{cell.note}", _DIM) if cell.note else text
