"""`candora backfill metrics`: from the log, or a file of events, to what Prometheus can load."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from schemas.duration import format_duration
from schemas.errors import ContractError
from schemas.values import EventValue, Micros
from streams.backfill.blocks import COMMAND, PromtoolError, write_blocks
from streams.backfill.openmetrics import write
from streams.backfill.series import SeriesHistory
from streams.core.settings import MetricSettings
from streams.errors import Inconclusive
from streams.replay.event_file import events_in_order
from streams.replay.history import replay_history
from streams.replay.log_source import EventTimeLog
from streams.settings.installation import WorkerSettings
from streams.terminal.os_errors import in_words
from streams.terminal.progress import ProgressBar, Tick

USAGE: Final = 2
UNREACHABLE: Final = 3


def run_backfill(given: argparse.Namespace, settings: WorkerSettings) -> int:
    """0: written; 1: promtool failed; 2: wrong usage or a bad event; 3: Kafka does not answer."""
    grid = grid_of(given.begin, given.end, given.step)
    if not grid:
        return _fail(USAGE, "--from must lie before --to, by a step at least")
    try:
        with ProgressBar("reading") as bar:
            history = _history(given.events, settings, grid, bar)
        target = {"job": given.job, "instance": given.instance}
        if given.output is not None:
            _write_file(given.output, history, grid, target)
        else:
            _write_blocks(given.blocks, history, grid, target)
    except PromtoolError as error:
        return _fail(1, error)
    except Inconclusive as error:
        return _fail(UNREACHABLE, error)
    except (ContractError, UnicodeDecodeError) as error:
        return _fail(USAGE, f"{given.events}: {error}")
    except OSError as error:
        return _fail(USAGE, in_words(error))
    return 0


def grid_of(begin: Micros, end: Micros, step: Micros) -> range:
    """Return the moments of the grid: whole steps of the clock, so that two backfills never interleave."""
    return range(-(-begin // step) * step, end + 1, step)


def history_of(
    events: Iterable[EventValue], settings: MetricSettings, grid: range, imported: Iterable[EventValue] = ()
) -> SeriesHistory:
    """Return the series over the grid; `events`, and those of them that were imported, in the order of `event_time`."""
    history = SeriesHistory(grid[0])
    for moment in replay_history(events, settings, grid, imported):
        history.add(moment)
    return history


def _history(name: str | None, settings: WorkerSettings, grid: range, tick: Tick) -> SeriesHistory:
    """Return the series of the log, or of a file: what a file holds is sent to the workers at once, if at all."""
    if name is not None:
        events = events_in_order(name)
        return history_of(events, settings.core(), grid, events)
    log = EventTimeLog(settings, tick)
    history = history_of(log.events(), settings.core(), grid, log.imported())
    if log.refused:
        print(f"candora: left out {log.refused} messages that the workers refused", file=sys.stderr)
    return history


def _write_file(path: Path, history: SeriesHistory, grid: range, target: Mapping[str, str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(write(history, grid, target))
    print(f"wrote {path}: {len(grid)} moments, {format_duration(grid.step)} apart. Load it with")
    print(f"  promtool {' '.join(COMMAND)} {path} DATA_FOLDER")


def _write_blocks(folder: Path, history: SeriesHistory, grid: range, target: Mapping[str, str]) -> None:
    with ProgressBar("writing") as bar:
        write_blocks(folder, history, grid, target, bar)
    print(f"wrote {len(grid)} moments, {format_duration(grid.step)} apart, into {folder}")


def _fail(code: int, message: object) -> int:
    print(f"candora: {message}", file=sys.stderr)
    return code
