"""How the pipeline before this process is: what waits for the workers, whether the log goes on, what was refused."""

import logging
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from schemas.values import Micros

log = logging.getLogger(__name__)

EVERY: Final = 15.0
"""Seconds between two looks."""
FIRST: Final = 60.0
"""Seconds for which the first answer waits for the first look."""
_WITHIN: Final = 5.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One look. None: Kafka does not say."""

    behind: int | None = None
    """Messages of deploy_events that the workers have not acknowledged."""
    appended_at: Micros | None = None
    """When the log got its latest message. Workers write a tick every 30 s, so an old one means that none runs."""
    dead_letters: int | None = None
    """Messages that deploy_events_dead ever got."""


UNKNOWN: Final = Pipeline()


class Offsets(NamedTuple):
    """What is known of one topic, by partition."""

    begins: Mapping[int, int]
    ends: Mapping[int, int]


class Questions(Protocol):
    """What is asked of Kafka. Each raises KafkaException if it does not answer."""

    def offsets(self, topic: str) -> Offsets:
        """Where the partitions begin and end."""
        ...

    def committed(self, group: str, topic: str, partitions: Iterable[int]) -> Mapping[int, int]:
        """The offsets that a group has acknowledged; partitions without one are left out."""
        ...

    def appended_at(self, topic: str, partitions: Iterable[int]) -> Micros | None:
        """The latest time of any message; None if there is no message."""
        ...


class Takes(Protocol):
    """Who is told."""

    def piped(self, pipeline: Pipeline) -> None:
        """Take a look's result."""
        ...


def look(kafka: Questions, log_topic: str, dead_topic: str, group: str) -> Pipeline:
    """Ask everything once; what cannot be answered is None."""
    behind: int | None = None
    appended_at: Micros | None = None
    dead: int | None = None
    try:
        dead = sum(kafka.offsets(dead_topic).ends.values())
        ends = kafka.offsets(log_topic)
        acknowledged = kafka.committed(group, log_topic, ends.ends)
        behind = max(0, sum(end - max(acknowledged.get(one, 0), ends.begins[one]) for one, end in ends.ends.items()))
        appended_at = kafka.appended_at(log_topic, ends.ends)
    except KafkaException as error:
        log.warning("Kafka does not say how the pipeline is: %s", _text(error))
    return Pipeline(behind, appended_at, dead)


class Watch:
    """Looks again and again, in a thread of its own, until `stop`."""

    def __init__(self, kafka: Questions, topics: tuple[str, str], group: str, board: Takes) -> None:
        self._kafka = kafka
        self._topics = topics
        self._group = group
        self._board = board
        self._stop = Event()

    def stop(self) -> None:
        """Ask `run` to return; it does within a few seconds."""
        self._stop.set()

    def first(self) -> None:
        """Look once Kafka answers, or has been silent for FIRST seconds: the board may wait for it."""
        deadline = monotonic() + FIRST
        while self._silent() and monotonic() < deadline and not self._stop.wait(1.0):
            pass
        self._look()

    def _silent(self) -> bool:
        try:
            self._kafka.offsets(self._topics[1])
        except KafkaException as error:
            reason = error.args[0]  # a topic that is not there is an answer
            return not (isinstance(reason, KafkaError) and reason.code() == KafkaError.UNKNOWN_TOPIC_OR_PART)
        return False

    def run(self) -> None:
        """Look until stopped."""
        self.first()
        while not self._stop.wait(EVERY):
            self._look()

    def _look(self) -> None:
        self._board.piped(look(self._kafka, *self._topics, self._group))


class Admin:
    """`Questions` asked by librdkafka's admin client."""

    def __init__(self, client: Mapping[str, str]) -> None:
        self._client: dict[str, str | int | float | bool] = {**client, "client.id": "candora-serving", "log_level": 0}
        self._admin = AdminClient(self._client)

    def offsets(self, topic: str) -> Offsets:
        """Where the partitions begin and end."""
        found = self._admin.list_topics(topic, timeout=_WITHIN).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        partitions = sorted(found.partitions)
        return Offsets(
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
