"""The embedded broker: topics on demand, the producer's time kept, gone when the block ends."""

import socket

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.demo.broker import PARTITIONS, EmbeddedBroker
from streams.demo.errors import DemoError


def test_messages_go_through_with_the_producers_time() -> None:
    with EmbeddedBroker() as broker:
        broker.create(["a", "b"])
        producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        producer.produce("a", key=b"k", value=b"v", partition=PARTITIONS - 1, timestamp=1_700_000_000_000)
        assert producer.flush(10) == 0
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g", "log_level": 0})
        consumer.assign([TopicPartition("a", PARTITIONS - 1, 0)])
        message = consumer.poll(10)
        consumer.close()
        assert message is not None
        assert (message.key(), message.value(), message.timestamp()[1]) == (b"k", b"v", 1_700_000_000_000)


def test_it_is_gone_when_the_block_ends() -> None:
    with EmbeddedBroker() as broker:
        host, port = broker.bootstrap.split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_topics_need_a_running_broker() -> None:
    with pytest.raises(DemoError, match="not running"):
        EmbeddedBroker().create(["a"])
