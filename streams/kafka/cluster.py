"""What is asked of Kafka. Nothing is joined, committed, created or written."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from schemas.values import Micros
from streams.errors import Inconclusive

Spans = Mapping[tuple[str, int], tuple[int, int]]
"""By topic and partition, the first offset to read and the one to stop before."""

PATIENCE: Final = 30.0
"""Seconds for which Kafka may say nothing while there is something to read."""

_TIMEOUT: Final = 10.0
_BATCH: Final = 2_000


class Cluster:
    """Answers questions about topics and groups."""

    def __init__(self, client: Mapping[str, str]) -> None:
        try:
            self._admin = AdminClient({**client, "socket.connection.setup.timeout.ms": 10_000, "log_level": 0})
        except KafkaException as error:
            raise Inconclusive(
                f"the Kafka client does not take its settings: {text_of(error)}; look at the KAFKA_… variables"
            ) from error
        self._client = client
        self._servers = client["bootstrap.servers"]

    def partitions(self) -> dict[str, int]:
        """All topics and how many partitions each has."""
        try:
            topics = self._admin.list_topics(timeout=_TIMEOUT).topics
        except KafkaException as error:
            raise Inconclusive(
                f"Kafka at {self._servers} does not answer: {text_of(error)}; "
                "are CANDORA_KAFKA_BOOTSTRAP_SERVERS and the KAFKA_… variables right?"
            ) from error
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def begins(self, topic: str, partitions: int) -> dict[int, int]:
        """The first offset that each partition still holds."""
        return self._offsets(topic, partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def ends(self, topic: str, partitions: int) -> dict[int, int]:
        """The next offset of each partition."""
        return self._offsets(topic, partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def _offsets(self, topic: str, partitions: int, spec: Any) -> dict[int, int]:
        asked = {TopicPartition(topic, partition): spec for partition in range(partitions)}
        try:
            answers = self._admin.list_offsets(asked, request_timeout=_TIMEOUT)
            return {place.partition: answer.result().offset for place, answer in answers.items()}
        except KafkaException as error:
            raise Inconclusive(f"{topic}: Kafka does not say where it begins and ends: {text_of(error)}") from error

    def committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        """The offset that a group reads next in each partition; 0 where it has said nothing.

        Asked by a consumer that does not join: an admin client of librdkafka 2.16 ends the process (SIGSEGV) where a
        broker that has just started answers that it is not the group's coordinator.
        """
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        config = {**self._client, "group.id": group, "enable.auto.commit": False, "log_level": 0}
        try:
            with closing(Consumer(config)) as consumer:
                answers = consumer.committed(places, timeout=_TIMEOUT)
        except KafkaException as error:
            raise Inconclusive(f"Kafka does not say how far the group {group} has read: {text_of(error)}") from error
        return {place.partition: max(0, place.offset) for place in answers}


def text_of(error: KafkaException) -> str:
    """What librdkafka says of it."""
    reason = error.args[0]
    return reason.str() if isinstance(reason, KafkaError) else str(reason)


def open_consumer(client: Mapping[str, str]) -> Consumer:
    """A consumer that reads what it is told to, as fast as it can, and sees what the workers see."""
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
    """Every message of these spans, each partition in order. `tick` hears how many more have come.

    Raises:
        Undecided: a partition cannot be read, or Kafka has been silent for too long.
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
    """Nothing, if the error only says that the end is reached."""
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - it has no other name
        raise Inconclusive(f"{message.topic()}[{message.partition()}] cannot be read on: {error.str()}")


_WITHIN: Final = 5.0


class TopicOffsets(NamedTuple):
    """What is known of one topic, by partition."""

    begins: Mapping[int, int]
    ends: Mapping[int, int]


class LagAdmin:
    """`LagQueries` asked by librdkafka's admin client."""

    def __init__(self, client: Mapping[str, str]) -> None:
        self._client: dict[str, str | int | float | bool] = {**client, "client.id": "candora-serving", "log_level": 0}
        self._admin = AdminClient(self._client)

    def offsets(self, topic: str) -> TopicOffsets:
        """Where the partitions begin and end."""
        found = self._admin.list_topics(topic, timeout=_WITHIN).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        partitions = sorted(found.partitions)
        return TopicOffsets(
            {one: answer.offset for one, answer in self._ask(topic, partitions, OffsetSpec.earliest()).items()},  # type: ignore[no-untyped-call]
            {one: answer.offset for one, answer in self._ask(topic, partitions, OffsetSpec.latest()).items()},  # type: ignore[no-untyped-call]
        )

    def committed(self, group: str, topic: str, partitions: Iterable[int]) -> Mapping[int, int]:
        """The offsets that a group has acknowledged.

        Asked by a consumer that does not join: an admin client of librdkafka 2.16 ends the process (SIGSEGV) where a
        broker that has just started answers that it is not the group's coordinator.
        """
        with closing(Consumer({**self._client, "group.id": group, "enable.auto.commit": False})) as consumer:
            answers = consumer.committed([TopicPartition(topic, one) for one in partitions], timeout=_WITHIN)
        return {one.partition: one.offset for one in answers if one.offset >= 0}

    def appended_at(self, topic: str, partitions: Iterable[int]) -> Micros | None:
        """The latest time of any message."""
        answers = self._ask(topic, partitions, OffsetSpec.max_timestamp())  # type: ignore[no-untyped-call]
        return max((one.timestamp * 1000 for one in answers.values() if one.timestamp >= 0), default=None)

    def _ask(self, topic: str, partitions: Iterable[int], spec: Any) -> dict[int, Any]:
        asked = {TopicPartition(topic, one): spec for one in partitions}
        answers = self._admin.list_offsets(asked, request_timeout=_WITHIN)
        return {place.partition: answer.result() for place, answer in answers.items()}


def _text(error: KafkaException) -> str:
    reason = error.args[0]
    return reason.str() if isinstance(reason, KafkaError) else str(reason)
