"""What is compared: the records of the four compacted topics, each at one version."""

from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from schemas.codec.codec import Decoder, Encoder
from schemas.ids import pinned_decoder, pinned_encoder
from schemas.keys import record_key
from schemas.topics import load_topics
from streams.core.partition_state import PartitionChanges

Place = tuple[int, int]
"""Partition and offset of a message of deploy_events."""


class RecordType(NamedTuple):
    """A compacted topic, without the prefix of an installation, and what its keys are made of."""

    topic: str
    record: str
    parts: tuple[str, ...]


Recomputed = tuple[int, bytes, int, bytes]
"""A record that the log makes: number of the kind, key, offset of the message that last changed it, and its bytes.

The bytes are those in which a worker publishes it. A plain tuple: hundreds of thousands go from process to process.
"""


_TOPICS: Final = ("deployments", "incidents", "changes", "delivery_metrics")


@cache
def kinds() -> tuple[RecordType, ...]:
    """Return all kinds; a record's number is its place here."""
    topics = {topic.name: topic for topic in load_topics()}
    return tuple(RecordType(name, topics[name].record, tuple(topics[name].key.split("/"))) for name in _TOPICS)


def records_of(changes: PartitionChanges) -> tuple[list[Any], ...]:
    """Return the records that a partition state gave, in the order of `kinds`."""
    return changes.deployments, changes.incidents, changes.changes, changes.metrics


@cache
def decoders() -> tuple[Decoder[Any], ...]:
    """Return what reads the records of each kind."""
    return tuple(pinned_decoder(kind.record) for kind in kinds())


class RecordEncoder:
    """Writes recomputed records as the workers write them."""

    def __init__(self) -> None:
        self._steps: list[tuple[Callable[[Any], Any], Encoder[Any]]] = [
            (itemgetter(*kind.parts), pinned_encoder(kind.record)) for kind in kinds()
        ]

    def write(self, changes: PartitionChanges) -> list[Recomputed]:
        """Return every record that a partition state gave."""
        written: list[Recomputed] = []
        for kind, values in enumerate(records_of(changes)):
            parts, encoder = self._steps[kind]
            # Where retention ran in between, a record comes twice: the later one holds.
            for names, value in {parts(value): value for value in values}.items():
                written.append((kind, record_key(*names), value["as_of"]["offset"], encoder.encode(value)))
        return written
