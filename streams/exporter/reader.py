"""Read the output topics from the beginning, continuously, and apply every record to the store.

There is no consumer group and nothing is committed: each exporter rebuilds its state from the topics.
"""

import logging
import time
from collections.abc import Callable, Mapping
from itertools import chain
from threading import Event, Thread
from typing import Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from schemas.clients.registry import RegistryError
from schemas.errors import ContractError
from schemas.topics import topic_name
from streams.exporter.decoder import TOPICS, Record, RecordReader
from streams.exporter.restore_progress import PartitionId, RestoreProgress
from streams.exporter.state import RecordOutcome
from streams.exporter.store import ExporterStore
from streams.kafka.admin import reason_of

log = logging.getLogger(__name__)

POLL: Final = 0.2
"""Poll timeout in seconds; bounds how long stopping takes."""
BATCH: Final = 1000
QUERY_TIMEOUT: Final = 3.0
"""Timeout in seconds of a query for offsets or topics."""
RETRY_DELAY: Final = 2.0
CHECK_INTERVAL: Final = 10.0
"""Seconds between two health checks of Kafka while no error is known."""
RECREATE_CLIENT_AFTER: Final = 30.0
"""Seconds without an answer after which the client is replaced. Rarely, a librdkafka client hangs when its broker goes
away (its issue 4131), which cannot be told from a broker that stays away."""
CLOSE_TIMEOUT: Final = 10.0
"""Seconds to wait for a client to close; one that hangs never does."""

_TOPIC_GONE: Final = frozenset(
    (
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's own errors have no other name
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001
        KafkaError.OFFSET_OUT_OF_RANGE,
    )
)


class OutputReadError(Exception):
    """The topics no longer contain what was read (deleted or recreated): only a restart can recover."""


class _UnansweredError(Exception):
    """Kafka, or the client, has not answered for RECREATE_CLIENT_AFTER seconds."""


def consumer_config(servers: str, client: Mapping[str, str]) -> dict[str, object]:
    """Return librdkafka's configuration: the given security settings, and what this reader relies on."""
    return {
        **client,
        "bootstrap.servers": servers,
        "client.id": "candora-serving",
        "group.id": "candora-serving",  # required by the client; the group is never joined
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "allow.auto.create.topics": False,
        "queued.max.messages.kbytes": 16 * 1024,
        # Each failed connection attempt is a log line; the default allows twenty a second.
        "reconnect.backoff.ms": 1000,
    }


