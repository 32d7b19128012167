"""Ask Kafka about topics, offsets and groups: the one place for admin clients and what librdkafka gets wrong.

Everything raises KafkaException if Kafka does not answer. Callers turn it into what it means for them, with
`reason_of` for its text.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from schemas.values import Micros

_WITHIN: Final = 10.0


def reason_of(error: KafkaException) -> str:
    """Return librdkafka's text of an error."""
    reason = error.args[0]
    return reason.str() if isinstance(reason, KafkaError) else str(reason)


def open_admin(client: Mapping[str, str | int]) -> AdminClient:
    """Open an admin client that leaves it to its caller to report errors; librdkafka would log them every 50 ms.

    Raises:
        KafkaException: the client does not take its settings.
    """
    return AdminClient({"reconnect.backoff.ms": 500, **client, "log_level": 0})


class TopicOffsets(NamedTuple):
    """Where the partitions of a topic begin and end: the first offset kept, and the next one to be given."""

    begins: Mapping[int, int]
    ends: Mapping[int, int]


class KafkaAdmin:
    """Questions to one cluster, each answered `within` seconds or not at all. Nothing is joined or written."""

    def __init__(self, client: Mapping[str, str | int], within: float = _WITHIN) -> None:
        self._client = client
        self._within = within
        self.client: Final = open_admin(client)

    def partitions(self) -> dict[str, int]:
        """Return all topics and how many partitions each has."""
        topics = self.client.list_topics(timeout=self._within).topics
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def offsets(self, topic: str) -> TopicOffsets:
        """Return where the partitions of a topic begin and end."""
        found = self.client.list_topics(topic, timeout=self._within).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        partitions = sorted(found.partitions)
        return TopicOffsets(self.begins(topic, partitions), self.ends(topic, partitions))

    def begins(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Return the first offset that each partition still holds."""
        return self._offsets(topic, partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def ends(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Return the next offset of each partition."""
        return self._offsets(topic, partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def committed(self, group: str, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Return the offsets that a group has committed; partitions without one are left out.

        Asked by a consumer that does not join: `list_consumer_group_offsets` of librdkafka 2.16 crashes the process
        where a broker that has just started answers that it is not the coordinator (confluentinc/librdkafka#5040).
        """
        config: dict[str, Any] = {**self._client, "group.id": group, "enable.auto.commit": False, "log_level": 0}
        with closing(Consumer(config)) as consumer:
            answers = consumer.committed([TopicPartition(topic, one) for one in partitions], timeout=self._within)
        return {one.partition: one.offset for one in answers if one.offset >= 0}

    def appended_at(self, topic: str, partitions: Iterable[int]) -> Micros | None:
        """Return the latest append time of any message; None if there is no message."""
        answers = self._ask(topic, partitions, OffsetSpec.max_timestamp())  # type: ignore[no-untyped-call]
        return max((one.timestamp * 1000 for one in answers.values() if one.timestamp >= 0), default=None)

    def members(self, group: str) -> int:
        """Count group members without crashing librdkafka.

        Asked by the list of groups: `describe_consumer_groups` of librdkafka 2.16 aborts the process where a broker
        that has just started answers that it is not the coordinator (confluentinc/librdkafka#5397).
        """
        listed: list[Any] = self.client.list_groups(group, timeout=self._within)
        found = [one for one in listed if one.id == group]
        for one in found:
            if one.error is not None:
                raise KafkaException(one.error)
        return sum(len(one.members) for one in found)

    def _offsets(self, topic: str, partitions: Iterable[int], spec: Any) -> dict[int, int]:
        return {partition: answer.offset for partition, answer in self._ask(topic, partitions, spec).items()}

    def _ask(self, topic: str, partitions: Iterable[int], spec: Any) -> dict[int, Any]:
        asked = {TopicPartition(topic, one): spec for one in partitions}
        answers = self.client.list_offsets(asked, request_timeout=self._within)
        return {place.partition: answer.result() for place, answer in answers.items()}
