"""Poison at every place of a message, between good ones, on a real Kafka: refused and kept, and the good ones counted.

What is wrong with the value alone stands in test_worker.py; here are keys, headers, frames, sizes, codecs and
transactions, also those that no well-behaved client can send.
"""

import random
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder  # type: ignore[import-untyped]
from aiokafka.record.util import calc_crc32c  # type: ignore[import-untyped]
from confluent_kafka import Producer

from schemas.ids import pinned_encoder, pinned_id
from schemas.partitioner import partition_of
from schemas.rules import MAX_SHOWN, MAX_TEXT, check_event
from schemas.values import SECOND, EventValue
from streams.core.partition_state import PartitionState
from tests.support import events
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.workers import SERVICES, Installation, commits, eventually, now

pytestmark = [pytest.mark.broker, pytest.mark.timeout(90)]

ENCODER: Final = pinned_encoder("deploy_event")
SERVICE: Final = SERVICES[0]
MEBIBYTE: Final = 1024 * 1024
_CRC_FROM: Final = 21
"""Where the part of a record batch begins that its checksum, in the four bytes before, is of."""


@pytest.fixture
def installation(kafka: KafkaBroker, unique: str, tmp_path: Path) -> Installation:
    return Installation.create(kafka, unique, tmp_path, partitions=2)


def good(count: int = 40) -> Iterator[EventValue]:
    """Events that are counted."""
    return commits(count)


def body() -> bytes:
    """The bytes of an event of SERVICE, without their frame."""
    return ENCODER.encode(events.commit("poison", now() - SECOND, service=SERVICE))[5:]


def framed(schema_id: int, magic: int = 0) -> bytes:
    return struct.pack(">BI", magic, schema_id) + body()


def noise(chance: random.Random) -> str:
    """The longest text that the contract allows, in characters of three bytes that no codec makes much smaller."""
    return "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(MAX_TEXT))


def send_batch(installation: Installation, batch: bytes) -> None:
    """Write the bytes of a record batch to the home of SERVICE, as a client in another language may have made them."""
    topic, home = installation.events_topic.encode(), partition_of(SERVICE.encode(), installation.partitions)
    host, _, port = installation.bootstrap.partition(":")
    request = struct.pack(">hhih", 0, 3, 1, -1)  # Produce, version 3, no name of a client
    request += struct.pack(">hhiih", -1, -1, 10_000, 1, len(topic)) + topic
    request += struct.pack(">iii", 1, home, len(batch)) + batch
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = b""
        while len(answer) < 4 or len(answer) < 4 + struct.unpack_from(">i", answer)[0]:
            answer += connection.recv(4096)
    # length, correlation id, one topic, its name, one partition, its number, and at last the error
    (error,) = struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(topic) + 4 + 4)
    assert error == 0, f"the broker refused the batch: error {error}"


