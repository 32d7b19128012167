"""The broker of the tests is a real one: it stamps messages itself and keeps them over restarts and power cuts."""

import time
from collections.abc import Callable

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message, Producer

from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.kafka_jars import kafka_version

LONG_AGO = 1_000_000_000_000
"""Milliseconds since 1970: September 2001."""

pytestmark = pytest.mark.proof


@pytest.fixture(scope="module")
def kafka(own_kafka: KafkaBroker) -> KafkaBroker:
    """Some tests here take the broker away."""
    return own_kafka


def send(kafka: KafkaBroker, topic: str, *values: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "acks": "all", "partitioner": "murmur2_random"})
    for value in values:
        producer.produce(topic, value=value.encode(), key=b"shop", timestamp=LONG_AGO)
    assert producer.flush(30) == 0


def read(kafka: KafkaBroker, topic: str, number: int) -> list[Message]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    try:
        messages = consumer.consume(number, timeout=30)
    finally:
        consumer.close()
    assert [message.error() for message in messages] == [None] * number
    return messages


def values(messages: list[Message]) -> list[bytes | str | None]:
    return [message.value() for message in messages]


def test_the_broker_stamps_messages_with_its_own_time(kafka: KafkaBroker, unique: str) -> None:
    topic = kafka.create_topic(unique + "events", partitions=3, config={"message.timestamp.type": "LogAppendTime"})
    before = time.time() * 1000
    send(kafka, topic, "one", "two")
    messages = read(kafka, topic, 2)
    assert values(messages) == [b"one", b"two"]
    for message in messages:
        kind, stamp = message.timestamp()
        assert kind == TIMESTAMP_LOG_APPEND_TIME
        assert before - 1000 <= stamp <= time.time() * 1000 + 1000


def test_a_topic_that_nobody_made_does_not_exist(kafka: KafkaBroker, unique: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0, "topic.metadata.propagation.max.ms": 0})
    failures: list[KafkaError | None] = []
    producer.produce(unique + "nowhere", b"lost", on_delivery=lambda error, _message: failures.append(error))
    producer.flush(30)
    (failure,) = failures
    assert failure is not None
    # Which of the two depends on whether the client or the broker looked first.
    assert failure.code() in {KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART}


def test_making_a_topic_twice_is_refused(kafka: KafkaBroker, unique: str) -> None:
    topic = kafka.create_topic(unique + "once")
    with pytest.raises(KafkaException, match="already exists"):
        kafka.create_topic(topic)


@pytest.mark.parametrize("end", [KafkaBroker.stop, KafkaBroker.kill], ids=["stop", "kill"])
def test_messages_outlive_the_broker(kafka: KafkaBroker, unique: str, end: Callable[[KafkaBroker], None]) -> None:
    topic = kafka.create_topic(unique + "kept")
    send(kafka, topic, "before")
    end(kafka)
    kafka.start()
    send(kafka, topic, "after")
    assert values(read(kafka, topic, 2)) == [b"before", b"after"]


def test_the_version_is_the_one_in_the_pom() -> None:
    assert int(kafka_version().split(".")[0]) >= 4
