from typing import Any

import pytest

from schemas.errors import ContractError
from schemas.ids import pinned_decoder, pinned_encoder
from schemas.partitioner import partition_of
from schemas.values import MINUTE, SECOND
from streams.event_log.dead_letters import dead_letter
from streams.event_log.raw_record import RawRecord, WrongTimestampsError
from streams.event_log.validator import EventValidator
from streams.worker.ticks import tick
from tests.support import events
from tests.unit.streams.worker.raw_records import APPENDED, HOME, PARTITIONS, encoded, record

GOOD = events.commit("c1", "11:00")


def intake(**options: Any) -> EventValidator:
    return EventValidator(pinned_decoder("deploy_event"), PARTITIONS, 5 * MINUTE, **options)


def refusal(message: RawRecord) -> ContractError:
    with pytest.raises(ContractError) as caught:
        intake().read(message)
    return caught.value


def test_the_key_shop_is_at_home_where_the_tests_say() -> None:
    assert partition_of(b"shop", PARTITIONS) == HOME


def test_a_good_message_is_its_event_again_and_again() -> None:
    reader = intake()
    assert reader.read(encoded(GOOD)) == GOOD
    assert reader.read(encoded(GOOD, offset=8)) == GOOD


def test_a_tick_is_no_event_wherever_it_stands() -> None:
    value = tick(1, APPENDED + 60 * MINUTE, 30 * SECOND)
    assert intake().read(encoded(value, key=None, partition=1)) is None


@pytest.mark.parametrize("value", [None, b""])
def test_a_message_without_a_value_is_undecodable(value: bytes | None) -> None:
    error = refusal(record(value))
    assert error.reason == "undecodable"
    assert "tombstone" in str(error)


@pytest.mark.parametrize(
    ("message", "reason", "path"),
    [
        (record(b"{}"), "undecodable", None),
        (record(b"\0\0\0\0\7abc"), "unknown_schema", None),
        (encoded({**GOOD, "commit_sha": None}), "failed_validation", "commit_sha"),
        (encoded({**GOOD, "event_type": "UNKNOWN"}), "failed_validation", "event_type"),
        (encoded({**GOOD, "occurred_at": APPENDED + 6 * MINUTE}), "future_timestamp", "occurred_at"),
        (encoded(GOOD, key=b"bank"), "wrong_key", "service"),
        (encoded(GOOD, key=None), "wrong_key", "service"),
        (encoded(GOOD, key=b"\xff"), "wrong_key", "service"),
        (encoded(GOOD, partition=HOME + 1), "wrong_partition", None),
    ],
)
def test_each_fault_has_its_reason_and_its_path(message: RawRecord, reason: str, path: str | None) -> None:
    error = refusal(message)
    assert (error.reason, error.path) == (reason, path)


def test_a_key_that_was_right_once_is_still_checked() -> None:
    reader = intake()
    reader.read(encoded(GOOD))
    for stray in (encoded(GOOD, partition=HOME + 1), encoded({**GOOD, "service": "bank"})):
        with pytest.raises(ContractError):
            reader.read(stray)


def test_exactly_the_tolerated_skew_is_accepted() -> None:
    value = {**GOOD, "occurred_at": APPENDED + 5 * MINUTE}
    assert intake().read(encoded(value)) == value  # type: ignore[arg-type]  # a copy of an event is one


def test_the_append_time_is_the_broker_s_in_microseconds() -> None:
    assert intake().append_time(encoded(GOOD)) == APPENDED


def test_a_producer_s_timestamp_is_an_operator_s_fault_unless_trusted() -> None:
    message = encoded(GOOD, timestamp_type=0)
    with pytest.raises(WrongTimestampsError, match=r"message\.timestamp\.type=LogAppendTime"):
        intake().append_time(message)
    assert intake(trust_create_time=True).append_time(message) == APPENDED


def test_a_dead_letter_keeps_everything_and_can_be_written() -> None:
    message = record(b"junk", key=None, headers=(("a", b"1"), ("b", None), ("a", b"2")))
    letter = dead_letter(message, refusal(message))
    assert letter["reason"] == "undecodable"
    assert (letter["topic"], letter["partition"], letter["offset"]) == ("deploy_events", HOME, 7)
    assert (letter["key"], letter["value"], letter["append_time"]) == (None, b"junk", APPENDED)
    assert letter["headers"] == {"a": b"2", "b": b""}
    assert pinned_decoder("dead_letter").decode(pinned_encoder("dead_letter").encode(letter)) == letter
