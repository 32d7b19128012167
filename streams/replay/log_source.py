"""The events of the log in the order in which they happened."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from schemas.clients.registry import RegistryClient
from schemas.codec.codec import EventDecoder
from schemas.errors import ContractError, UnknownSchema
from schemas.ids import pinned_decoder
from schemas.values import EventValue, Micros
from streams.errors import Inconclusive
from streams.event_log.raw_record import RawRecord
from streams.event_log.schema_lookup import BlockingSchemaLookup
from streams.event_log.validator import EventValidator
from streams.kafka.cluster import Cluster, open_consumer, read_messages
from streams.replay.replay import told_at
from streams.settings.installation import WorkerSettings

_LOG: Final = "deploy_events"


class LoggedEvent(NamedTuple):
    """Where an event stands in the order of what happened, and its message, decoded again when it is its turn."""

    at: Micros
    partition: int
    offset: int
    message: bytes
    imported: bool
    """It came to the log so long after that its verdict was due before."""


class EventTimeLog:
    """The accepted events of `deploy_events`, from its first to its current end. `refused` counts the others."""

    def __init__(self, settings: WorkerSettings, tick: Callable[[int, int], None]) -> None:
        self._settings = settings
        self._tick = tick
        self._decoder: EventDecoder = pinned_decoder("deploy_event")
        url = settings.schema_registry_url
        self._learn = BlockingSchemaLookup(self._decoder, RegistryClient(url) if url else None)
        self._told: list[LoggedEvent] | None = None
        self.refused = 0

    def events(self) -> Iterator[EventValue]:
        """Every event, by the time at which it had happened.

        Raises:
            Undecided: Kafka does not answer, or has no such topic.
        """
        return (self._decoder.decode(told.message) for told in self._all())

    def imported(self) -> Iterator[EventValue]:
        """Those that came to the log long after they had happened, in the same order. Raises as `events`."""
        return (self._decoder.decode(told.message) for told in self._all() if told.imported)

    def _all(self) -> list[LoggedEvent]:
        if self._told is None:
            self._told = sorted(self._read())
        return self._told

    def _read(self) -> Iterator[LoggedEvent]:
        cluster = Cluster(self._settings.client())
        topic = self._settings.topic(_LOG)
        count = cluster.partitions().get(topic, 0)
        if not count:
            raise Inconclusive(f"Kafka has no topic {topic}; is CANDORA_TOPIC_PREFIX that of the workers?")
        begins, ends = cluster.begins(topic, count), cluster.ends(topic, count)
        core = self._settings.core()
        late = core.failure_window + core.lateness
        intake = EventValidator(
            self._decoder, count, self._settings.max_future, trust_create_time=self._settings.trust_create_time
        )
        total, seen = sum(ends.values()) - sum(begins.values()), 0

        def tick(more: int) -> None:
            nonlocal seen
            seen += more
            self._tick(seen, total)

        consumer = open_consumer(self._settings.client())
        try:
            spans = {(topic, one): (begins[one], ends[one]) for one in ends}
            for message in read_messages(consumer, spans, tick):
                kind, stamp = message.timestamp()
                place = (message.partition() or 0, message.offset() or 0)
                # librdkafka counts the kinds of timestamps from 1, Kafka from 0.
                record = RawRecord(topic, *place, stamp, kind - 1, message.key(), message.value())
                event = self._accepted(intake, record)
                if event is not None:
                    at = told_at(event)
                    imported = stamp * 1000 - at > late
                    yield LoggedEvent(at, record.partition, record.offset, record.value or b"", imported)
        finally:
            consumer.close()

    def _accepted(self, intake: EventValidator, record: RawRecord) -> EventValue | None:
        try:
            try:
                return intake.read(record)
            except UnknownSchema as unknown:
                if not self._learn(unknown.schema_id):
                    raise
                return intake.read(record)
        except ContractError:  # a dead letter says why
            self.refused += 1
            return None
