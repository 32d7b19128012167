"""How the pipeline before this process is: what waits for the workers, whether the log goes on, what was refused."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Final, Protocol

from confluent_kafka import KafkaError, KafkaException

from schemas.values import Micros
from streams.kafka.admin import TopicOffsets, reason_of

log = logging.getLogger(__name__)

EVERY: Final = 15.0
"""Seconds between two looks."""
FIRST: Final = 60.0
"""Seconds for which the first answer waits for the first look."""


@dataclass(frozen=True, slots=True)
class PipelineLag:
    """One look. None: Kafka does not say."""

    behind: int | None = None
    """Messages of deploy_events that the workers have not acknowledged."""
    appended_at: Micros | None = None
    """When the log got its latest message. Workers write a tick every 30 s, so an old one means that none runs."""
    dead_letters: int | None = None
    """Messages that deploy_events_dead ever got."""


UNKNOWN: Final = PipelineLag()


class LagQueries(Protocol):
    """What is asked of Kafka. Each raises KafkaException if it does not answer."""

    def offsets(self, topic: str) -> TopicOffsets:
        """Where the partitions begin and end."""
        ...

    def committed(self, group: str, topic: str, partitions: Iterable[int]) -> Mapping[int, int]:
        """The offsets that a group has acknowledged; partitions without one are left out."""
        ...

    def appended_at(self, topic: str, partitions: Iterable[int]) -> Micros | None:
        """The latest time of any message; None if there is no message."""
        ...


class LagSink(Protocol):
    """Whoever shows the lag."""

    def set_pipeline(self, pipeline: PipelineLag) -> None:
        """Take a look's result."""
        ...


def look(kafka: LagQueries, log_topic: str, dead_topic: str, group: str) -> PipelineLag:
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
        log.warning("Kafka does not say how the pipeline is: %s", reason_of(error))
    return PipelineLag(behind, appended_at, dead)


class LagWatcher:
    """Looks again and again, in a thread of its own, until `stop`."""

    def __init__(self, kafka: LagQueries, topics: tuple[str, str], group: str, sink: LagSink) -> None:
        self._kafka = kafka
        self._topics = topics
        self._group = group
        self._sink = sink
        self._stop = Event()

    def stop(self) -> None:
        """Ask `run` to return; it does within a few seconds."""
        self._stop.set()

    def first(self) -> None:
        """Look once Kafka answers, or has been silent for FIRST seconds: the sink may wait for it."""
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
        self._sink.set_pipeline(look(self._kafka, *self._topics, self._group))
