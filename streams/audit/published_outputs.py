"""What stands in the output topics."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from confluent_kafka import Consumer

from schemas.errors import ContractError
from schemas.ids import pinned_decoder
from schemas.partitioner import murmur2_partition
from schemas.topics import topic_name
from schemas.values import DeadLetterValue
from streams.audit.record_types import kinds
from streams.kafka.cluster import Cluster, read_messages

DEAD_TOPIC = "deploy_events_dead"


class PublishedMessage(NamedTuple):
    """The last message of a key."""

    partition: int
    offset: int
    data: bytes


class DeadLetters(NamedTuple):
    """What was refused, as the workers say."""

    records: list[DeadLetterValue]
    unreadable: list[tuple[str, str]]
    """Messages that are no dead letters: where they stand, and what is wrong with them."""
    gone: bool
    """The topic has lost its oldest messages."""


@dataclass(frozen=True)
class PublishedOutputs:
    """Everything that the workers have published."""

    records: tuple[dict[bytes, PublishedMessage], ...]
    """By kind and key."""
    partitions: tuple[int, ...]
    """By kind, how many partitions its topic has."""
    dead: DeadLetters

    @cached_property
    def misplaced(self) -> list[tuple[int, bytes, int]]:
        """Records that stand in a partition where nobody looks for their key: kind, key, and where it belongs."""
        return [
            (kind, key, home)
            for kind, held in enumerate(self.records)
            for key, stored in held.items()
            if (home := murmur2_partition(key, self.partitions[kind])) != stored.partition
        ]


def read_published(
    cluster: Cluster, consumer: Consumer, prefix: str, partitions: dict[str, int], tick: Callable[[], None]
) -> PublishedOutputs:
    """Return the last record of every key, and all dead letters, as far as they have been written by now."""

    def heard(_: int) -> None:
        tick()

    names = {topic_name(kind.topic, prefix): number for number, kind in enumerate(kinds())}
    records: tuple[dict[bytes, PublishedMessage], ...] = tuple({} for _ in names)
    spans = {(name, one): (0, end) for name in names for one, end in cluster.ends(name, partitions[name]).items()}
    begins = {(name, one): at for name in names for one, at in cluster.begins(name, partitions[name]).items()}
    spans = {place: (max(begin, begins[place]), end) for place, (begin, end) in spans.items()}
    for message in read_messages(consumer, spans, heard):
        held = records[names[message.topic() or ""]]
        key, value = message.key() or b"", message.value()
        if value is None:
            held.pop(key, None)
        else:
            held[key] = PublishedMessage(message.partition() or 0, message.offset() or 0, value)
    dead = _read_dead(cluster, consumer, topic_name(DEAD_TOPIC, prefix), partitions, heard)
    return PublishedOutputs(records, tuple(partitions[name] for name in names), dead)


def _read_dead(
    cluster: Cluster, consumer: Consumer, topic: str, partitions: dict[str, int], heard: Callable[[int], None]
) -> DeadLetters:
    decoder: Any = pinned_decoder("dead_letter")
    ends, begins = cluster.ends(topic, partitions[topic]), cluster.begins(topic, partitions[topic])
    spans = {(topic, one): (begins[one], end) for one, end in ends.items()}
    records: list[DeadLetterValue] = []
    unreadable: list[tuple[str, str]] = []
    for message in read_messages(consumer, spans, heard):
        try:
            record: DeadLetterValue = decoder.decode(message.value() or b"")
            if record["partition"] >= 0:  # the sidecar's are of webhooks, which stand in no partition
                records.append(record)
        except ContractError as error:
            unreadable.append((f"{topic}[{message.partition()}]@{message.offset()}", str(error)))
    return DeadLetters(records, unreadable, any(begins.values()))
