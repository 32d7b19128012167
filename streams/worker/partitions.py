"""Hold the state of the assigned partitions: restored from the table whenever partitions are assigned."""

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
    """All service states of one partition, as `streams.core.partition_state.Partition state` keeps them."""

    @property
    def offset(self) -> int:
        """The last message read; -1 for none."""

    def restore(self, rows: Rows, /) -> None:
        """Rebuild the service states from stored rows, in any order."""

    def begin(self, moments: Sequence[tuple[Micros, int]], /) -> int:
        """Begin to read messages: append time and offset of each. The answer says how many of them in one go."""

    def take(self, event: EventValue | None, position: int, /) -> Refusal | None:
        """Take in one of them, those of a service in log order. The answer says why it is refused, if it is."""

    def finish(self) -> None:
        """Bring everything to the end of what was begun."""

    def collect(self) -> PartitionChanges:
        """Take what changed since the last time."""


PartitionStateFactory = Callable[[int, MetricSettings], PartitionStateLike]


class AssignedPartitions:
    """One partition state for each partition held.

    All are dropped at every rebalance and restored after it, those of retained partitions too: such a state may have
    read messages whose outputs and rows were never confirmed. It would take them for known when they are read again,
    and publish nothing.
    """

    def __init__(self, factory: PartitionStateFactory, settings: MetricSettings, rows: Callable[[int], Rows]) -> None:
        self._factory = factory
        self._settings = settings
        self._rows = rows
        self._partition_states: dict[int, PartitionStateLike] = {}
        self._epoch = 0

    def get(self, partition: int) -> PartitionStateLike | None:
        """The partition state of a partition; None if it is not held."""
        return self._partition_states.get(partition)

    def drop(self) -> None:
        """Forget all partition states: the partitions may be another's."""
        self._epoch += 1
        self._partition_states.clear()

    async def load(self, partitions: Iterable[int]) -> None:
        """Make the partition states of the partitions now held. The event loop goes on meanwhile."""
        self.drop()
        epoch = self._epoch
        for partition in sorted(partitions):
            partition_state, count = await asyncio.to_thread(self._restored, partition)
            if self._epoch != epoch:
                return
            self._partition_states[partition] = partition_state
            log.info("partition %d: state restored from %d rows", partition, count)

    def _restored(self, partition: int) -> tuple[PartitionStateLike, int]:
        rows = list(self._rows(partition))
        partition_state = self._factory(partition, self._settings)
        partition_state.restore(rows)
        return partition_state, len(rows)