class OutputReader:
    """The reading loop. Runs in its own thread until `stop`."""

    def __init__(
        self,
        consumer: Callable[[Callable[[KafkaError], None]], Consumer],
        prefix: str,
        records: RecordReader,
        store: ExporterStore,
    ) -> None:
        self._make_consumer = consumer
        self._topics = {topic_name(base, prefix): base for base in TOPICS}
        self._records = records
        self._store = store
        self._stop = Event()
        self._client_error: str | None = None
        self._check_at = 0.0
        self._complete = False
        self._answered_at = 0.0

    def stop(self) -> None:
        """Make `run` return, within about POLL seconds."""
        self._stop.set()

    def run(self) -> None:
        """Read until stopped.

        Raises:
            OutputReadError: a topic was deleted or recreated.
        """
        progress: RestoreProgress | None = None
        while not self._stop.is_set():
            self._answered_at = time.monotonic()
            consumer = self._make_consumer(self._on_error)
            try:
                progress = self._resume(consumer, progress) if progress else self._start(consumer)
                if progress is not None:
                    self._read(consumer, progress)
            except _UnansweredError:
                log.warning("no answer for %g s: replacing the Kafka client", RECREATE_CLIENT_AFTER)
            finally:
                _close(consumer)

    def _on_error(self, error: KafkaError) -> None:
        """Keep a client-wide error. Librdkafka retries by itself; the next health check decides whether it matters."""
        self._client_error = error.str()
        self._check_at = 0.0

    # --- start --------------------------------------------------------------------------------------------------------

    def _start(self, consumer: Consumer) -> RestoreProgress | None:
        """Start from the beginning. Return None if stopped before the offsets were known."""
        ends = self._find_ends(consumer)
        if ends is None:
            return None
        consumer.assign([TopicPartition(*each, OFFSET_BEGINNING) for each in ends])
        return RestoreProgress(ends)

    def _resume(self, consumer: Consumer, progress: RestoreProgress) -> RestoreProgress:
        """Continue at the positions that another client has reached."""
        consumer.assign([TopicPartition(*each, offset) for each, offset in progress.positions.items()])
        return progress

    def _find_ends(self, consumer: Consumer) -> dict[PartitionId, tuple[int, int]] | None:
        """Query the watermarks of every partition until Kafka answers. Return None if stopped before."""
        while not self._stop.is_set():
            try:
                return {each: _watermarks(consumer, each) for each in self._partitions(consumer)}
            except KafkaException as error:
                self._report_unanswered(error)
            except LookupError as error:
                self._answered_at = time.monotonic()
                self._fail(str(error))
            consumer.poll(0)  # serves _on_error
            self._stop.wait(RETRY_DELAY)
        return None

    def _partitions(self, consumer: Consumer) -> list[PartitionId]:
        """Return the partitions of the topics; raise LookupError if a topic does not exist."""
        partitions = []
        for topic in self._topics:
            metadata = consumer.list_topics(topic, timeout=QUERY_TIMEOUT).topics[topic]
            if metadata.error is not None and metadata.error.code() not in _TOPIC_GONE:
                raise KafkaException(metadata.error)
            if metadata.error is not None:
                raise LookupError(f"topic {topic} does not exist; create it with `candora topics create`")
            partitions += [PartitionId(topic, partition) for partition in sorted(metadata.partitions)]
        return partitions

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self, consumer: Consumer, progress: RestoreProgress) -> None:
        started = time.monotonic()
        self._note_answer()
        self._check_at = time.monotonic() + CHECK_INTERVAL
        while not self._stop.is_set():
            first = consumer.poll(POLL)
            for message in chain((first,), consumer.consume(BATCH, 0)) if first is not None else ():
                self._handle(message, progress)
            if progress.complete and not self._complete:
                self._complete = True
                self._store.mark_complete()
                log.info("complete after %.1f s", time.monotonic() - started)
            if time.monotonic() >= self._check_at:
                self._check(consumer, progress)

    def _handle(self, message: Message, progress: RestoreProgress) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - it has no other name
            if error.code() in _TOPIC_GONE or error.fatal():
                raise OutputReadError(f"{topic}[{partition}] cannot be read on: {error.str()}")
            self._on_error(error)
            return
        if topic is None or partition is None or offset is None:
            raise OutputReadError(f"a message without topic, partition or offset: {message!r}")
        if error is None:
            self._apply(message, self._topics[topic], f"{topic}[{partition}]@{offset}")
            offset += 1
        else:
            self._store.note_kafka_answer()
        progress.advance(PartitionId(topic, partition), offset)

    def _apply(self, message: Message, topic: str, position: str) -> None:
        self._store.count_record(topic)
        try:
            record = self._decode(message, topic)
        except ContractError as error:
            self._store.count_bad(topic, error.reason)
            log.warning("refused %s: %s: %s", position, error.reason, error)
            return
        if record is None:
            return
        outcome = self._store.apply(record)
        if outcome is RecordOutcome.STALE:
            log.info("ignored %s: a later snapshot is known", position)
        elif outcome is not RecordOutcome.APPLIED:
            log.warning("refused %s: %s: %s", position, outcome.value, _ADVICE[outcome])

    def _decode(self, message: Message, topic: str) -> Record | None:
        """Decode a message, retrying until the schema registry answers. Return None if stopped before."""
        while not self._stop.is_set():
            try:
                return self._records.read(topic, message.key(), message.value())
            except RegistryError as error:
                self._fail(f"the schema registry does not answer: {error}")
                self._stop.wait(RETRY_DELAY)
        return None

    # --- health checks ------------------------------------------------------------------------------------------------

    def _check(self, consumer: Consumer, progress: RestoreProgress) -> None:
        """Query the end offsets: does Kafka answer, and are these still the topics that were read?"""
        try:
            partitions = self._partitions(consumer)
            ends = {each: _watermarks(consumer, each)[1] for each in partitions}
        except KafkaException as error:
            self._report_unanswered(error, "; the numbers may be old")
            self._check_at = time.monotonic() + RETRY_DELAY
            return
        except LookupError as error:
            raise OutputReadError(str(error)) from error
        self._check_at = time.monotonic() + CHECK_INTERVAL
        for each, end in ends.items():
            position = progress.position(each)
            if position is None:
                self._fail(
                    f"{each.topic} has a new partition, {each.partition}, which is not being read: restart this process"
                )
                return
            if end < position:
                raise OutputReadError(f"{each.topic}[{each.partition}] ends at {end}, but was read up to {position}")
        self._note_answer()

    def _note_answer(self) -> None:
        self._client_error = None
        self._answered_at = time.monotonic()
        self._store.note_kafka_answer()

    def _report_unanswered(self, error: KafkaException, consequence: str = "") -> None:
        """Report that Kafka does not answer. Raise _UnansweredError if that has lasted too long for one client."""
        self._fail(f"Kafka does not answer: {self._client_error or reason_of(error)}{consequence}")
        if time.monotonic() - self._answered_at >= RECREATE_CLIENT_AFTER:
            raise _UnansweredError

    def _fail(self, problem: str) -> None:
        log.warning("%s", problem)
        self._store.set_problem(problem)


_ADVICE: Final = {
    RecordOutcome.OTHER_PARTITION: "another partition of deploy_events claims this service and environment; "
    "one of its producers does not partition by murmur2 of the service",
    RecordOutcome.COUNTER_FELL: "a counter fell, as if the worker had lost its state; "
    "the counters keep their values until they are exceeded",
}


def _close(consumer: Consumer) -> None:
    """Close a client. One that hangs is abandoned."""
    closing = Thread(target=consumer.close, name="closing", daemon=True)
    closing.start()
    closing.join(CLOSE_TIMEOUT)


def _watermarks(consumer: Consumer, each: PartitionId) -> tuple[int, int]:
    """Return the low and high watermarks of a partition."""
    watermarks = consumer.get_watermark_offsets(TopicPartition(*each), timeout=QUERY_TIMEOUT, cached=False)
    if watermarks is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - it has no other name
    low, high = watermarks
    return low, high
