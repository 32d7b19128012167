"""`candora` with settings that no environment has, and with a protection broken: `program.py BREAK COMMAND...`.

It is run as a file, because the tests are no package that a child could import. CHAOS_FOLD_PERIOD is in microseconds,
CHAOS_CLOCK a file that holds by how many seconds the wall clock is off. BREAK is a name in BREAKS, or `nothing`: each
break takes away every protection that would hide it, and gives a process time to die at the wrong moment.
"""

import asyncio
import os
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from faust.types import EventT

import streams.worker.run  # noqa: F401 - a clock can only be set in modules that are there
from streams.cli import main
from streams.core import partition_state, service_state
from streams.core.settings import MetricSettings
from streams.exporter.store import ExporterStore
from streams.settings.installation import WorkerSettings
from streams.worker.app import WorkerApp
from streams.worker.batches import BatchReader
from streams.worker.faust_patches import HardenedApp, settle
from streams.worker.faust_patches.offset_ledger import OffsetLedger
from streams.worker.publisher import OutgoingMessage, OutputPublisher
from streams.worker.watchdog import Watchdog

SLOW: Final = 0.4
"""Seconds in which a process can be killed at the wrong moment."""


def set_retention_period(period: int) -> None:
    """Close records every `period` microseconds."""
    whole = WorkerSettings.core

    def core(self: WorkerSettings) -> MetricSettings:
        return replace(whole(self), retention_period=period)

    WorkerSettings.core = core  # type: ignore[method-assign]


def skew_clock(file: Path) -> None:
    """Let every module's wall clock be off by what `file` holds, each time it is asked."""
    clock = time.time

    def skewed() -> float:
        return clock() + int(file.read_text())

    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            if value is clock:
                setattr(module, name, skewed)


def acknowledge_early() -> None:
    """A batch is acknowledged before anything of it is written, and a restart believes what was acknowledged."""
    read = BatchReader.read

    async def acknowledged_first(self: BatchReader, event: EventT[Any]) -> None:
        settle(event)
        await asyncio.sleep(SLOW)
        await read(self, event)

    BatchReader.read = acknowledged_first  # type: ignore[method-assign]
    _believe_commits()


def commit_past_holes() -> None:
    """The largest offset that was given out is committed, not the end of what is done (H4)."""
    read = BatchReader.read

    async def slowly(self: BatchReader, event: EventT[Any]) -> None:
        await asyncio.sleep(SLOW)
        await read(self, event)

    def committable(self: OffsetLedger) -> int | None:
        return self.links[-1].end if self.links else None

    BatchReader.read = slowly  # type: ignore[method-assign]
    OffsetLedger.committable = committable  # type: ignore[method-assign]
    _believe_commits()


def _believe_commits() -> None:
    WorkerApp.start_position = HardenedApp.start_position  # type: ignore[method-assign]


class _Later:
    """Stands in for the publisher of outputs: it says that the broker has them before they are sent."""

    def __init__(self, publisher: Any) -> None:
        self._publisher = publisher
        self._sending: set[asyncio.Task[None]] = set()

    async def publish(self, messages: Iterable[OutgoingMessage]) -> int:
        """Return at once."""
        task = asyncio.create_task(self._send(list(messages)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return -1

    async def _send(self, messages: Sequence[OutgoingMessage]) -> None:
        await asyncio.sleep(SLOW)
        await self._publisher.publish(messages)


def store_first() -> None:
    """The state is stored before the broker has the outputs, so nobody makes them again."""
    begin = BatchReader.__init__

    def with_late_outputs(self: BatchReader, *args: Any) -> None:
        begin(self, *args)
        self._publisher = _Later(self._publisher)  # type: ignore[assignment]

    BatchReader.__init__ = with_late_outputs  # type: ignore[method-assign,assignment]


def forget_closed_records() -> None:
    """A restored partition state no longer knows which records it has closed."""

    def no_names(_row: Sequence[Any]) -> "array[int]":
        return array("Q")

    for module in (service_state, partition_state):
        vars(module)["names_in"] = no_names


def outlive_session() -> None:
    """A worker that was frozen goes on where it was when it wakes, whoever has its partitions by then."""
    begin, publish = OutputPublisher.__init__, OutputPublisher.publish

    def patient(self: OutputPublisher, client: Mapping[str, str], patience: float) -> None:
        begin(self, client, 600.0)

    async def slowly(self: OutputPublisher, messages: Iterable[OutgoingMessage]) -> int:
        await asyncio.sleep(SLOW / 3)  # the next owner has it too, and must be ahead when the frozen one wakes
        return await publish(self, messages)

    def unmoved(self: Watchdog) -> None:
        pass

    OutputPublisher.__init__ = patient  # type: ignore[method-assign]
    OutputPublisher.publish = slowly  # type: ignore[method-assign]
    Watchdog.check = unmoved  # type: ignore[method-assign]


def serve_early() -> None:
    """/metrics answers before everything is read."""

    def complete(_self: ExporterStore) -> str | None:
        return None

    ExporterStore.not_complete = complete  # type: ignore[method-assign,assignment]


BREAKS: Final[dict[str, Callable[[], None]]] = {
    "acknowledge-early": acknowledge_early,
    "commit-past-holes": commit_past_holes,
    "store-first": store_first,
    "forget-folds": forget_closed_records,
    "outlive-session": outlive_session,
    "serve-early": serve_early,
}

if __name__ == "__main__":
    broken, *arguments = sys.argv[1:]
    if broken != "nothing":
        BREAKS[broken]()
    if retention_period := os.environ.get("CHAOS_FOLD_PERIOD"):
        set_retention_period(int(retention_period))
    if clock := os.environ.get("CHAOS_CLOCK"):
        skew_clock(Path(clock))
    sys.exit(main(arguments))
