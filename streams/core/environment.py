"""One service in one environment: what was counted, what is true now, and the windows (semantics.md, 6 to 10)."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from schemas.values import (
    AsOf,
    CountersValue,
    Exemplar,
    HistogramValue,
    MetricsValue,
    Micros,
    ReasonName,
    VerdictName,
    WindowValue,
)
from streams.core.buckets import LEAD_BUCKETS, bucket_of
from streams.core.settings import Settings
from streams.core.windows import Counts, Lengths, Series

LARGEST: Final = 2**63 - 1
"""The largest number that a record can hold: a sum that has reached it stands still."""


class Histogram:
    """Observations by bucket. It only grows."""

    __slots__ = ("counts", "exemplars", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(LEAD_BUCKETS) + 1)
        self.total: Micros = 0
        self.exemplars: dict[int, tuple[Micros, str, Micros]] = {}

    def observe(self, length: Micros, at: Micros = 0, commit_sha: str | None = None) -> None:
        """Count one length; the newest one of a bucket is shown with its commit."""
        bucket = bucket_of(length)
        self.counts[bucket] += 1
        self.total += length
        if commit_sha is not None:
            candidate = (at, commit_sha, length)
            self.exemplars[bucket] = max(self.exemplars.get(bucket, candidate), candidate)

    def to_row(self) -> tuple[Any, ...]:
        """The stored form, of nested tuples."""
        return (tuple(self.counts), self.total, tuple((bucket, *one) for bucket, one in self.exemplars.items()))

    def add_row(self, row: Sequence[Any]) -> None:
        """Add stored observations."""
        counts, total, exemplars = row
        self.counts = [here + stored for here, stored in zip(self.counts, counts, strict=True)]
        self.total += total
        for bucket, at, sha, length in exemplars:
            candidate = (at, sha, length)
            self.exemplars[bucket] = max(self.exemplars.get(bucket, candidate), candidate)

    def to_value(self) -> HistogramValue:
        """The histogram as it is published."""
        exemplars: list[Exemplar] = [
            {"bucket": bucket, "commit_sha": sha, "value": length, "at": at}
            for bucket, (at, sha, length) in sorted(self.exemplars.items())
        ]
        return {"counts": list(self.counts), "sum": min(self.total, LARGEST), "exemplars": exemplars}


_NUMBERS: Final = (
    "judged", "succeeded", "late_failures", "without_commits", "clock_skew", "lead_time_revisions",
    "restore_revisions", "conflicts",
)  # fmt: skip
"""The plain numbers among the counters, in the order in which they are stored."""


class Counters:
    """What may only rise."""

    __slots__ = (
        "clock_skew", "conflicts", "failures", "judged", "late_failures", "lead_time", "lead_time_revisions",
        "restore", "restore_revisions", "succeeded", "verdict_revisions", "without_commits",
    )  # fmt: skip

    def __init__(self) -> None:
        self.judged = 0
        self.succeeded = 0
        self.failures: Counter[str] = Counter()
        self.late_failures = 0
        self.verdict_revisions: Counter[tuple[VerdictName, VerdictName]] = Counter()
        self.without_commits = 0
        self.clock_skew = 0
        self.lead_time = Histogram()
        self.lead_time_revisions = 0
        self.restore = Histogram()
        self.restore_revisions = 0
        self.conflicts = 0

    def to_row(self) -> tuple[Any, ...]:
        """The stored form, of nested tuples."""
        return (
            tuple(getattr(self, name) for name in _NUMBERS),
            tuple(self.failures.items()),
            tuple((before, after, count) for (before, after), count in self.verdict_revisions.items()),
            self.lead_time.to_row(),
            self.restore.to_row(),
        )

    def add_row(self, row: Sequence[Any]) -> None:
        """Add what was stored."""
        numbers, failures, revisions, lead_time, restore = row
        for name, number in zip(_NUMBERS, numbers, strict=True):
            setattr(self, name, getattr(self, name) + number)
        for reason, count in failures:
            self.failures[reason] += count
        for before, after, count in revisions:
            self.verdict_revisions[before, after] += count
        self.lead_time.add_row(lead_time)
        self.restore.add_row(restore)

    def to_value(self) -> CountersValue:
        """The counters as they are published."""
        return {
            "deployments": self.judged,
            "deployments_success": self.succeeded,
            "failures": dict(sorted(self.failures.items())),
            "late_failures": self.late_failures,
            "verdict_revisions": [
                {"from_verdict": before, "to_verdict": after, "count": count}
                for (before, after), count in sorted(self.verdict_revisions.items())
            ],
            "deployments_without_commits": self.without_commits,
            "clock_skew": self.clock_skew,
            "lead_time": self.lead_time.to_value(),
            "lead_time_revisions": self.lead_time_revisions,
            "restore": self.restore.to_value(),
            "restore_revisions": self.restore_revisions,
            "conflicting_events": self.conflicts,
        }


class Judged(NamedTuple):
    """A judged deployment in a window: why it failed (None: it did not) and whether it was a hotfix."""

    reason: ReasonName | None
    hotfix: bool


class Environment:
    """Counters, present state and windows of one (service, env). The one named "" stands for the service alone."""

    __slots__ = (
        "at", "counters", "due", "incidents", "judged", "last_event_at", "lead", "name", "recovery", "rehearsed_at",
        "rehearsed_before", "restore", "settings", "tally",
    )  # fmt: skip

    def __init__(self, name: str, settings: Settings, now: Micros) -> None:
        self.name = name
        self.settings = settings
        self.at = now
        """The clock of the message that last changed it."""
        self.counters = Counters()
        self.tally: Counter[str] = Counter()
        """How many deployments and incidents are in each state that is shown."""
        self.rehearsed_at: Micros | None = None
        self.rehearsed_before: Micros | None = None
        """The latest rehearsal among closed records."""
        self.last_event_at: Micros | None = None
        self.due: Micros | None = None
        lag, windows = settings.lateness, settings.windows
        grown = settings.failure_window + lag
        self.judged: Series[Judged, Counts[Judged]] = Series(grown, [(w, Counts()) for w in windows], now)
        self.lead: Series[Micros, Lengths] = Series(lag, [(w, Lengths()) for w in windows], now)
        self.restore: Series[Micros, Lengths] = Series(lag, [(w, Lengths()) for w in windows], now)
        self.recovery: Series[Micros, Lengths] = Series(lag, [(w, Lengths()) for w in windows], now)
        self.incidents: Series[bool, Counts[bool]] = Series(lag, [(w, Counts()) for w in windows], now)

    @property
    def series(self) -> tuple[Series[Any, Any], ...]:
        """Everything that slides."""
        return (self.judged, self.lead, self.restore, self.recovery, self.incidents)

    def advance(self) -> None:
        """Move all windows to `at`."""
        for series in self.series:
            series.advance(self.at)

    def next_change(self) -> Micros | None:
        """Move the windows that changed, or that are due by `at`; answer when the clock alone next moves one."""
        due: Micros | None = None
        for series in self.series:
            if series.moved or (series.due is not None and series.due <= self.at):
                series.advance(self.at)
            if series.due is not None and (due is None or series.due < due):
                due = series.due
        return due

    @property
    def moved(self) -> bool:
        """Whether a window changed by more than the clock since it was last moved."""
        return self.judged.moved or self.lead.moved or self.restore.moved or self.recovery.moved or self.incidents.moved

    def recount(self, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        """One deployment or incident leaves these states and enters those."""
        self.tally.subtract(before)
        self.tally.update(after)

    def to_value(self, service: str, as_of: AsOf) -> MetricsValue:
        """The snapshot to publish, as it stood at `at`."""
        self.advance()
        tally = self.tally
        return {
            "service": service,
            "env": self.name,
            "as_of": as_of,
            "at": self.at,
            "settings": self.settings.to_value(),
            "counters": self.counters.to_value(),
            "state": {
                "pending": tally["pending"],
                "failing": tally["failing"],
                "superseded": tally["superseded"],
                "abandoned": tally["abandoned"],
                "incidents_open": tally["open"],
                "incidents_unattributed": tally["unattributed"],
                "rehearsed_at": self.rehearsed_at,
                "last_event_at": self.last_event_at,
            },
            "windows": self._windows(),
        }

    def _windows(self) -> list[WindowValue]:
        contents = zip(
            self.settings.windows,
            self.judged.contents(),
            self.lead.contents(),
            self.restore.contents(),
            self.recovery.contents(),
            self.incidents.contents(),
            strict=True,
        )
        return [_window(*parts) for parts in contents]


def _window(
    length: Micros,
    judged: Counts[Judged],
    lead: Lengths,
    restore: Lengths,
    recovery: Lengths,
    incidents: Counts[bool],
) -> WindowValue:
    reasons: Counter[str] = Counter()
    hotfix = 0
    for (reason, is_hotfix), count in judged.of.items():
        if reason is not None:
            reasons[reason] += count
        if is_hotfix:
            hotfix += count
    return {
        "window": length,
        "judged": sum(judged.of.values()),
        "failed": reasons.total(),
        "reasons": dict(sorted(reasons.items())),
        "hotfix": hotfix,
        "lead_count": len(lead.ordered),
        "lead_p50": lead.quantile(0.5),
        "lead_p90": lead.quantile(0.9),
        "restore_count": len(restore.ordered),
        "restore_mean": restore.mean(),
        "restore_p50": restore.quantile(0.5),
        "restore_p90": restore.quantile(0.9),
        "recovery_count": len(recovery.ordered),
        "recovery_mean": recovery.mean(),
        "recovery_p50": recovery.quantile(0.5),
        "incidents": sum(incidents.of.values()),
        "unattributed": incidents.of.get(True, 0),
    }
