"""Reads the output topics from their beginning, for ever, and puts every record on the board.

No consumer group: every serving process reads everything. Nothing is committed: what it knows is in the topics.
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
"""Seconds that an idle reader waits; bounds how long stopping takes."""
BATCH: Final = 1000
ANSWER_WITHIN: Final = 3.0
"""Seconds that Kafka has for a question about offsets or topics."""
RETRY: Final = 2.0
CHECK_EVERY: Final = 10.0
"""Seconds between two looks at whether Kafka answers, when all seems well."""
EXCHANGE_AFTER: Final = 30.0
"""Seconds without an answer after which a new client asks. One of librdkafka whose broker goes away may, rarely, hang
(its issue 4131), which looks the same from here as a broker that stays away."""
CLOSE_WITHIN: Final = 10.0
"""Seconds that a client has to end; one that hangs does not."""

_TOPIC_IS_GONE: Final = frozenset(
    (
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's own errors have no other name
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001
        KafkaError.OFFSET_OUT_OF_RANGE,
    )
)


class OutputReadError(Exception):
    """What was read is not what is in the topics any more: only a new start can read it again."""


class _NoAnswer(Exception):
    """Kafka, or the client that asks it, has not answered for EXCHANGE_AFTER."""


def consumer_config(servers: str, client: Mapping[str, str]) -> dict[str, object]:
    """Librdkafka's settings: the given security settings, and what this reader relies on."""
    return {
        **client,
        "bootstrap.servers": servers,
        "client.id": "candora-serving",
        "group.id": "candora-serving",  # the client asks for one; it is not joined
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "allow.auto.create.topics": False,
        "queued.max.messages.kbytes": 16 * 1024,
        # Each try to reach a broker that is away is a line in the log; by default there are twenty a second.
        "reconnect.backoff.ms": 1000,
    }


