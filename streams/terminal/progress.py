"""A progress bar on standard error, if somebody watches and it takes long enough to wonder."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Tick = Callable[[int, int], None]
"""Called now and then with how many messages of how many have been read."""

SHOW_AFTER: Final = 2.0


class ProgressBar:
    """`with ProgressBar() as bar: bar(read, total)`, as often as one likes."""

    def __init__(self, doing: str = "recomputing") -> None:
        self._doing = doing
        self._show_at = time.monotonic() + SHOW_AFTER
        self._watched = sys.stderr.isatty()
        self._bar: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar[0].stop()

    def __call__(self, read: int, total: int) -> None:
        """Show how far it is."""
        if self._bar is None:
            if not self._watched or time.monotonic() < self._show_at:
                return
            self._bar = _start(self._doing, total)
        progress, task = self._bar
        progress.update(task, completed=read, total=total)


def _start(doing: str, total: int) -> "tuple[Progress, TaskID]":
    from rich.console import Console  # noqa: PLC0415 - only who watches pays for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    progress.start()
    return progress, progress.add_task("", total=total)
