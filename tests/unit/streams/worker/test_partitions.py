import threading

import pytest

from streams.core.settings import MetricSettings
from streams.worker.partitions import AssignedPartitions, Rows
from streams.worker.tables import StateError
from tests.support import events
from tests.support.servers.fake_partition_state import CountingPartitionState

STORED: dict[int, Rows] = {0: [("shop", (3, 8)), ("partition", (100, 9))], 1: []}


def partition_states() -> AssignedPartitions:
    return AssignedPartitions(CountingPartitionState, MetricSettings(), lambda partition: STORED[partition])


async def test_states_are_restored_from_the_rows_of_their_partitions() -> None:
    held = partition_states()
    await held.load([1, 0])
    first = held.get(0)
    assert isinstance(first, CountingPartitionState)
    assert (first.partition, first.offset, first.counts) == (0, 9, {"shop": (3, 8)})
    assert held.get(2) is None


async def test_a_retained_partition_is_restored_anew_from_what_is_stored() -> None:
    """The old one may have read what was never confirmed, and would not publish it again."""
    held = partition_states()
    await held.load([0])
    old = held.get(0)
    assert old is not None
    old.begin([(200, 10)])
    old.take(events.commit("c", "11:00"), 0)
    old.finish()
    await held.load([0, 1])
    new = held.get(0)
    assert new is not old
    assert new is not None
    assert new.offset == 9


async def test_a_rebalance_while_states_are_loaded_leaves_none() -> None:
    held = partition_states()
    started, go_on = threading.Event(), threading.Event()

    def rows(partition: int) -> Rows:
        started.set()
        go_on.wait(5)
        return []

    held._rows = rows

    async def rebalance() -> None:
        import asyncio

        await asyncio.to_thread(started.wait, 5)
        held.drop()
        go_on.set()

    import asyncio

    await asyncio.gather(held.load([0, 1]), rebalance())
    assert held.get(0) is None
    assert held.get(1) is None


async def test_a_fault_in_the_state_is_raised() -> None:
    def rows(partition: int) -> Rows:
        raise StateError("damaged")

    with pytest.raises(StateError):
        await AssignedPartitions(CountingPartitionState, MetricSettings(), rows).load([0])
