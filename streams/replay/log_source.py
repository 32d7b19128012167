"""The events of the log in the order in which they happened."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from schemas.errors import ContractError
from schemas.values import EventValue, Micros
from streams.errors import Inconclusive
from streams.event_log.event_reader import EventReader
from streams.event_log.raw_record import RawRecord, record_of
from streams.kafka.cluster import Cluster, open_consumer, read_messages
from streams.replay.loop import event_time
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
    """The accepted events of `deploy_events`, from its first to its current end. `refused` counts the others.

    Messages are kept encoded: a decoded event takes ten times the memory.
    """

    def __init__(self, settings: WorkerSettings, tick: Callable[[int, int], None]) -> None:
        self._settings = settings
        self._tick = tick
        self._logged: tuple[EventReader, list[LoggedEvent]] | None = None
        self.refused = 0

    def events(self) -> Iterator[EventValue]:
        """Return every event, by the time at which it had happened.

        Raises:
            Inconclusive: Kafka or the schema registry does not answer, or there is no such topic.
        """
        reader, logged = self._all()
        return (reader.decode(one.message) for one in logged)

    def imported(self) -> Iterator[EventValue]:
        """Return those that came to the log long after they had happened, in the same order. Raises as `events`."""
        reader, logged = self._all()
        return (reader.decode(one.message) for one in logged if one.imported)

    def _all(self) -> tuple[EventReader, list[LoggedEvent]]:
        if self._logged is None:
            self._logged = self._read()
        return self._logged

    def _read(self) -> tuple[EventReader, list[LoggedEvent]]:
        settings = self._settings
        cluster = Cluster(settings.client())
        topic = settings.topic(_LOG)
        count = cluster.partitions().get(topic, 0)
        if not count:
            raise Inconclusive(f"Kafka has no topic {topic}; is CANDORA_TOPIC_PREFIX that of the workers?")
        begins, ends = cluster.begins(topic, count), cluster.ends(topic, count)
        reader = EventReader.open(
            count, settings.max_future, settings.schema_registry_url, trust_create_time=settings.trust_create_time
        )
        total, seen = sum(ends.values()) - sum(begins.values()), 0

        def tick(more: int) -> None:
            nonlocal seen
            seen += more
            self._tick(seen, total)

        consumer = open_consumer(settings.client())
        try:
            spans = {(topic, one): (begins[one], ends[one]) for one in ends}
            records = (record_of(topic, message) for message in read_messages(consumer, spans, tick))
            return reader, sorted(self._accepted(reader, records))
        finally:
            consumer.close()

    def _accepted(self, reader: EventReader, records: Iterator[RawRecord]) -> Iterator[LoggedEvent]:
        late = self._settings.failure_window + self._settings.lateness
        for record in records:
            try:
                event = reader.read(record)
            except ContractError:  # a dead letter says why
                self.refused += 1
                continue
            if event is not None:
                at = event_time(event)
                imported = record.timestamp * 1000 - at > late
                yield LoggedEvent(at, record.partition, record.offset, record.value or b"", imported)
