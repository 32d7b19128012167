"""The log read once more: what the workers should have published, refused and linked. Knows no Kafka."""

from collections.abc import Callable, Collection, Iterable
from typing import Final, NamedTuple

from schemas.errors import ContractError, UnknownSchema
from schemas.values import DeadLetterValue, EventValue
from streams.audit.record_types import Place, Recomputed, RecordEncoder
from streams.core.partition_state import PartitionChanges, PartitionState
from streams.core.settings import MetricSettings
from streams.event_log.dead_letters import dead_letter, refused
from streams.event_log.event_reader import EventReader
from streams.event_log.raw_record import RawRecord

Headers = Callable[[], list[tuple[str, bytes | None]]]


class ReplayedLink(NamedTuple):
    """A cause_linked: in the log at this place, or to be sent on account of the message there."""

    place: Place
    event: EventValue


class ReplayOutput(NamedTuple):
    """What was found since the last one."""

    records: list[Recomputed]
    refused: list[DeadLetterValue]
    due: list[ReplayedLink]
    """Links that must be in the log, each with the message that caused it."""
    linked: list[ReplayedLink]
    """Links that are in the log."""


class LogReplay:
    """The partition states of some partitions, read as the workers read them.

    This is not the loop of `streams.replay.loop`, which goes by event time: a worker reads by offset and takes its
    clock from the broker, and an audit must reach the same records by the same way. The messages at `unknown` are
    refused for their schema, because the workers did not know it when they read them.
    """

    def __init__(
        self,
        partitions: Iterable[int],
        settings: MetricSettings,
        events: EventReader,
        *,
        unknown: Collection[Place] = (),
    ) -> None:
        self.partition_states: Final = {partition: PartitionState(partition, settings) for partition in partitions}
        self._events = events
        self._unknown = frozenset(unknown)
        self._writing = RecordEncoder()
        self._refused: list[DeadLetterValue] = []
        self._linked: list[ReplayedLink] = []

    def read(self, record: RawRecord, headers: Headers) -> None:
        """Read one message. Messages of a partition come in order.

        Raises:
            WrongTimestampsError: the topic does not say when the broker received it.
        """
        append_time = self._events.append_time(record)
        event: EventValue | None = None
        try:
            if self._unknown and (record.partition, record.offset) in self._unknown:
                raise UnknownSchema(schema_id_of(record.value))
            event = self._events.read(record)
        except ContractError as error:
            self._refused.append(dead_letter(record._replace(headers=headers()), error))
            self._note_refused_link(record)
        else:
            if event is not None and event["event_type"] == "cause_linked":
                self._linked.append(ReplayedLink((record.partition, record.offset), event))
        refusal = self.partition_states[record.partition].read(event, append_time, record.offset)
        if refusal is not None:
            self._refused.append(dead_letter(record._replace(headers=headers()), refused(refusal)))

    def _note_refused_link(self, record: RawRecord) -> None:
        """Note a link that was refused: it was sent nevertheless, and the service that it names may be no service."""
        try:
            event = self._events.decode(record.value or b"")
        except ContractError:
            return
        if event["event_type"] == "cause_linked":
            self._linked.append(ReplayedLink((record.partition, record.offset), event))

    def take(self) -> ReplayOutput:
        """Everything that was found since it was last taken, each record as of the message that last changed it."""
        records: list[Recomputed] = []
        due: list[ReplayedLink] = []
        for partition_state in self.partition_states.values():
            changes = partition_state.collect()
            records += self._writing.write(changes)
            due += _due(partition_state.partition, changes)
        reading = ReplayOutput(records, self._refused, due, self._linked)
        self._refused, self._linked = [], []
        return reading


def schema_id_of(value: bytes | None) -> int:
    """Return the schema id that a message names; -1 if it names none."""
    return int.from_bytes(value[1:5]) if value is not None and len(value) >= 5 and not value[0] else -1  # noqa: PLR2004


def _due(partition: int, changes: PartitionChanges) -> list[ReplayedLink]:
    return [ReplayedLink((partition, int(link["attributes"]["version"])), link) for link in changes.links]