class OutputReader:
    """Runs in a thread of its own until `stop`."""

    def __init__(
        self,
        consumer: Callable[[Callable[[KafkaError], None]], Consumer],
        prefix: str,
        records: RecordReader,
        board: ExporterStore,
    ) -> None:
        self._make_consumer = consumer
        self._topics = {topic_name(base, prefix): base for base in TOPICS}
        self._records = records
        self._board = board
        self._stop = Event()
        self._trouble: str | None = None
        self._check_at = 0.0
        self._complete = False
        self._answered_at = 0.0

    def stop(self) -> None:
        """Ask `run` to return; it does within a moment."""
        self._stop.set()

    def run(self) -> None:
        """Read until stopped.

        Raises:
            ReadingFailed: a topic was deleted, or made anew.
        """
        progress: RestoreProgress | None = None
        while not self._stop.is_set():
            self._answered_at = time.monotonic()
            consumer = self._make_consumer(self._on_error)
            try:
                progress = self._resume(consumer, progress) if progress else self._begin(consumer)
                if progress is not None:
                    self._read(consumer, progress)
            except _NoAnswer:
                log.warning("no answer for %g s: asking with a new client", EXCHANGE_AFTER)
            finally:
                _close(consumer)

    def _on_error(self, error: KafkaError) -> None:
        """Librdkafka's word about the whole client: it retries by itself; the next look decides whether it matters."""
        self._trouble = error.str()
        self._check_at = 0.0

    # --- the start ----------------------------------------------------------------------------------------------------

    def _begin(self, consumer: Consumer) -> RestoreProgress | None:
        """Read from the beginning. None: stopped before Kafka said where that is."""
        ends = self._find_ends(consumer)
        if ends is None:
            return None
        consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in ends])
        return RestoreProgress(ends)

    def _resume(self, consumer: Consumer, progress: RestoreProgress) -> RestoreProgress:
        """Read on where another client came to."""
        consumer.assign([TopicPartition(*place, offset) for place, offset in progress.positions.items()])
        return progress

    def _find_ends(self, consumer: Consumer) -> dict[PartitionId, tuple[int, int]] | None:
        """Where every partition begins and ends now; asks until Kafka says. None: stopped before that."""
        while not self._stop.is_set():
            try:
                return {place: _watermarks(consumer, place) for place in self._places(consumer)}
            except KafkaException as error:
                self._no_answer(error)
            except LookupError as error:
                self._answered_at = time.monotonic()
                self._fail(str(error))
            consumer.poll(0)  # serves _on_error
            self._stop.wait(RETRY)
        return None

    def _places(self, consumer: Consumer) -> list[PartitionId]:
        """The partitions of the topics; LookupError if a topic does not exist."""
        places = []
        for topic in self._topics:
            found = consumer.list_topics(topic, timeout=ANSWER_WITHIN).topics[topic]
            if found.error is not None and found.error.code() not in _TOPIC_IS_GONE:
                raise KafkaException(found.error)
            if found.error is not None:
                raise LookupError(f"topic {topic} does not exist; make it with `candora topics create`")
            places += [PartitionId(topic, partition) for partition in sorted(found.partitions)]
        return places

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self, consumer: Consumer, progress: RestoreProgress) -> None:
        began = time.monotonic()
        self._answered()
        self._check_at = time.monotonic() + CHECK_EVERY
        while not self._stop.is_set():
            first = consumer.poll(POLL)
            for message in chain((first,), consumer.consume(BATCH, 0)) if first is not None else ():
                self._handle(message, progress)
            if progress.complete and not self._complete:
                self._complete = True
                self._board.completed()
                log.info("complete after %.1f s", time.monotonic() - began)
            if time.monotonic() >= self._check_at:
                self._check(consumer, progress)

    def _handle(self, message: Message, progress: RestoreProgress) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - it has no other name
            if error.code() in _TOPIC_IS_GONE or error.fatal():
                raise OutputReadError(f"{topic}[{partition}] cannot be read on: {error.str()}")
            self._on_error(error)
            return
        if topic is None or partition is None or offset is None:
            raise OutputReadError(f"a message without its place: {message!r}")
        if error is None:
            self._take(message, self._topics[topic], f"{topic}[{partition}]@{offset}")
            offset += 1
        else:
            self._board.answered_by_kafka()
        progress.reached(PartitionId(topic, partition), offset)

    def _take(self, message: Message, topic: str, where: str) -> None:
        self._board.count_record(topic)
        try:
            record = self._decode(message, topic)
        except ContractError as error:
            self._board.count_bad(topic, error.reason)
            log.warning("refused %s: %s: %s", where, error.reason, error)
            return
        if record is None:
            return
        outcome = self._board.take(record)
        if outcome is RecordOutcome.STALE:
            log.info("passed over %s: a later snapshot is held", where)
        elif outcome is not RecordOutcome.TAKEN:
            log.warning("refused %s: %s: %s", where, outcome.value, _ADVICE[outcome])

    def _decode(self, message: Message, topic: str) -> Record | None:
        """The record; asks until the schema registry answers. None: stopped before that."""
        while not self._stop.is_set():
            try:
                return self._records.read(topic, message.key(), message.value())
            except RegistryError as error:
                self._fail(f"the schema registry does not answer: {error}")
                self._stop.wait(RETRY)
        return None

    # --- whether all is well ------------------------------------------------------------------------------------------

    def _check(self, consumer: Consumer, progress: RestoreProgress) -> None:
        """Ask Kafka where every partition ends: whether it answers, and whether these are the topics that were read."""
        try:
            places = self._places(consumer)
            ends = {place: _watermarks(consumer, place)[1] for place in places}
        except KafkaException as error:
            self._no_answer(error, "; the numbers may be old")
            self._check_at = time.monotonic() + RETRY
            return
        except LookupError as error:
            raise OutputReadError(str(error)) from error
        self._check_at = time.monotonic() + CHECK_EVERY
        for place, end in ends.items():
            position = progress.position(place)
            if position is None:
                self._fail(f"{place.topic} has got partition {place.partition}, which is not read: start again")
                return
            if end < position:
                raise OutputReadError(f"{place.topic}[{place.partition}] ends at {end}, and was read to {position}")
        self._answered()

    def _answered(self) -> None:
        self._trouble = None
        self._answered_at = time.monotonic()
        self._board.answered_by_kafka()

    def _no_answer(self, error: KafkaException, so: str = "") -> None:
        """Say so. Raises _NoAnswer if that has lasted too long for one client."""
        self._fail(f"Kafka does not answer: {self._trouble or reason_of(error)}{so}")
        if time.monotonic() - self._answered_at >= EXCHANGE_AFTER:
            raise _NoAnswer

    def _fail(self, problem: str) -> None:
        log.warning("%s", problem)
        self._board.failed(problem)


_ADVICE: Final = {
    RecordOutcome.OTHER_PARTITION: "another partition of deploy_events claims this service and environment; "
    "one of its producers does not partition by murmur2 of the service",
    RecordOutcome.COUNTER_FELL: "a counter fell, as if the worker had lost its state; "
    "they stay as they were until passed",
}


def _close(consumer: Consumer) -> None:
    """End a client. One that hangs is left behind."""
    closing = Thread(target=consumer.close, name="closing", daemon=True)
    closing.start()
    closing.join(CLOSE_WITHIN)


def _watermarks(consumer: Consumer, place: PartitionId) -> tuple[int, int]:
    """The first and the next offset of a partition."""
    marks = consumer.get_watermark_offsets(TopicPartition(*place), timeout=ANSWER_WITHIN, cached=False)
    if marks is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - it has no other name
    low, high = marks
    return low, high
