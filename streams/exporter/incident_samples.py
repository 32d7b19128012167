"""`incident_resolution_seconds`: one stamped sample per incident, handed to Prometheus one at a time.

`avg_over_time` is the exact mean over incidents only if each is one sample at its own time. Prometheus keeps the first
sample of a timestamp and ignores its repetitions, so a sample may be shown as often as needed to be sure it was seen;
two samples of one series in one response were never promised to work. Hence a queue per series, ordered by time.
"""

from heapq import heappop, heappush
from typing import Final, NamedTuple

from schemas.values import MINUTE, SECOND, IncidentRecordValue, Micros
from streams.exporter.metrics import UNKNOWN_SEVERITY

SHOWN: Final = 2
"""How often one scraper must have been answered with a sample before the next one takes its place."""
LAST_SHOWN_FOR: Final[Micros] = 15 * MINUTE
"""How long a sample without a successor stays. For ever would make Prometheus warn of an old sample for ever."""
FOR_EVER: Final[Micros] = 1 << 62
"""A reach that leaves nothing out."""
_MILLISECOND: Final[Micros] = SECOND // 1000
_COUNTED_LANES: Final = frozenset(("normal", "hotfix"))


class SampleLabels(NamedTuple):
    """The labels of one series."""

    service: str
    env: str
    severity: str


class StampedSample(NamedTuple):
    """One incident's time to restore in seconds, `at` the end of its last period in whole milliseconds."""

    at: int
    incident: str
    seconds: float


class _Turn:
    """The sample a series shows now, and who has been answered with it."""

    __slots__ = ("answers", "sample", "since")

    def __init__(self, sample: StampedSample) -> None:
        self.sample = sample
        self.since: Micros | None = None
        self.answers: dict[str, int] = {}

    def answered(self, scraper: str, now: Micros) -> None:
        self.since = now if self.since is None else self.since
        self.answers[scraper] = self.answers.get(scraper, 0) + 1

    def shown_for(self, now: Micros) -> Micros:
        return 0 if self.since is None else now - self.since

    def done(self, hold: Micros, now: Micros) -> bool:
        return max(self.answers.values(), default=0) >= SHOWN and self.shown_for(now) >= hold


class SampleQueue:
    """The samples that wait, per series. Not safe for threads: its owner holds a lock.

    `reach` is how far back Prometheus takes samples (its `out_of_order_time_window`): older incidents are left out.
    `hold` is how long each sample stays at least, two scrape intervals, so that a second scraper sees it too.
    """

    def __init__(self, reach: Micros, hold: Micros) -> None:
        self._reach = reach
        self._hold = hold
        self._waiting: dict[SampleLabels, list[StampedSample]] = {}
        self._turns: dict[SampleLabels, _Turn] = {}
        self._seen: dict[str, tuple[SampleLabels, int]] = {}
        self._taken: set[tuple[SampleLabels, int]] = set()
        self._tidy_at = 1024

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def offer(self, key: str, record: IncidentRecordValue, now: Micros, *, restoring: bool = False) -> bool:
        """Queue the incident of this record key if its time to restore was observed; says whether it was.

        It is queued once. What Prometheus has stored cannot be taken back, so a later revision changes the exact
        gauges and `delivery_restore_revisions_total`, and this series as little as a counter. For the same reason one
        that is found revised while `restoring` is left out: an earlier process has shown what was observed first.
        """
        ended_at, length, env = record["ended_at"], record["time_to_restore"], record["env"]
        if not record["observed"] or record["lane"] not in _COUNTED_LANES or not env:
            return False
        if ended_at is None or length is None or ended_at <= now - self._reach or key in self._seen:
            return False
        line = SampleLabels(record["service"], env, record["severity"] or UNKNOWN_SEVERITY)
        at = ended_at // _MILLISECOND
        while (line, at) in self._taken:  # a second value for one timestamp would be dropped
            at += 1
        self._seen[key] = (line, at)
        self._taken.add((line, at))
        self._tidy(now)
        if restoring and record["revisions"]:
            return False
        heappush(self._waiting.setdefault(line, []), StampedSample(at, key, length / SECOND))
        return True

    def current(self, now: Micros) -> dict[SampleLabels, StampedSample]:
        """What to show now: at most one sample per series."""
        for line in [line for line, turn in self._turns.items() if self._is_over(line, turn, now)]:
            del self._turns[line]
        for line in [line for line in self._waiting if line not in self._turns]:
            self._next_turn(line, now)
        return {line: turn.sample for line, turn in self._turns.items()}

    def waiting(self) -> list[tuple[SampleLabels, StampedSample]]:
        """Everything that waits, in no order."""
        return [(line, sample) for line, samples in self._waiting.items() for sample in samples]

    def answered(self, scraper: str, shown: dict[SampleLabels, StampedSample], now: Micros) -> None:
        """Note that a scraper has received these samples."""
        for line, sample in shown.items():
            turn = self._turns.get(line)
            if turn is not None and turn.sample == sample:
                turn.answered(scraper, now)

    def _is_over(self, line: SampleLabels, turn: _Turn, now: Micros) -> bool:
        if line in self._waiting:
            return turn.done(self._hold, now)
        return turn.done(self._hold, now) and turn.shown_for(now) >= LAST_SHOWN_FOR

    def _next_turn(self, line: SampleLabels, now: Micros) -> None:
        queue = self._waiting[line]
        while queue and queue[0].at * _MILLISECOND <= now - self._reach:  # grew too old while nobody asked
            heappop(queue)
        if queue and queue[0].at * _MILLISECOND <= now:  # an end ahead of our clock would be refused
            self._turns[line] = _Turn(heappop(queue))
        if not queue:
            del self._waiting[line]

    def _tidy(self, now: Micros) -> None:
        """Forget incidents out of reach, whenever twice as many are held as after the last time."""
        if len(self._seen) < self._tidy_at:
            return
        oldest = (now - self._reach) // _MILLISECOND
        self._seen = {key: place for key, place in self._seen.items() if place[1] > oldest}
        self._taken = set(self._seen.values())
        self._tidy_at = max(1024, 2 * len(self._seen))
