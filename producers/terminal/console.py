"""Write data to standard output, and everything for people to standard error."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from producers.terminal.progress import LineDisplay

PROGRESS_AFTER: Final = 2.0
"""Seconds. What is done sooner needs no bar."""
PROGRESS_EVERY: Final = 0.2

MAX_TROUBLES: Final = 20
"""Warnings, and errors, that are remembered until the end."""
MAX_ANNOTATION: Final = 4_000
"""Characters of an annotation. GitHub cuts longer ones."""


class Console:
    """Two streams. On GitHub Actions warnings and errors also become one annotation, which a green job shows too."""

    def __init__(self, out: TextIO, err: TextIO, environ: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._out: TextIO | None = out
        self._err = err
        self._annotate = environ.get("GITHUB_ACTIONS") == "true"
        self._clock = clock
        self._show_at = clock() + PROGRESS_AFTER
        self._meter: LineDisplay | None = None
        self._troubles: dict[str, list[str]] = {"error": [], "warning": []}

    def data(self, line: str) -> None:
        """Print a line for programs. After a closed pipe (`| head`) the work goes on without output."""
        if self._out is None:
            return
        if self._out.isatty():
            self._clear()
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except BrokenPipeError:
            # The interpreter would flush once more at its end, and fail.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
            self._out = None

    def info(self, text: str) -> None:
        """Print a line for people."""
        self._lines("candora-ci: ", text)

    def warning(self, text: str) -> None:
        """Print a warning: something failed, and the job goes on."""
        self._remember("warning", text)
        self._lines("candora-ci: warning: ", text)

    def error(self, text: str) -> None:
        """Print an error: something must be fixed."""
        self._remember("error", text)
        self._lines("candora-ci: error: ", text)

    def annotate(self) -> None:
        """Show warnings and errors on the job's page, in one annotation at the end: a step may have only ten."""
        self._clear()
        troubles = [text for texts in self._troubles.values() for text in texts]
        if not self._annotate or not troubles:
            return
        level = "error" if self._troubles["error"] else "warning"
        text = "\n".join(troubles)
        self._write(_annotation(level, text if len(text) <= MAX_ANNOTATION else f"{text[: MAX_ANNOTATION - 1]}…"))

    def _remember(self, level: str, text: str) -> None:
        if self._annotate and len(self._troubles[level]) < MAX_TROUBLES:
            self._troubles[level].append(text)

    def progress(self, doing: str, done: int, total: int | None = None) -> None:
        """Show progress, on a terminal only and once a run takes long; what cannot be counted is shown at once.

        `doing` names what is counted: "lines of shop.csv". `total` is None where it is unknown.
        """
        now = self._clock()
        countless = not done and total is None
        if (now < self._show_at and not countless) or not self._err.isatty():
            return
        self._show_at = now + PROGRESS_EVERY
        if self._meter is None:
            from producers.terminal.progress import open_meter  # noqa: PLC0415 - most runs are over before anybody wonders

            self._meter = open_meter(self._err)
        self._meter.show(doing, done, total)

    def _lines(self, prefix: str, text: str) -> None:
        """Write the lines with a prefix; on GitHub as one, as a second line could be a command to the runner."""
        one = text.replace("\r", "\\r").replace("\n", "\\n")
        for line in [one] if self._annotate else text.split("\n"):
            self._write(prefix + line)

    def _write(self, text: str) -> None:
        self._clear()
        self._err.write(text + "\n")
        self._err.flush()

    def _clear(self) -> None:
        if self._meter is not None:
            self._meter.clear()


def _annotation(level: str, text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{level} title=candora-ci::{escaped}"
