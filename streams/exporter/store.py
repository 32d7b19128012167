"""State shared by the reading thread and the HTTP server: metrics, queued samples and the exporter's health.

One lock, held for a few dictionary operations at a time. Rendering happens outside it, on immutable values.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from threading import Lock
from types import MappingProxyType
from typing import Final

from schemas.values import Micros
from streams.exporter.collector import ExporterHealth, ScrapeAnswer
from streams.exporter.decoder import BAD_REASONS, METRICS_TOPIC, TOPICS, IncidentMessage, MetricsMessage, Record
from streams.exporter.incident_samples import SampleQueue
from streams.exporter.lag import UNKNOWN, PipelineLag
from streams.exporter.state import MetricsState, RecordOutcome

SCRAPERS: Final = 64
"""How many scrapers are tracked; the least recently seen one is evicted first."""
_READING: Final = "still reading what was published before the start"


class ExporterStore:
    """Thread-safe store. `clock` returns the time in microseconds since the epoch.

    `await_lag`: serve nothing before the state of the pipeline is known, too. A counter that appears later than the
    others would look like a reset.
    """

    def __init__(self, queue: SampleQueue, clock: Callable[[], Micros], *, await_lag: bool = False) -> None:
        self._clock = clock
        self._lock = Lock()
        self._state = MetricsState()
        self._queue = queue
        self._complete = False
        self._problem: str | None = None
        self._acked: OrderedDict[str, int] = OrderedDict()
        self._last_acked = 0
        self._records = dict.fromkeys(TOPICS, 0)
        self._stale = {METRICS_TOPIC: 0}
        self._bad = dict.fromkeys(product(TOPICS, BAD_REASONS), 0)
        self._last_read: Micros | None = None
        self._pipeline = UNKNOWN
        self._lag_known = not await_lag

    # --- writing (reading thread) -------------------------------------------------------------------------------------

    def apply(self, record: Record) -> RecordOutcome:
        """Apply a record."""
        with self._lock:
            if isinstance(record, IncidentMessage):
                if record.value is not None:
                    self._queue.offer(record.key, record.value, self._clock(), restoring=not self._complete)
                return RecordOutcome.APPLIED
            return self._apply_metrics(record)

    def _apply_metrics(self, record: MetricsMessage) -> RecordOutcome:
        if record.value is None:
            self._state.forget(record.pair)
            return RecordOutcome.APPLIED
        outcome = self._state.apply(record.value)
        if outcome is RecordOutcome.STALE:
            self._stale[METRICS_TOPIC] += 1
        elif outcome is not RecordOutcome.APPLIED:
            self._bad[METRICS_TOPIC, outcome.value] += 1
        return outcome

    def count_record(self, topic: str) -> None:
        """Count a message that was read."""
        with self._lock:
            self._records[topic] += 1
            self._last_read = self._clock()

    def count_bad(self, topic: str, reason: str) -> None:
        """Count a message that was refused."""
        with self._lock:
            self._bad[topic, reason] += 1

    def note_kafka_answer(self) -> None:
        """Record that Kafka answers; this clears any problem."""
        with self._lock:
            self._last_read = self._clock()
            self._problem = None

    def set_problem(self, problem: str) -> None:
        """Set the problem with Kafka, as one line of text for people."""
        with self._lock:
            self._problem = problem

    def set_pipeline(self, pipeline: PipelineLag) -> None:
        """Set the state of the pipeline. An unknown counter keeps its last known value."""
        with self._lock:
            dead = self._pipeline.dead_letters if pipeline.dead_letters is None else pipeline.dead_letters
            self._pipeline = replace(pipeline, dead_letters=dead)
            self._lag_known = True

    def mark_complete(self) -> None:
        """Mark the restore as complete: everything published before the start has been read."""
        with self._lock:
            self._state.mark_restored()
            self._complete = True

    # --- reading (HTTP server) ----------------------------------------------------------------------------------------

    def not_complete(self) -> str | None:
        """Return why there is nothing to serve yet; None once there is, which is final."""
        with self._lock:
            return None if self._complete and self._lag_known else self._problem or _READING

    def why_not_ready(self) -> str | None:
        """Return why values may be missing or stale; None if ready."""
        with self._lock:
            return self._problem or (None if self._complete and self._lag_known else _READING)

    def scrape(self, scraper: str) -> ScrapeAnswer:
        """Return what to expose to this scraper now.

        A scraper seen for the first time counts as having received what others have, as after a restart.
        """
        with self._lock:
            now = self._clock()
            samples = self._queue.current(now)
            health = ExporterHealth(
                ready=self._problem is None,
                records=MappingProxyType(self._records.copy()),
                bad=MappingProxyType(self._bad.copy()),
                stale=MappingProxyType(self._stale.copy()),
                last_read=self._last_read,
                pipeline=self._pipeline,
            )
            return ScrapeAnswer(
                snapshot=self._state.freeze(),
                acked=self._acked.get(scraper, self._last_acked),
                samples=MappingProxyType(samples),
                waiting=len(self._queue),
                health=health,
            )

    def acknowledge(self, scraper: str, scrape: ScrapeAnswer) -> None:
        """Record that a scraper has received this response."""
        with self._lock:
            sequence = scrape.snapshot.sequence
            self._acked[scraper] = max(sequence, self._acked.get(scraper, 0))
            self._acked.move_to_end(scraper)
            if len(self._acked) > SCRAPERS:
                self._acked.popitem(last=False)
            self._last_acked = max(sequence, self._last_acked)
            self._queue.acknowledge(scraper, dict(scrape.samples), self._clock())
