"""A thousand messages that are no events, of every kind, between good ones: nothing is lost and nothing stops."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import pytest

from schemas.codec.codec import MAX_BYTES, frame
from schemas.events import new_event_id
from schemas.ids import pinned_encoder
from schemas.values import DAY, HOUR, EventValue
from tests.support.builders.scrapes import numbers
from tests.support.load import load
from tests.support.log import Raw
from tests.support.log_replay import Records, facts_of, played, totals
from tests.support.servers.installation import PARTITIONS, Installation, assert_same, home, published, recompute
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

pytestmark = pytest.mark.slow

GOOD: Final = 1_500
BAD: Final = 1_000
SERVICES: Final = 12
FOREIGN_SCHEMA: Final = 7_000_001


class Bad(NamedTuple):
    """A message that must be refused, and why."""

    reason: str
    raw: Raw


Maker = Callable[[EventValue, Random], Bad]


def encoded(event: EventValue, **changes: Any) -> bytes:
    """The event under another id and with some fields changed, so that it could only do harm if it were taken."""
    event_id = str(new_event_id(f"poison {event['event_id']} {changes}"))
    return pinned_encoder("deploy_event").encode({**event, "event_id": event_id, **changes})


def undecodable(key: bytes | None, value: bytes | None) -> Bad:
    return Bad("undecodable", Raw(key, value))


def invalid(event: EventValue, **changes: Any) -> Bad:
    return Bad("failed_validation", Raw(event["service"].encode(), encoded(event, **changes)))


def bent(event: EventValue) -> bytes:
    """A message whose event id is not UTF-8."""
    return encoded(event).replace(b"-", b"\xff", 1)


KINDS: Final[Mapping[str, Maker]] = {
    "garbage": lambda event, rng: undecodable(event["service"].encode(), b"\1" + rng.randbytes(rng.randrange(400))),
    "framed garbage": lambda event, rng: undecodable(event["service"].encode(), encoded(event)[:5] + b"\xff" * 90),
    "JSON": lambda event, _: undecodable(event["service"].encode(), b'{"event_type": "commit_created"}'),
    "empty": lambda event, _: undecodable(event["service"].encode(), b""),
    "tombstone": lambda event, _: undecodable(event["service"].encode(), None),
    "neither key nor value": lambda _event, _rng: undecodable(None, None),
    "cut short": lambda event, rng: undecodable(event["service"].encode(), encoded(event)[: rng.randrange(5, 50)]),
    "something behind": lambda event, rng: undecodable(event["service"].encode(), encoded(event) + rng.randbytes(3)),
    "no UTF-8": lambda event, _: undecodable(event["service"].encode(), bent(event)),
    "huge": lambda event, rng: undecodable(event["service"].encode(), b"\1" + rng.randbytes(200_000)),
    "another schema": lambda event, rng: Bad(
        "unknown_schema", Raw(event["service"].encode(), frame(FOREIGN_SCHEMA, rng.randbytes(60)))
    ),
    "a short SHA": lambda event, _: invalid(event, event_type="artifact_built", commit_sha="abc1234"),
    "no incident": lambda event, _: invalid(event, event_type="incident_opened", env="prod", incident_id=None),
    "a type of the future": lambda event, _: invalid(event, event_type="UNKNOWN"),
    "seconds for microseconds": lambda event, _: invalid(event, occurred_at=event["occurred_at"] // 1_000_000),
    "a clock that is ahead": lambda event, _: Bad(
        "future_timestamp",
        Raw(event["service"].encode(), encoded(event, occurred_at=time.time_ns() // 1000 + HOUR)),
    ),
    "another's key": lambda event, _: Bad("wrong_key", Raw(b"not-" + event["service"].encode(), encoded(event))),
    "no key": lambda event, _: Bad("wrong_key", Raw(None, encoded(event))),
    "a key that is no text": lambda event, _: Bad("wrong_key", Raw(b"\xff\xfe", encoded(event))),
    "another partition": lambda event, _: Bad(
        "wrong_partition",
        Raw(event["service"].encode(), encoded(event), (home(event["service"]) + 1) % PARTITIONS),
    ),
}


def bad_messages(events: list[EventValue], rng: Random) -> Iterator[Bad]:
    """Of each kind as many as of any other, made from good events."""
    makers = list(KINDS.values())
    for number in range(BAD):
        yield makers[number % len(makers)](rng.choice(events), rng)


def test_good_ones_are_counted_and_bad_ones_are_kept(
    kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path
) -> None:
    rng = Random(5)
    events = list(load(GOOD, SERVICES, time.time_ns() // 1000 - 10 * DAY, seed=5))
    encode = pinned_encoder("deploy_event").encode
    mixed: list[tuple[Raw, str | None]] = [(Raw(event["service"].encode(), encode(event)), None) for event in events]
    for bad in bad_messages(events, rng):
        mixed.insert(rng.randrange(len(mixed) + 1), (bad.raw, bad.reason))

    installation = Installation(kafka, unique, processes, tmp_path).create_topics().start_workers("one", "two")
    places = installation.produce(raw for raw, _ in mixed)
    installation.settle()
    text = installation.await_served(installation.start_serving())
    installation.stop()

    wanted = {
        place: (reason, raw.key, raw.value)
        for place, (raw, reason) in zip(places, mixed, strict=True)
        if reason is not None
    }
    letters = installation.dead_letters()
    found = {(one["partition"], one["offset"]): (one["reason"], one["key"], one["value"]) for one in letters}
    assert len(letters) == len(found) == BAD
    assert found == wanted
    assert {one["topic"] for one in letters} == {installation.topic("deploy_events")}
    assert all(one["problem"] for one in letters)

    recomputed, records = recompute(installation), published(installation)
    expected = {place: reason for place, (reason, _, _) in wanted.items()}
    assert sorted(recomputed.refused.items() ^ expected.items())[:20] == []
    assert_same(records, recomputed.records)
    alone = Records.of(played(events, time.time_ns() // 1000, installation.settings))
    assert facts_of(records) == facts_of(alone)
    counted = {key: totals(metrics["counters"]) for key, metrics in records.metrics.items()}
    assert counted == {key: totals(metrics["counters"]) for key, metrics in alone.metrics.items()}
    shown = numbers(text)
    for (service, env), metrics in alone.metrics.items():
        if env:
            series = ("deployments_total", (("env", env), ("service", service)))
            assert shown[series] == metrics["counters"]["deployments"] > 0
    assert Counter(reason for reason, _, _ in wanted.values()).keys() == {
        "undecodable",
        "unknown_schema",
        "failed_validation",
        "future_timestamp",
        "wrong_key",
        "wrong_partition",
    }


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(1_000_000, id="1 MB"),
        pytest.param(5_000_000, id="5 MB", marks=pytest.mark.proof),
        pytest.param(12_000_000, id="12 MB", marks=pytest.mark.proof),
    ],
)
def test_a_monstrous_message_stops_nobody(
    kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path, size: int
) -> None:
    """A topic's limit is on what a producer has packed: what is in it may be many times as large.

    Of what is too large for a dead letter its beginning is kept; the offset says where the rest is.
    """
    monster = Random(size).randbytes(900_000).ljust(size, b"\0")
    events = list(load(60, 1, time.time_ns() // 1000 - 10 * DAY))
    key, encode = events[0]["service"].encode(), pinned_encoder("deploy_event").encode
    messages = [Raw(key, encode(event)) for event in events]
    installation = Installation(kafka, unique, processes, tmp_path).create_topics().start_workers("one")
    places = installation.produce([*messages[:30], Raw(key, monster), *messages[30:]])
    installation.settle()
    installation.stop()
    [letter] = installation.dead_letters()
    assert (letter["reason"], letter["partition"], letter["offset"]) == ("undecodable", *places[30])
    kept = letter["value"] or b""
    assert kept == monster or (size > MAX_BYTES and kept and monster.startswith(kept))
    assert_same(published(installation), recompute(installation).records)
