"""The order of effects, with everything but the reader played by fakes."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from typing_extensions import override

from schemas.clients.registry import RegistryError
from schemas.codec.codec import load_schema
from schemas.ids import pinned_decoder
from schemas.values import MINUTE, EventValue
from streams.core.settings import MetricSettings
from streams.event_log.event_reader import EventReader
from streams.event_log.raw_record import RawRecord
from streams.event_log.validator import EventValidator
from streams.settings.installation import WorkerSettings
from streams.worker.batches import BatchReader
from streams.worker.outputs import OutputEncoder
from streams.worker.partitions import AssignedPartitions
from streams.worker.publisher import OutgoingMessage, PublishError
from streams.worker.watchdog import Watchdog, WorkerStalledError
from tests.support import events
from tests.support.servers.fake_partition_state import CountingPartitionState
from tests.unit.streams.worker.raw_records import HOME, PARTITIONS, encoded, record

GOOD = events.commit("c1", "11:00")


class World:
    """What a batch meets, and the order in which it meets it."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.sent: list[OutgoingMessage] = []
        self.rows: list[Any] = []
        self.at: Callable[[str], None] = lambda _: None
        self.known: set[int] = set()
        self.partition_states = AssignedPartitions(CountingPartitionState, MetricSettings(), lambda _: [])
        self.now = 0.0
        self.watchdog = Watchdog(10.0, lambda: self.now)
        self.reader = BatchReader(self.partition_states, OutputEncoder(WorkerSettings()), self, self, self.watchdog)  # type: ignore[arg-type]  # fakes
        self.decoder = pinned_decoder("deploy_event")
        validator = EventValidator(self.decoder, PARTITIONS, 5 * MINUTE)
        self.reader.events = EventReader(self.decoder, validator, self)  # type: ignore[arg-type]  # a fake

    def step(self, name: str) -> None:
        self.at(name)
        self.steps.append(name)

    async def publish(self, messages: Iterable[OutgoingMessage]) -> int:
        self.sent.extend(messages)
        self.step("publish")
        return 0

    async def write(self, partition: int, rows: Iterable[Any]) -> None:
        self.rows.extend(rows)
        self.step("write")

    async def learn_async(self, schema_id: int) -> bool:
        self.step(f"learn {schema_id}")
        if schema_id in self.known:
            self.decoder.add_writer(schema_id, load_schema("deploy_event"))
        return schema_id in self.known

    async def read(self, *records: RawRecord) -> None:
        await self.reader.read(Event(self, list(records)))  # type: ignore[arg-type]  # a fake


class Event:
    def __init__(self, world: World, records: list[RawRecord]) -> None:
        self.value = records
        self.message = SimpleNamespace(partition=HOME)
        self.world = world
        unacked = SimpleNamespace(discard=lambda _: world.step("leave"))
        self.app = SimpleNamespace(consumer=SimpleNamespace(_unacked_messages=unacked))

    def ack(self) -> bool:
        self.world.step("ack")
        return True


@pytest.fixture
async def world() -> World:
    made = World()
    await made.partition_states.load([HOME])
    return made


async def test_outputs_first_state_last_acknowledged_after_both(world: World) -> None:
    await world.read(encoded(GOOD, offset=7))
    assert world.steps == ["publish", "write", "ack"]
    assert [each.topic for each in world.sent] == ["changes"]
    assert world.rows == [("shop", (1, 7)), ("partition", (encoded(GOOD).timestamp * 1000, 7))]


async def test_a_refused_message_is_a_dead_letter_and_moves_the_clock(world: World) -> None:
    await world.read(record(b"junk", offset=7), encoded(GOOD, offset=8))
    assert [each.topic for each in world.sent] == ["deploy_events_dead", "changes"]
    partition_state = world.partition_states.get(HOME)
    assert partition_state is not None
    assert partition_state.offset == 8


@pytest.mark.parametrize("failing", ["publish", "write"])
async def test_what_the_broker_does_not_take_is_not_acknowledged(world: World, failing: str) -> None:
    def fail(step: str) -> None:
        if step == failing:
            raise PublishError("no")

    world.at = fail
    with pytest.raises(PublishError):
        await world.read(encoded(GOOD))
    assert "ack" not in world.steps


@pytest.mark.parametrize(
    ("moment", "steps"), [("publish", ["publish", "leave"]), ("write", ["publish", "write", "leave"])]
)
async def test_a_partition_that_is_taken_away_meanwhile_is_left(world: World, moment: str, steps: list[str]) -> None:
    world.at = lambda step: world.partition_states.drop() if step == moment else None
    await world.read(encoded(GOOD))
    assert world.steps == steps


async def test_a_batch_of_a_partition_that_is_not_held_is_left_unread(world: World) -> None:
    world.partition_states.drop()
    await world.read(encoded(GOOD))
    assert world.steps == ["leave"]
    assert world.sent == []


async def test_a_worker_that_stood_still_publishes_nothing(world: World) -> None:
    world.now = 11.0
    with pytest.raises(WorkerStalledError, match="CANDORA_SESSION_TIMEOUT"):
        await world.read(encoded(GOOD))
    assert world.steps == []


async def test_a_worker_that_stood_still_while_it_published_writes_no_state(world: World) -> None:
    world.at = lambda step: setattr(world, "now", 11.0) if step == "publish" else None
    with pytest.raises(WorkerStalledError):
        await world.read(encoded(GOOD))
    assert world.steps == ["publish"]


async def test_an_unknown_schema_is_asked_for_and_the_message_read_again(world: World) -> None:
    stranger = encoded(GOOD)
    assert stranger.value is not None
    renamed = stranger._replace(value=b"\0\0\0\0\7" + stranger.value[5:])
    await world.read(renamed)
    assert world.steps[0] == "learn 7"
    assert [each.topic for each in world.sent] == ["deploy_events_dead"]

    world.known.add(7)
    world.sent.clear()
    await world.read(renamed._replace(offset=9))
    assert [each.topic for each in world.sent] == ["changes"]


async def test_a_registry_that_cannot_be_asked_ends_the_batch_unacknowledged(world: World) -> None:
    def fail(step: str) -> None:
        raise RegistryError("down")

    world.at = fail
    stranger = encoded(GOOD)
    assert stranger.value is not None
    with pytest.raises(RegistryError):
        await world.read(stranger._replace(value=b"\0\0\0\0\7" + stranger.value[5:]))
    assert world.steps == []


async def test_a_bug_of_ours_is_no_dead_letter(world: World) -> None:
    class Broken(CountingPartitionState):
        @override
        def take(self, event: EventValue | None, position: int) -> None:
            raise ZeroDivisionError

    world.partition_states._factory = Broken
    await world.partition_states.load([HOME])
    with pytest.raises(ZeroDivisionError):
        await world.read(encoded(GOOD))
    assert world.steps == []
