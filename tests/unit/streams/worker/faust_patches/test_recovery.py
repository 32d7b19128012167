"""What recovery takes from the changelog."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.worker.faust_patches.recovery import HardenedRecovery


class Applied:
    def __init__(self) -> None:
        self.offsets: list[int] = []

    def apply_changelog_batch(self, batch: list[Any]) -> None:
        self.offsets.extend(each.message.offset for each in batch)


def recovering(seen: int | None) -> tuple[Any, Applied]:
    held, table = TP("changelog", 0), Applied()
    state = SimpleNamespace(
        active_tps={held},
        active_offsets={held: seen},
        tp_to_table={held: table, TP("changelog", 1): table},
        _active_events_received_at={},
        progress=asyncio.Event(),
    )
    return state, table


def fetched(*offsets: int) -> list[Any]:
    return [SimpleNamespace(key=b"k", value=b"v", partition=0, offset=offset) for offset in offsets]


@pytest.mark.parametrize(("seen", "stored"), [(None, [0, 1, 2]), (-1, [0, 1, 2]), (1, [2]), (2, [])])
def test_what_the_store_has_already_is_not_stored_again(seen: int | None, stored: list[int]) -> None:
    state, table = recovering(seen)
    HardenedRecovery.apply(state, TP("changelog", 0), fetched(0, 1, 2))
    assert table.offsets == stored
    assert state.active_offsets[TP("changelog", 0)] == 2
    assert state.progress.is_set()


def test_the_changelog_of_a_partition_that_is_gone_is_dropped() -> None:
    """Faust applies it to whichever table came before."""
    state, table = recovering(None)
    HardenedRecovery.apply(state, TP("changelog", 1), fetched(0))
    assert table.offsets == []
    assert state.active_offsets == {TP("changelog", 0): None}
