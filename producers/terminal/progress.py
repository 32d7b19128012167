"""Show progress in place on a terminal: a bar, or a counter where rich (the extra `history`) is missing."""

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Show = Callable[[str, int, int | None], None]
"""The activity, the number done, and the total; None if unknown. 0 of None: it cannot be counted."""
_Item = TypeVar("_Item")
_Item_co = TypeVar("_Item_co", covariant=True)


class CountableItems(Sized, Iterable[_Item_co], Protocol[_Item_co]):
    """Items with a known length."""


def no_progress(_doing: str, _done: int, _total: int | None) -> None:
    """No-op progress."""


def with_progress(show: Show, doing: str, items: CountableItems[_Item]) -> Iterator[_Item]:
    """Yield the items, reporting progress before each."""
    total = len(items)
    for done, item in enumerate(items):
        show(doing, done, total)
        yield item


class LineDisplay(Protocol):
    """A line that is updated in place until it is removed."""

    def show(self, doing: str, done: int, total: int | None) -> None:
        """Draw or update the line."""

    def clear(self) -> None:
        """Remove the line."""


def open_meter(terminal: TextIO) -> LineDisplay:
    """Open the best display that is installed. rich is loaded only once a display is needed."""
    return RichProgress(terminal) if find_spec("rich") else PlainProgress(terminal)


class PlainProgress:
    """Numbers only."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._shown = False

    def show(self, doing: str, done: int, total: int | None) -> None:
        """Overwrite the line."""
        self._shown = True
        self._terminal.write(f"\r{doing}{': ' if done or total else ''}{_numbers(done, total)}\x1b[K")
        self._terminal.flush()

    def clear(self) -> None:
        """Clear the line."""
        if self._shown:
            self._shown = False
            self._terminal.write("\r\x1b[K")


class RichProgress:
    """A bar for each thing that is done, with the time that is left; without a total it moves, and shows the rate."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._drawn: tuple[Progress, TaskID] | None = None
        self._doing = ""
        self._began, self._first = 0.0, 0

    def show(self, doing: str, done: int, total: int | None) -> None:
        """Draw or update the bar, which a thread of rich animates."""
        if self._drawn is None:
            self._drawn = _draw(self._terminal)
        progress, task = self._drawn
        if doing != self._doing:
            self._doing, self._began, self._first = doing, time.monotonic(), done
            progress.reset(task, description=doing)
        seconds = time.monotonic() - self._began
        rate = f" ({(done - self._first) / seconds:,.0f}/s)" if total is None and done and seconds >= 1 else ""
        progress.update(task, completed=done, total=total, numbers=_numbers(done, total) + rate)

    def clear(self) -> None:
        """Remove the bar."""
        if self._drawn is not None:
            self._drawn[0].stop()
            self._drawn, self._doing = None, ""


def _draw(terminal: TextIO) -> "tuple[Progress, TaskID]":
    from rich.console import Console  # noqa: PLC0415 - only who watches pays for it
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - as above

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[numbers]}"),
        TimeRemainingColumn(),
    )
    progress = Progress(
        *columns, console=Console(file=terminal), transient=True, redirect_stdout=False, redirect_stderr=False
    )
    progress.start()
    return progress, progress.add_task("", total=None, numbers="")


def _numbers(done: int, total: int | None) -> str:
    if total is not None:
        return f"{done:,} of {total:,}"
    return f"{done:,}" if done else ""
