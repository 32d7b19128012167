"""The small parts: ticks, outputs, preflight, pulse, writers, the guard of the version, the bounds of a batch."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from schemas.ids import pinned_decoder
from schemas.rules import check_event
from schemas.topics import load_topics
from schemas.values import SECOND
from streams.settings.installation import WorkerSettings
from streams.worker.faust_patches import FAUST_VERSION, BatchBounds, WrongFaustError, check_faust_version
from streams.worker.faust_patches.consumer import BatchConsumer
from streams.worker.faust_patches.recovery import HardenedRecovery
from streams.worker.outputs import OutputEncoder
from streams.worker.preflight import TopicsError, event_partitions
from streams.worker.ticks import tick, tick_messages
from streams.worker.watchdog import Watchdog, WorkerStalledError
from tests.support import events
from tests.support.servers.fake_partition_state import CountingPartitionState
from tests.unit.streams.worker.raw_records import APPENDED

SETTINGS = WorkerSettings(topic_prefix="eu-", app_id="w")


# --- ticks ------------------------------------------------------------------------------------------------------------


def test_a_tick_keeps_the_rules_and_has_one_id_per_partition_and_interval() -> None:
    at = APPENDED
    check_event(tick(0, at, 30 * SECOND))
    same = {tick(0, at + each, 30 * SECOND)["event_id"] for each in (0, 29 * SECOND)}
    assert len(same) == 1
    assert tick(0, at + 30 * SECOND, 30 * SECOND)["event_id"] not in same
    assert tick(1, at, 30 * SECOND)["event_id"] not in same


def test_every_partition_gets_its_tick_by_number() -> None:
    messages = tick_messages("deploy_events", 3, APPENDED, SECOND)
    assert [(each.topic, each.key, each.partition) for each in messages] == [
        ("deploy_events", None, number) for number in range(3)
    ]
    decoded = pinned_decoder("deploy_event").decode(messages[2].value or b"")
    assert decoded == tick(2, APPENDED, SECOND)


# --- outputs ----------------------------------------------------------------------------------------------------------


def test_every_output_has_its_topic_and_key() -> None:
    partition_state = CountingPartitionState(0, SETTINGS.core())
    partition_state.begin([(APPENDED, 4)])
    partition_state.take(events.commit("c", "11:00", service="team/shop"), 0)
    partition_state.finish()
    link = events.event("cause_linked", "11:00", service="bank", env="prod", incident_id="i")
    changes = partition_state.collect()._replace(links=[link])
    letter: Any = {"reason": "undecodable", "path": None, "problem": "p", "topic": "t", "partition": 0, "offset": 1}
    letter |= {"append_time": APPENDED, "key": None, "value": b"v", "headers": {}}
    sent = list(OutputEncoder(SETTINGS).messages(changes, [letter]))
    assert [(each.topic, each.key, each.partition) for each in sent] == [
        ("eu-deploy_events_dead", None, -1),
        ("eu-deploy_events", b"bank", -1),
        ("eu-changes", b"team/shop/count", -1),
    ]
    assert pinned_decoder("deploy_event").decode(sent[1].value or b"") == link
    assert pinned_decoder("change").decode(sent[2].value or b"") == changes.changes[0]


# --- preflight --------------------------------------------------------------------------------------------------------


def topics(**changes: int) -> dict[str, int]:
    named = {f"eu-{topic.name}": 4 for topic in load_topics()}
    return named | {"w-state-changelog": 4, "w-__assignor-__leader": 1} | {f"eu-{k}": v for k, v in changes.items()}


def test_topics_that_fit_say_how_many_partitions_there_are() -> None:
    assert event_partitions(SETTINGS, topics()) == 4


def test_missing_topics_are_named() -> None:
    found = topics()
    del found["eu-changes"], found["w-state-changelog"]
    with pytest.raises(TopicsError, match="no topic eu-changes, w-state-changelog: create it with"):
        event_partitions(SETTINGS, found)


def test_state_and_events_must_have_as_many_partitions() -> None:
    said = r"w-state-changelog has 4 partitions, eu-deploy_events has 5: they must be equal.*begin another log"
    with pytest.raises(TopicsError, match=said):
        event_partitions(SETTINGS, topics(deploy_events=5))


# --- pulse ------------------------------------------------------------------------------------------------------------


def test_a_pause_within_the_limit_is_nothing() -> None:
    now = iter([0.0, 9.0, 18.0])
    pulse = Watchdog(9.0, lambda: next(now))
    pulse.check()
    pulse.check()


def test_a_longer_pause_is_never_forgiven() -> None:
    now = iter([0.0, 10.0, 10.1, 10.2])
    pulse = Watchdog(9.0, lambda: next(now))
    pulse.beat()
    for _ in range(2):
        with pytest.raises(WorkerStalledError, match=r"stood still for 10\.0 s"):
            pulse.check()


# --- the guard --------------------------------------------------------------------------------------------------------


def test_the_installed_faust_is_the_one_the_overrides_are_for() -> None:
    check_faust_version()


@pytest.mark.parametrize("version", ["0.15.2", "0.15.4", "0.16.0"])
def test_another_faust_is_refused_with_what_to_do(version: str) -> None:
    with pytest.raises(WrongFaustError, match=rf"{version} is installed.*faust-streaming=={FAUST_VERSION}"):
        check_faust_version(version)


# --- bounds -----------------------------------------------------------------------------------------------------------


def chunks(sizes: list[int], bounds: BatchBounds, *, topic: str = "batched") -> list[int]:
    consumer = SimpleNamespace(bounds=bounds, batch_topics={"batched"})
    records = [SimpleNamespace(key=b"", value=b"x" * size) for size in sizes]
    return [len(each) for each in BatchConsumer._chunks(consumer, records, TP(topic, 0))]  # type: ignore[arg-type]  # a fake


@pytest.mark.parametrize(
    ("sizes", "bounds", "lengths"),
    [
        ([], BatchBounds(3, 100), []),
        ([1] * 7, BatchBounds(3, 100), [3, 3, 1]),
        ([40, 40, 40], BatchBounds(9, 100), [2, 1]),
        ([500, 1, 1], BatchBounds(9, 100), [1, 2]),
        ([1, 500, 1], BatchBounds(9, 100), [1, 1, 1]),
    ],
)
def test_a_batch_ends_before_a_bound_is_passed(sizes: list[int], bounds: BatchBounds, lengths: list[int]) -> None:
    assert chunks(sizes, bounds) == lengths


def test_topics_that_are_not_batched_go_one_by_one() -> None:
    assert chunks([1, 1, 1], BatchBounds(), topic="other") == [1, 1, 1]


# --- recovery ---------------------------------------------------------------------------------------------------------


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
    HardenedRecovery.take(state, TP("changelog", 0), fetched(0, 1, 2))
    assert table.offsets == stored
    assert state.active_offsets[TP("changelog", 0)] == 2
    assert state.progress.is_set()


def test_the_changelog_of_a_partition_that_is_gone_is_dropped() -> None:
    """Faust applies it to whichever table came before."""
    state, table = recovering(None)
    HardenedRecovery.take(state, TP("changelog", 1), fetched(0))
    assert table.offsets == []
    assert state.active_offsets == {TP("changelog", 0): None}
