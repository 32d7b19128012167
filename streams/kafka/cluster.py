"""Read spans of topics and ask about them, for commands that cannot go on without an answer."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.errors import Inconclusive
from streams.kafka.admin import KafkaAdmin, reason_of

Spans = Mapping[tuple[str, int], tuple[int, int]]
"""By topic and partition, the first offset to read and the one to stop before."""

PATIENCE: Final = 30.0
"""Seconds for which Kafka may say nothing while there is something to read."""

_BATCH: Final = 2_000


class Cluster:
    """Answers of a cluster for commands that end where Kafka says nothing: every failure is `Inconclusive`."""

    def __init__(self, client: Mapping[str, str]) -> None:
        try:
            self._admin = KafkaAdmin({**client, "socket.connection.setup.timeout.ms": 10_000})
        except KafkaException as error:
            raise Inconclusive(
                f"the Kafka client does not take its settings: {reason_of(error)}; look at the KAFKA_… variables"
            ) from error
        self._servers = client["bootstrap.servers"]

    def partitions(self) -> dict[str, int]:
        """Return all topics and how many partitions each has."""
        try:
            return self._admin.partitions()
        except KafkaException as error:
            raise Inconclusive(
                f"Kafka at {self._servers} does not answer: {reason_of(error)}; "
                "are CANDORA_KAFKA_BOOTSTRAP_SERVERS and the KAFKA_… variables right?"
            ) from error

    def begins(self, topic: str, partitions: int) -> dict[int, int]:
        """Return the first offset that each partition still holds."""
        try:
            return self._admin.begins(topic, range(partitions))
        except KafkaException as error:
            raise _no_offsets(topic, error) from error

    def ends(self, topic: str, partitions: int) -> dict[int, int]:
        """Return the next offset of each partition."""
        try:
            return self._admin.ends(topic, range(partitions))
        except KafkaException as error:
            raise _no_offsets(topic, error) from error

    def committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        """Return the offset that a group reads next in each partition; 0 where it has committed nothing."""
        try:
            known = self._admin.committed(group, topic, range(partitions))
        except KafkaException as error:
            raise Inconclusive(f"Kafka does not say how far the group {group} has read: {reason_of(error)}") from error
        return {partition: known.get(partition, 0) for partition in range(partitions)}


def _no_offsets(topic: str, error: KafkaException) -> Inconclusive:
    return Inconclusive(f"{topic}: Kafka does not say where it begins and ends: {reason_of(error)}")


def open_consumer(client: Mapping[str, str]) -> Consumer:
    """Open a consumer that reads what is assigned to it, as fast as it can, and sees what the workers see."""
    return Consumer(
        {
            **client,
            "client.id": "candora-audit",
            "group.id": "candora-audit",  # the client asks for one; it is not joined
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "allow.auto.create.topics": False,
            "fetch.queue.backoff.ms": 10,
            "queued.max.messages.kbytes": 32 * 1024,
            "log_level": 0,
        }
    )


def read_messages(consumer: Consumer, spans: Spans, tick: Callable[[int], None] = lambda _: None) -> Iterator[Message]:
    """Read every message of these spans, each partition in order. `tick` is called with how many more have come.

    Raises:
        Inconclusive: a partition cannot be read, or Kafka has been silent for too long.
    """
    left = {place: end for place, (begin, end) in spans.items() if begin < end}
    consumer.assign([TopicPartition(*place, spans[place][0]) for place in left])
    consumer.resume([TopicPartition(*place) for place in left])  # an assignment keeps the pauses of the one before
    deadline = time.monotonic() + PATIENCE
    while left:
        messages = consumer.consume(_BATCH, 0.2)
        if messages:
            deadline = time.monotonic() + PATIENCE
        elif time.monotonic() > deadline:
            raise Inconclusive(f"Kafka has sent nothing for {PATIENCE:g} s while {len(left)} partitions are not read")
        for message in messages:
            place = (message.topic() or "", message.partition() or 0)
            end = left.get(place)
            if end is None:
                continue
            position = message.offset() or 0
            if message.error() is not None:
                _check(message)
            elif position < end:
                yield message
                position += 1
            # What stands last may never be seen: a record that was compacted away, or the mark of a transaction.
            if position >= end:
                del left[place]
                consumer.pause([TopicPartition(*place)])
        tick(len(messages))
    consumer.unassign()


def _check(message: Message) -> None:
    """Ignore the error that only says that the end of the partition is reached; raise on any other."""
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - it has no other name
        raise Inconclusive(f"{message.topic()}[{message.partition()}] cannot be read on: {error.str()}")
