"""What is learned from a registry, how often it is asked, and what its silence means; async and blocking alike."""

import asyncio
from collections.abc import Callable
from typing import Final

import pytest

from schemas.clients.registry import RegistryError
from schemas.codec.codec import Schema, load_schema
from schemas.ids import pinned_decoder, pinned_encoder
from schemas.values import DAY, MINUTE
from streams.errors import Inconclusive
from streams.event_log import schema_lookup
from streams.event_log.event_reader import EventReader
from streams.event_log.raw_record import RawRecord
from streams.event_log.schema_lookup import SchemaLookup, UnknownSchemaIds
from streams.event_log.validator import LOG_APPEND_TIME, EventValidator
from tests.support.events import DAY_1, commit

EVENT: Final = commit("c1", "09:00")
MESSAGE: Final = b"\0" + (77).to_bytes(4) + pinned_encoder("deploy_event").encode(EVENT)[5:]
RECORD: Final = RawRecord("deploy_events", 0, 0, (DAY_1 + DAY) // 1000, LOG_APPEND_TIME, b"shop", MESSAGE)
NOT_FOUND: Final = RegistryError("no such schema", 404)
Learn = Callable[[SchemaLookup, int], bool]


class Registry:
    def __init__(self, error: RegistryError | None = None) -> None:
        self.error = error
        self.asked: list[int] = []

    def schema_by_id(self, schema_id: int) -> Schema:
        self.asked.append(schema_id)
        if self.error is not None:
            raise self.error
        return load_schema("deploy_event")


def in_event_loop(lookup: SchemaLookup, schema_id: int) -> bool:
    return asyncio.run(lookup.learn_async(schema_id))


@pytest.fixture(params=[SchemaLookup.learn, in_event_loop], ids=["blocking", "async"])
def learn(request: pytest.FixtureRequest) -> Learn:
    way: Learn = request.param
    return way


def reader(registry: Registry | None) -> EventReader:
    decoder = pinned_decoder("deploy_event")
    return EventReader(decoder, EventValidator(decoder, 1, 5 * MINUTE), SchemaLookup(decoder, registry))


def test_a_schema_is_learned_from_the_registry(learn: Learn) -> None:
    decoder = pinned_decoder("deploy_event")
    assert learn(SchemaLookup(decoder, Registry()), 77)
    assert decoder.decode(MESSAGE) == EVENT


def test_an_unknown_id_is_asked_for_once_a_minute(learn: Learn, monkeypatch: pytest.MonkeyPatch) -> None:
    now, registry = 1000.0, Registry(NOT_FOUND)
    monkeypatch.setattr(schema_lookup, "monotonic", lambda: now)
    lookup = SchemaLookup(pinned_decoder("deploy_event"), registry)
    assert [learn(lookup, 9), learn(lookup, 9), registry.asked] == [False, False, [9]]
    now += 61
    assert not learn(lookup, 9)
    assert registry.asked == [9, 9]


def test_no_more_unknown_ids_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_lookup, "MOST_UNKNOWN", 3)
    unknown = UnknownSchemaIds()
    for number in range(20):
        unknown.add(number, 0.0)
        assert len(unknown) <= 3
    assert unknown.fresh(19, 59.9)
    assert not unknown.fresh(19, 60.0)


@pytest.mark.parametrize("status", [None, 500, 401])
def test_a_registry_that_does_not_say_is_not_taken_for_a_no(learn: Learn, status: int | None) -> None:
    lookup = SchemaLookup(pinned_decoder("deploy_event"), Registry(RegistryError("?", status)))
    with pytest.raises(RegistryError):
        learn(lookup, 9)
    assert len(lookup.unknown) == 0


def test_without_a_registry_nothing_is_learned(learn: Learn) -> None:
    assert not learn(SchemaLookup(pinned_decoder("deploy_event"), None), 9)


def test_a_reader_reads_what_the_registry_knows() -> None:
    assert reader(Registry()).read(RECORD) == EVENT


def test_a_reader_that_cannot_ask_says_which_schema() -> None:
    with pytest.raises(Inconclusive, match="the schema registry does not say what schema 77 is: timed out"):
        reader(Registry(RegistryError("timed out"))).read(RECORD)
