"""Keep the state of the assigned partitions, restored from the table on every assignment."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from schemas.values import EventValue, Micros
from streams.core.partition_state import PartitionChanges, Refusal
from streams.core.settings import MetricSettings

log: Final = logging.getLogger(__name__)

Rows = Iterable[tuple[str, Sequence[Any]]]


class PartitionStateLike(Protocol):
    """Interface of `streams.core.partition_state.PartitionState`: all service states of one partition."""

    @property
    def offset(self) -> int:
        """Offset of the last message read; -1 for none."""

    def restore(self, rows: Rows, /) -> None:
        """Rebuild the service states from stored rows, in any order."""

    def begin(self, moments: Sequence[tuple[Micros, int]], /) -> int:
        """Begin a batch, given append time and offset of each message; return how many to take before `finish`."""

    def take(self, event: EventValue | None, position: int, /) -> Refusal | None:
        """Take one message, those of a service in log order; return the refusal, if any."""

    def finish(self) -> None:
        """Advance all service states to the end of what `begin` announced."""

    def collect(self) -> PartitionChanges:
        """Return, and clear, what changed since the last call."""


PartitionStateFactory = Callable[[int, MetricSettings], PartitionStateLike]


class AssignedPartitions:
    """One partition state per assigned partition.

    All states are dropped at every rebalance and restored after it, even those of retained partitions: such a state
    may include messages whose outputs and rows were never confirmed. When these are read again, it would take them
    for duplicates and publish nothing.
    """

    def __init__(self, factory: PartitionStateFactory, settings: MetricSettings, rows: Callable[[int], Rows]) -> None:
        self._factory = factory
        self._settings = settings
        self._rows = rows
        self._partition_states: dict[int, PartitionStateLike] = {}
        self._epoch = 0

    def get(self, partition: int) -> PartitionStateLike | None:
        """Return the state of a partition; None if it is not assigned."""
        return self._partition_states.get(partition)

    def drop(self) -> None:
        """Drop all partition states: the partitions may have another owner by now."""
        self._epoch += 1
        self._partition_states.clear()

    async def load(self, partitions: Iterable[int]) -> None:
        """Restore the states of the assigned partitions, in threads, without blocking the event loop."""
        self.drop()
        epoch = self._epoch
        for partition in sorted(partitions):
            partition_state, count = await asyncio.to_thread(self._restore, partition)
            if self._epoch != epoch:
                return
            self._partition_states[partition] = partition_state
            log.info("partition %d: state restored from %d rows", partition, count)

    def _restore(self, partition: int) -> tuple[PartitionStateLike, int]:
        rows = list(self._rows(partition))
        partition_state = self._factory(partition, self._settings)
        partition_state.restore(rows)
        return partition_state, len(rows)
