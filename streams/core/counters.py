"""Count what happened, once: the counters of one environment, and what each mark adds to them (semantics.md, 6).

The same functions count a mark when it is made and when stored marks are read again, so both give the same counters.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from schemas.values import (
    SECOND,
    CountersValue,
    ExemplarValue,
    HistogramValue,
    Micros,
    VerdictName,
)
from streams.core.deployment import JUDGED, DeploymentState, VerdictMark
from streams.core.incident import LengthMark

LEAD_BUCKETS: Final[tuple[int, ...]] = (
    300, 600, 900, 1_800, 2_700, 3_600, 5_400, 7_200, 10_800, 14_400, 21_600,
    28_800, 43_200, 64_800, 86_400, 129_600, 172_800, 259_200, 432_000, 604_800, 1_209_600, 2_592_000,
)  # fmt: skip
"""Upper bounds in seconds, each included in its bucket; one more bucket (+Inf) follows."""

_BOUNDS: Final = tuple(bound * SECOND for bound in LEAD_BUCKETS)


def bucket_of(length: Micros) -> int:
    """The index of the bucket that holds this length; `len(LEAD_BUCKETS)` is +Inf."""
    return bisect_left(_BOUNDS, length)


LARGEST: Final = 2**63 - 1
"""The largest number that a record can hold: a sum that has reached it stands still."""


class HistogramCounter:
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
        exemplars: list[ExemplarValue] = [
            {"bucket": bucket, "commit_sha": sha, "value": length, "at": at}
            for bucket, (at, sha, length) in sorted(self.exemplars.items())
        ]
        return {"counts": list(self.counts), "sum": min(self.total, LARGEST), "exemplars": exemplars}


_NUMBERS: Final = (
    "judged", "succeeded", "late_failures", "without_commits", "clock_skew", "lead_time_revisions",
    "restore_revisions", "conflicts",
)  # fmt: skip
"""The plain numbers among the counters, in the order in which they are stored."""


class EnvironmentCounters:
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
        self.lead_time = HistogramCounter()
        self.lead_time_revisions = 0
        self.restore = HistogramCounter()
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


def count_verdicts(counters: EnvironmentCounters, history: Sequence[VerdictMark], start: int) -> None:
    """Count the verdicts from this place of a deployment's history on."""
    for index in range(start, len(history)):
        verdict = history[index].value
        if index:
            counters.verdict_revisions[history[index - 1].value, verdict] += 1
        elif verdict in JUDGED:
            counters.judged += 1
            counters.succeeded += verdict == "succeeded"


def count_lead_times(counters: EnvironmentCounters, history: Sequence[LengthMark], start: int) -> None:
    """Count the lead times from this place of a change's history on; below zero the clocks were skewed."""
    for index in range(start, len(history)):
        mark = history[index]
        if index:
            counters.lead_time_revisions += 1
        elif mark.value is not None and mark.value < 0:
            counters.clock_skew += 1
        elif mark.value is not None:
            counters.lead_time.observe(mark.value, mark.at, mark.commit_sha)


def count_restores(counters: EnvironmentCounters, history: Sequence[LengthMark], start: int) -> None:
    """Count the times to restore from this place of an incident's history on."""
    for index in range(start, len(history)):
        mark = history[index]
        if index:
            counters.restore_revisions += 1
        elif mark.value is not None:
            counters.restore.observe(mark.value)


def count_stored(counters: EnvironmentCounters, deployment: DeploymentState) -> None:
    """Count everything that a restored deployment was counted for."""
    count_verdicts(counters, deployment.history, 0)
    if deployment.failed_mark is not None:
        counters.failures[deployment.failed_mark.value] += 1
    counters.late_failures += deployment.late_mark is not None
    counters.without_commits += deployment.commits_mark is not None and deployment.commits_mark.value == "unknown"