def batch_of(value: bytes, headers: Sequence[tuple[str, bytes | None]], replace: tuple[bytes, bytes]) -> bytes:
    """A record batch with some of its bytes exchanged for as many others, and the right checksum."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2 * MEBIBYTE)
    builder.append(0, now() // 1000, SERVICE.encode(), value, list(headers))
    made = bytes(builder.build())
    assert made.count(replace[0]) == 1
    damaged = made[_CRC_FROM:].replace(*replace)
    return made[: _CRC_FROM - 4] + struct.pack(">I", calc_crc32c(damaged)) + damaged


def test_keys_headers_frames_and_sizes(installation: Installation) -> None:
    key, value = SERVICE.encode(), framed(pinned_id("deploy_event"))
    largest = MEBIBYTE - 200
    poison: list[tuple[str, bytes | None, bytes | None]] = [
        ("wrong_key", b"", value),
        ("wrong_key", b"\xff\xfe", value),
        ("wrong_key", b"k" * (largest - len(value)), value),
        ("undecodable", b"\0" * 100_000, None),
        ("undecodable", None, None),
        ("undecodable", None, b""),
        ("undecodable", key, b"\0"),
        ("undecodable", key, b"\0\0\0\0"),
        ("undecodable", key, framed(pinned_id("deploy_event"), magic=1)),
        ("undecodable", key, framed(pinned_id("deploy_event"), magic=255)),
        ("undecodable", key, random.Random(1).randbytes(largest - len(key))),
        ("undecodable", key, value[:5] + b"\0" * (largest - len(key) - 5)),
        ("unknown_schema", key, framed(0)),
        ("unknown_schema", key, framed(1)),
        ("unknown_schema", key, framed(pinned_id("deployment"))),
        ("unknown_schema", key, framed(2**31)),
        ("unknown_schema", key, framed(2**32 - 1)),
    ]
    with installation.thread(store="memory") as worker:
        installation.send(good())
        home = partition_of(key, installation.partitions)
        producer = Producer({"bootstrap.servers": installation.bootstrap, "message.max.bytes": 2 * MEBIBYTE})
        for _, wrong_key, wrong in poison:
            producer.produce(installation.events_topic, wrong, wrong_key, home)
        assert producer.flush(20) == 0
        installation.send(good())
        eventually(installation.all_committed, "all commits")
        assert worker.running
    assert installation.counts() == installation.sent
    letters = sorted(((one["reason"], one["key"], one["value"]) for one in installation.dead_letters()), key=repr)
    assert letters == sorted(poison, key=repr)


def test_headers_that_are_no_utf8_empty_many_or_huge(installation: Installation) -> None:
    """A good event counts whatever its headers are; a refused one takes them along to the dead letters."""
    odd: list[Sequence[tuple[str, bytes | None]]] = [
        [("", b"")],
        [("none", None)],
        [("raw", b"\xff\xfe\x00")],
        [("twice", b"1"), ("twice", b"2")],
        [(f"h{number}", b"x") for number in range(5_000)],
        [("huge", b"x" * 900_000)],
        [("n" * 30_000, b"name")],
    ]
    with installation.thread(store="memory") as worker:
        for headers in odd:
            installation.produce([(SERVICE.encode(), b"poison", -1)], headers=list(headers))
            [event] = installation._counted(commits(1))
            installation.produce([(SERVICE.encode(), ENCODER.encode(event), -1)], headers=list(headers))
        eventually(installation.all_committed, "all commits")
        assert worker.running
    assert installation.counts() == installation.sent
    assert [one["headers"] for one in installation.dead_letters()] == [
        {name: value or b"" for name, value in headers} for headers in odd
    ]


def test_a_header_name_that_is_no_utf8(installation: Installation) -> None:
    """Clients in C and Go may write any bytes there."""
    [event] = installation._counted(commits(1))
    with installation.thread(store="memory") as worker:
        send_batch(installation, batch_of(ENCODER.encode(event), [("NAME", b"x")], (b"NAME", b"\xff\xfeN\x80")))
        send_batch(installation, batch_of(b"poison", [("NAME", b"x")], (b"NAME", b"\xff\xfeN\x80")))
        installation.send(good())
        eventually(lambda: installation.all_committed() or not worker.running, "all commits")
        assert worker.running
    assert installation.counts() == installation.sent
    assert [one["value"] for one in installation.dead_letters()] == [b"poison"]


def test_every_codec_of_kafka(installation: Installation) -> None:
    with installation.thread(store="memory"):
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            producer = Producer({"bootstrap.servers": installation.bootstrap, "compression.type": codec})
            for event in installation._counted(good()):
                key = event["service"].encode()
                home = partition_of(key, installation.partitions)
                producer.produce(installation.events_topic, ENCODER.encode(event), key, home)
                producer.produce(installation.events_topic, b"poison" * 100, key, home)
            assert producer.flush(20) == 0
        eventually(installation.all_committed, "all commits")
    assert installation.counts() == installation.sent
    assert len(installation.dead_letters()) == 5 * 40


def test_transactions_and_their_markers(installation: Installation) -> None:
    """What a producer took back was never said; the markers in the log are no messages."""
    producer = Producer({"bootstrap.servers": installation.bootstrap, "transactional.id": installation.prefix})
    producer.init_transactions(10)

    def transaction(*found: EventValue) -> None:
        producer.begin_transaction()
        for event in found:
            key = event["service"].encode()
            home = partition_of(key, installation.partitions)
            producer.produce(installation.events_topic, ENCODER.encode(event), key, home)
        assert producer.flush(10) == 0

    with installation.thread(store="memory"):
        transaction(*installation._counted(good()))
        producer.commit_transaction(10)
        transaction(*commits(30, at=now() - 7200 * SECOND))
        producer.abort_transaction(10)
        transaction(*installation._counted(good()))
        producer.commit_transaction(10)
        installation.send(good())
        eventually(installation.all_committed, "all commits")
    assert installation.counts() == installation.sent


@pytest.mark.parametrize("taken_back", [False, True])
def test_a_log_that_ends_with_a_transaction(installation: Installation, taken_back: bool) -> None:
    """Markers are read past and committed, or whoever compares the group with the log would wait for ever."""
    producer = Producer({"bootstrap.servers": installation.bootstrap, "transactional.id": installation.prefix})
    producer.init_transactions(10)

    def transaction() -> None:
        producer.begin_transaction()
        for event in commits(40) if taken_back else installation._counted(commits(40)):
            key = event["service"].encode()
            home = partition_of(key, installation.partitions)
            producer.produce(installation.events_topic, ENCODER.encode(event), key, home)
        producer.flush(10)
        if taken_back:
            producer.abort_transaction(10)
        else:
            producer.commit_transaction(10)

    with installation.thread(store="memory"):
        transaction()
        eventually(lambda: all(installation.ends().values()) and installation.all_committed(), "the first transaction")
        transaction()
        eventually(installation.all_committed, "the end of the second transaction")
    with installation.thread(store="memory"):
        installation.send(commits(40))
        eventually(installation.all_committed, "what came after the transactions")
    assert installation.counts() == installation.sent


def long_texts() -> Iterator[EventValue]:
    """Valid events of one incident and one deployment that fit, each for itself, and whose records do not."""
    at, chance = now() - 3600 * SECOND, random.Random(6)
    yield events.promoted("d", at, service=SERVICE)
    for number in range(4):
        event = events.opened("i", at + number, service=SERVICE)
        assert event["incident"] is not None
        event["incident"]["escaped_gates"] = [noise(chance)[:128] for _ in range(MAX_SHOWN)]
        yield event
    for number in range(200):
        event = events.rollback(at + number, deployment="d", service=SERVICE)
        assert event["rollback"] is not None
        event["rollback"]["reason"] = noise(chance)[:512]
        yield event


def test_valid_events_whose_record_is_too_large_for_its_topic(installation: Installation) -> None:
    with installation.thread(store="memory", factory=PartitionState) as worker:
        found = list(long_texts())
        for event in found:
            check_event(event)
        installation.send(found)
        installation.send(good())
        eventually(lambda: installation.all_committed() or not worker.running, "all commits")
        assert worker.running
