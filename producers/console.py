"""What people and CI systems see: data on standard output, everything else on standard error."""

import os
from collections.abc import Callable, Mapping
from typing import Final, TextIO

PROGRESS_AFTER: Final = 2.0
"""Seconds. What is done sooner needs no counter."""
PROGRESS_EVERY: Final = 0.2


class Console:
    """Two streams. On GitHub Actions a warning or an error is an annotation, so that a green job still shows it."""

    def __init__(self, out: TextIO, err: TextIO, environ: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._out: TextIO | None = out
        self._err = err
        self._annotate = environ.get("GITHUB_ACTIONS") == "true"
        self._clock = clock
        self._started = clock()
        self._shown = self._started + PROGRESS_AFTER - PROGRESS_EVERY
        self._counting = False

    def data(self, line: str) -> None:
        """A line for programs. When nobody reads any more (`| head`) the work goes on without it."""
        if self._out is None:
            return
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except BrokenPipeError:
            # The interpreter would flush once more at its end, and fail.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
            self._out = None

    def info(self, text: str) -> None:
        """A line for people."""
        self._line(f"candora-ci: {text}")

    def warning(self, text: str) -> None:
        """Something did not work, and the job goes on."""
        self._line(_annotation("warning", text) if self._annotate else f"candora-ci: warning: {text}")

    def error(self, text: str) -> None:
        """Something must be mended."""
        self._line(_annotation("error", text) if self._annotate else f"candora-ci: error: {text}")

    def progress(self, text: str) -> None:
        """A counter in place, on a terminal only and not before it takes long."""
        now = self._clock()
        if self._err.isatty() and now - self._shown >= PROGRESS_EVERY:
            self._shown, self._counting = now, True
            self._err.write(f"\r{text}\x1b[K")
            self._err.flush()

    def _line(self, text: str) -> None:
        if self._counting:
            self._counting = False
            self._err.write("\r\x1b[K")
        self._err.write(text + "\n")
        self._err.flush()


def _annotation(level: str, text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{level} title=candora-ci::{escaped}"
