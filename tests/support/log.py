"""What is put into the topics of an installation, what lies there, and how far its workers have read it."""

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas.ids import pinned_decoder, pinned_encoder
from schemas.values import DeadLetterValue, EventValue
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import POLL


class Raw(NamedTuple):
    """A message to be sent as it is; with partition -1 it goes where its key belongs."""

    key: bytes | None
    value: bytes | None
    partition: int = -1


class Place(NamedTuple):
    """Where a message lies in its topic."""

    partition: int
    offset: int


class Log:
    """The topics of one prefix. An installation is one of these, and has these fields:"""

    kafka: KafkaBroker
    prefix: str
    partitions: int
    """Of deploy_events."""

    @property
    def bootstrap(self) -> str:
        return self.kafka.bootstrap

    @property
    def group(self) -> str:
        """The consumer group of the workers."""
        return f"{self.prefix}worker"

    def topic(self, base: str) -> str:
        return self.prefix + base

    def looking(self) -> AbstractContextManager[Consumer]:
        """A client that looks at the group's offsets."""
        return looking(self.bootstrap, self.group)

    def produce(self, messages: Iterable[tuple[bytes | None, bytes | None, int]], **more: Any) -> list[Place]:
        """Send messages as they are, whatever their size; where each of them lies once the broker has them all."""
        config = {
            "bootstrap.servers": self.bootstrap,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "message.max.bytes": 64 * 1024 * 1024,
            "linger.ms": 5,
        }
        producer, places, failed = Producer(config), dict[int, Place](), list[str]()

        def sent(order: int, error: KafkaError | None, message: Message) -> None:
            if error is None:
                places[order] = Place(partition_in(message), offset_in(message))
            else:
                failed.append(error.str())

        for order, (key, value, partition) in enumerate(messages):
            told = functools.partial(sent, order)
            producer.produce(self.topic("deploy_events"), value, key, partition, on_delivery=told, **more)
            producer.poll(0)
        assert producer.flush(60) == 0
        assert not failed
        return [place for _, place in sorted(places.items())]

    def produce_events(self, events: Iterable[EventValue]) -> None:
        """Send events as a producer does that makes no fault."""
        encode = pinned_encoder("deploy_event").encode
        self.produce(Raw(event["service"].encode(), encode(event)) for event in events)

    def ends(self, base: str = "deploy_events") -> dict[int, int]:
        """The next offset of every partition of a topic."""
        with self.looking() as consumer:
            topic = self.topic(base)
            partitions = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
            return {partition: _end(consumer, TopicPartition(topic, partition)) for partition in partitions}

    def committed(self) -> dict[int, int]:
        """The next offset of deploy_events that the workers want, by partition; 0 before they said so."""
        return committed_offsets(self.bootstrap, self.group, self.topic("deploy_events"), self.partitions)

    def read(self, base: str, upto: Mapping[int, int] | None = None) -> Iterator[Message]:
        """Every message of a topic, up to its present end or the offsets given, in the order of each partition."""
        ends = {at: end for at, end in (self.ends(base) if upto is None else upto).items() if end}
        wanted = set(ends)
        deadline = time.monotonic() + 30
        with self.looking() as consumer:
            consumer.assign([TopicPartition(self.topic(base), partition, 0) for partition in ends])
            while wanted:
                assert time.monotonic() < deadline, f"{base} is not read to the end of partitions {wanted}"
                for message in consumer.consume(1000, 0.05):
                    assert message.error() is None
                    at, position = partition_in(message), offset_in(message) + 1
                    if position >= ends[at]:
                        wanted.discard(at)
                    if position <= ends[at]:
                        yield message

    def dead_letters(self) -> list[DeadLetterValue]:
        """What deploy_events_dead holds."""
        decoder = pinned_decoder("dead_letter")
        return [decoder.decode(message.value() or b"") for message in self.read("deploy_events_dead")]


def committed_offsets(bootstrap: str, group: str, topic: str, partitions: int) -> dict[int, int]:
    """What a group has committed, by partition; 0 for nothing. A group's first coordinator is not there at once."""
    places = [TopicPartition(topic, number) for number in range(partitions)]
    with looking(bootstrap, group) as consumer:
        found = _asked_again(lambda: consumer.committed(places, timeout=10), KafkaError.NOT_COORDINATOR)
    return {place.partition: max(0, place.offset) for place in found}


@contextmanager
def looking(bootstrap: str, group: str) -> Iterator[Consumer]:
    """A client that looks at a group's offsets and never joins it."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 20,
            "log_level": 0,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """The next offset of a partition. A broker that has just come back does not know at once that it leads it."""
    marks: tuple[int, int] = _asked_again(
        lambda: consumer.get_watermark_offsets(place, timeout=10), KafkaError.NOT_LEADER_FOR_PARTITION
    )
    return marks[1]


def _asked_again(ask: Callable[[], Any], not_yet: int) -> Any:
    """The answer; asks again for up to 10 s while the broker answers `not_yet`."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() != not_yet or time.monotonic() > deadline:
                raise
            time.sleep(POLL)


def offset_in(message: Message) -> int:
    offset = message.offset()
    assert offset is not None
    return offset


def partition_in(message: Message) -> int:
    partition = message.partition()
    assert partition is not None
    return partition
