"""`incident_resolution_seconds`: one timestamped sample per incident, exposed one at a time per series.

`avg_over_time` is the exact mean over incidents only if each incident is one sample with its own timestamp. Prometheus
keeps the first sample of a timestamp and ignores repetitions, so a sample may be exposed repeatedly until it is
certain to be scraped. Two samples of one series in one response are not guaranteed to work. Hence a queue per series,
ordered by time.
"""

from heapq import heappop, heappush
from typing import Final, NamedTuple

from schemas.values import MINUTE, SECOND, IncidentRecordValue, Micros
from streams.exporter.metrics import UNKNOWN_SEVERITY

REQUIRED_DELIVERIES: Final = 2
"""How many times one scraper must have received a sample before the next one replaces it."""
LAST_SAMPLE_SHOWN_FOR: Final[Micros] = 15 * MINUTE
"""How long a sample without a successor stays exposed. Prometheus would log warnings about an old one forever."""
UNLIMITED_AGE: Final[Micros] = 1 << 62
"""A maximum age that excludes nothing."""
_MILLISECOND: Final[Micros] = SECOND // 1000
_COUNTED_LANES: Final = frozenset(("normal", "hotfix"))


class SampleLabels(NamedTuple):
    """Labels of one series."""

    service: str
    env: str
    severity: str


class StampedSample(NamedTuple):
    """Time to restore of one incident in seconds; `at` is the end of its last open period, in milliseconds."""

    at: int
    incident: str
    seconds: float


class _Exposure:
    """The sample a series exposes now, with the number of deliveries per scraper."""

    __slots__ = ("deliveries", "sample", "since")

    def __init__(self, sample: StampedSample) -> None:
        self.sample = sample
        self.since: Micros | None = None
        self.deliveries: dict[str, int] = {}

    def acknowledge(self, scraper: str, now: Micros) -> None:
        self.since = now if self.since is None else self.since
        self.deliveries[scraper] = self.deliveries.get(scraper, 0) + 1

    def exposed_for(self, now: Micros) -> Micros:
        return 0 if self.since is None else now - self.since

    def finished(self, min_exposure: Micros, now: Micros) -> bool:
        return max(self.deliveries.values(), default=0) >= REQUIRED_DELIVERIES and self.exposed_for(now) >= min_exposure


class SampleQueue:
    """Queued samples per series. Not thread-safe: the owner holds a lock.

    `max_age` is how far back Prometheus accepts samples (its `out_of_order_time_window`): older incidents are skipped.
    `min_exposure` is how long each sample stays exposed at least: two scrape intervals, so that a second scraper sees
    it, too.
    """

    def __init__(self, max_age: Micros, min_exposure: Micros) -> None:
        self._max_age = max_age
        self._min_exposure = min_exposure
        self._waiting: dict[SampleLabels, list[StampedSample]] = {}
        self._exposed: dict[SampleLabels, _Exposure] = {}
        self._seen: dict[str, tuple[SampleLabels, int]] = {}
        self._used_timestamps: set[tuple[SampleLabels, int]] = set()
        self._prune_at = 1024

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def offer(self, key: str, record: IncidentRecordValue, now: Micros, *, restoring: bool = False) -> bool:
        """Queue the incident of a record key if its time to restore was observed; return whether it was queued.

        Each incident is queued once. Prometheus cannot unstore a sample, so a later revision changes the exact gauges
        and `delivery_restore_revisions_total` but not this series. For the same reason, an incident that is already
        revised while `restoring` is skipped: an earlier process has exposed the first observation.
        """
        ended_at, time_to_restore, env = record["ended_at"], record["time_to_restore"], record["env"]
        if not record["observed"] or record["lane"] not in _COUNTED_LANES or not env:
            return False
        if ended_at is None or time_to_restore is None or ended_at <= now - self._max_age or key in self._seen:
            return False
        labels = SampleLabels(record["service"], env, record["severity"] or UNKNOWN_SEVERITY)
        at = ended_at // _MILLISECOND
        while (labels, at) in self._used_timestamps:  # Prometheus would drop a second value for one timestamp
            at += 1
        self._seen[key] = (labels, at)
        self._used_timestamps.add((labels, at))
        self._prune(now)
        if restoring and record["revisions"]:
            return False
        heappush(self._waiting.setdefault(labels, []), StampedSample(at, key, time_to_restore / SECOND))
        return True

    def current(self, now: Micros) -> dict[SampleLabels, StampedSample]:
        """Return the samples to expose now: at most one per series."""
        for labels in [labels for labels, exposure in self._exposed.items() if self._is_over(labels, exposure, now)]:
            del self._exposed[labels]
        for labels in [labels for labels in self._waiting if labels not in self._exposed]:
            self._expose_next(labels, now)
        return {labels: exposure.sample for labels, exposure in self._exposed.items()}

    def waiting(self) -> list[tuple[SampleLabels, StampedSample]]:
        """Return all queued samples, in no particular order."""
        return [(labels, sample) for labels, samples in self._waiting.items() for sample in samples]

    def acknowledge(self, scraper: str, samples: dict[SampleLabels, StampedSample], now: Micros) -> None:
        """Record that a scraper has received these samples."""
        for labels, sample in samples.items():
            exposure = self._exposed.get(labels)
            if exposure is not None and exposure.sample == sample:
                exposure.acknowledge(scraper, now)

    def _is_over(self, labels: SampleLabels, exposure: _Exposure, now: Micros) -> bool:
        if labels in self._waiting:
            return exposure.finished(self._min_exposure, now)
        return exposure.finished(self._min_exposure, now) and exposure.exposed_for(now) >= LAST_SAMPLE_SHOWN_FOR

    def _expose_next(self, labels: SampleLabels, now: Micros) -> None:
        queue = self._waiting[labels]
        while queue and queue[0].at * _MILLISECOND <= now - self._max_age:  # expired while nobody scraped
            heappop(queue)
        if queue and queue[0].at * _MILLISECOND <= now:  # a timestamp ahead of our clock would be refused
            self._exposed[labels] = _Exposure(heappop(queue))
        if not queue:
            del self._waiting[labels]

    def _prune(self, now: Micros) -> None:
        """Drop incidents older than `max_age`, whenever the number has doubled since the last time."""
        if len(self._seen) < self._prune_at:
            return
        oldest = (now - self._max_age) // _MILLISECOND
        self._seen = {key: queued for key, queued in self._seen.items() if queued[1] > oldest}
        self._used_timestamps = set(self._seen.values())
        self._prune_at = max(1024, 2 * len(self._seen))
