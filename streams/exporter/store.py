"""What the reading thread writes and the HTTP server reads: the state, the queue of samples, and how the process is.

One lock, held for a dictionary's worth of work at a time. Rendering happens outside it, on immutable values.
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
"""How many scrapers are told apart; the one not seen for longest is forgotten first."""
_READING: Final = "still reading what was published before the start"


class ExporterStore:
    """The one place that two threads share. `clock` gives the time of day in microseconds.

    `watched`: nothing is served before the pipeline was looked at, too. A counter that comes later than the others
    seems to have been reset.
    """

    def __init__(self, queue: SampleQueue, clock: Callable[[], Micros], *, watched: bool = False) -> None:
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
        self._looked = not watched

    # --- for the reading thread ---------------------------------------------------------------------------------------

    def take(self, record: Record) -> RecordOutcome:
        """Take a record that was read."""
        with self._lock:
            if isinstance(record, IncidentMessage):
                if record.value is not None:
                    self._queue.offer(record.key, record.value, self._clock(), restoring=not self._complete)
                return RecordOutcome.TAKEN
            return self._take_metrics(record)

    def _take_metrics(self, record: MetricsMessage) -> RecordOutcome:
        if record.value is None:
            self._state.forget(record.pair)
            return RecordOutcome.TAKEN
        outcome = self._state.fold(record.value)
        if outcome is RecordOutcome.STALE:
            self._stale[METRICS_TOPIC] += 1
        elif outcome is not RecordOutcome.TAKEN:
            self._bad[METRICS_TOPIC, outcome.value] += 1
        return outcome

    def count_record(self, topic: str) -> None:
        """Note that a message was read."""
        with self._lock:
            self._records[topic] += 1
            self._last_read = self._clock()

    def count_bad(self, topic: str, reason: str) -> None:
        """Note that a message was refused."""
        with self._lock:
            self._bad[topic, reason] += 1

    def answered_by_kafka(self) -> None:
        """Note that Kafka answers: what was wrong before is over."""
        with self._lock:
            self._last_read = self._clock()
            self._problem = None

    def failed(self, problem: str) -> None:
        """Note what is wrong with Kafka, in a line for people."""
        with self._lock:
            self._problem = problem

    def piped(self, pipeline: PipelineLag) -> None:
        """Note how the pipeline before this process is. Of what only rises, the last that Kafka said stays."""
        with self._lock:
            dead = self._pipeline.dead_letters if pipeline.dead_letters is None else pipeline.dead_letters
            self._pipeline = replace(pipeline, dead_letters=dead)
            self._looked = True

    def completed(self) -> None:
        """Everything that stood in the topics at the start is read."""
        with self._lock:
            self._state.restored()
            self._complete = True

    # --- for the HTTP server ------------------------------------------------------------------------------------------

    def not_complete(self) -> str | None:
        """Why there is nothing to serve yet; None once there is, for good."""
        with self._lock:
            return None if self._complete and self._looked else self._problem or _READING

    def not_ready(self) -> str | None:
        """Why the numbers may be missing or old; None if all is well."""
        with self._lock:
            return self._problem or (None if self._complete and self._looked else _READING)

    def scrape(self, scraper: str) -> ScrapeAnswer:
        """What to answer this scraper now.

        A scraper seen for the first time gets what was answered before, as after a restart.
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

    def answered(self, scraper: str, scrape: ScrapeAnswer) -> None:
        """Note that a scraper has received this answer."""
        with self._lock:
            born = scrape.snapshot.born
            self._acked[scraper] = max(born, self._acked.get(scraper, 0))
            self._acked.move_to_end(scraper)
            if len(self._acked) > SCRAPERS:
                self._acked.popitem(last=False)
            self._last_acked = max(born, self._last_acked)
            self._queue.answered(scraper, dict(scrape.samples), self._clock())
