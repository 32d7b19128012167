"""Blocks of a Prometheus data folder, made by promtool."""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from schemas.values import HOUR, Micros
from streams.backfill.openmetrics import write
from streams.backfill.series import SeriesHistory

BLOCK: Final[Micros] = 162 * HOUR
"""The longest block that promtool makes; without a word it makes them two hours long, and reads the file for each."""
COMMAND: Final = ("tsdb", "create-blocks-from", "openmetrics", f"--max-block-duration={BLOCK // HOUR}h")
"""The arguments of promtool, before the file and the folder."""


class PromtoolError(Exception):
    """promtool is missing, or did not take what it was given."""


def write_blocks(
    folder: Path,
    history: SeriesHistory,
    grid: range,
    target: Mapping[str, str],
    tick: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Let promtool write the series into a data folder, also that of a running Prometheus.

    Raises:
        PromtoolError: it could not.
    """
    promtool = shutil.which("promtool")
    if promtool is None:
        raise PromtoolError("promtool is not on PATH (it comes with Prometheus); write a file with --output instead")
    spans = spans_of(grid)
    with TemporaryDirectory(prefix="candora-backfill-") as home:
        path = Path(home) / "metrics.txt"
        for number, span in enumerate(spans):
            tick(number, len(spans))
            with path.open("w", encoding="utf-8") as file:
                file.writelines(write(history, span, target))
            _run([promtool, *COMMAND, str(path), str(folder)])


def spans_of(grid: range) -> list[range]:
    """Split the grid into one part per block: promtool would read a whole file once for every block that it makes."""
    parts = (list(part) for _, part in groupby(grid, key=lambda at: at // BLOCK))
    return [range(part[0], part[-1] + 1, grid.step) for part in parts]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
    if done.returncode:
        raise PromtoolError(f"promtool ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
