"""State built from `delivery_metrics`: the latest snapshot of every service and environment.

Applying a record takes constant time. `MetricsState.freeze()` returns an immutable `MetricsSnapshot`, and the next
record copies the shared dictionaries (copy on write), so a scrape is consistent while reading continues.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from schemas.values import CountersValue, HistogramValue, MetricsValue
from streams.exporter.metrics import REASONS

Pair = tuple[str, str]
"""Service and environment. The environment "" holds the totals of the whole service."""
Series = tuple[str, ...]
"""A pair, optionally with the labels of a counter that not every pair has: `(from, to)` or `(reason,)`."""

REVISIONS: Final[tuple[Pair, ...]] = (("failed", "succeeded"), ("succeeded", "failed"))
"""Verdict revisions exposed for every pair from the start, at 0."""


class RecordOutcome(Enum):
    """Result of applying a record. All but the first two are faults of its producer."""

    APPLIED = "applied"
    STALE = "stale"
    """Older than the stored snapshot, as sent by a worker that had been paused."""
    OTHER_PARTITION = "other_partition"
    """The pair was seen in another partition of `deploy_events`: its events do not all have the same key."""
    COUNTER_FELL = "counter_fell"
    """A counter decreased. The record is applied except for its counters, which keep their values until exceeded."""


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """Immutable view of the state at one moment.

    `first_seen` has, for each series that appeared after the restore, the sequence number at which it did; `sequence`
    is the last number assigned.
    """

    values: Mapping[Pair, MetricsValue]
    first_seen: Mapping[Series, int]
    sequence: int

    def pairs(self) -> Iterator[tuple[Pair, MetricsValue]]:
        """Yield the pairs in order, without the totals of whole services."""
        return ((pair, self.values[pair]) for pair in sorted(self.values) if pair[1])


class MetricsState:
    """Mutable state: the latest snapshot of each pair."""

    def __init__(self) -> None:
        self._values: dict[Pair, MetricsValue] = {}
        self._first_seen: dict[Series, int] = {}
        self._sequence = 0
        self._restored = False
        self._shared = False

    def mark_restored(self) -> None:
        """Mark the restore as finished: a series that appears from now on is new to Prometheus, too."""
        self._restored = True

    def apply(self, value: MetricsValue) -> RecordOutcome:
        """Store a snapshot unless a later one is known."""
        pair = (value["service"], value["env"])
        current = self._values.get(pair)
        outcome = _judge(current, value)
        if outcome in (RecordOutcome.STALE, RecordOutcome.OTHER_PARTITION):
            return outcome
        self._copy_on_write()
        if current is not None and outcome is RecordOutcome.COUNTER_FELL:
            value = {**value, "counters": current["counters"]}
        self._values[pair] = value
        if self._restored:
            self._note_first_seen(pair, current, value)
        return outcome

    def forget(self, pair: Pair) -> None:
        """Remove a pair whose record was deleted (a tombstone)."""
        if pair in self._values:
            self._copy_on_write()
            del self._values[pair]
            self._first_seen = {series: sequence for series, sequence in self._first_seen.items() if series[:2] != pair}

    def freeze(self) -> MetricsSnapshot:
        """Return an immutable view of the current state."""
        self._shared = True
        return MetricsSnapshot(MappingProxyType(self._values), MappingProxyType(self._first_seen), self._sequence)

    def _copy_on_write(self) -> None:
        if self._shared:
            self._values = self._values.copy()
            self._first_seen = self._first_seen.copy()
            self._shared = False

    def _note_first_seen(self, pair: Pair, current: MetricsValue | None, value: MetricsValue) -> None:
        known = set(_series(pair, current)) if current is not None else set()
        new = [series for series in _series(pair, value) if series not in known and series not in self._first_seen]
        if new:
            self._sequence += 1
            self._first_seen.update(dict.fromkeys(new, self._sequence))


def _series(pair: Pair, value: MetricsValue) -> Iterator[Series]:
    counters = value["counters"]
    yield pair
    for reason in counters["failures"]:
        if reason not in REASONS:
            yield (*pair, reason)
    for revision in counters["verdict_revisions"]:
        revised = (revision["from_verdict"], revision["to_verdict"])
        if revised not in REVISIONS:
            yield (*pair, *revised)


def _judge(current: MetricsValue | None, value: MetricsValue) -> RecordOutcome:
    if current is None:
        return RecordOutcome.APPLIED
    if current["as_of"]["partition"] != value["as_of"]["partition"]:
        return RecordOutcome.OTHER_PARTITION
    if current["as_of"]["offset"] > value["as_of"]["offset"]:
        return RecordOutcome.STALE
    return (
        RecordOutcome.COUNTER_FELL
        if any_counter_decreased(current["counters"], value["counters"])
        else RecordOutcome.APPLIED
    )


def any_counter_decreased(old: CountersValue, new: CountersValue) -> bool:
    """Tell whether any counter of `new` is below its value in `old`, which Prometheus would take for a reset."""
    before, after = _numbers(old), _numbers(new)
    return any(after.get(name, 0) < number for name, number in before.items())


def _numbers(counters: CountersValue) -> dict[Series, int]:
    numbers: dict[Series, int] = {
        ("deployments",): counters["deployments"],
        ("deployments_success",): counters["deployments_success"],
        ("late_failures",): counters["late_failures"],
        ("deployments_without_commits",): counters["deployments_without_commits"],
        ("clock_skew",): counters["clock_skew"],
        ("lead_time_revisions",): counters["lead_time_revisions"],
        ("restore_revisions",): counters["restore_revisions"],
        ("conflicting_events",): counters["conflicting_events"],
        **_buckets("lead_time", counters["lead_time"]),
        **_buckets("restore", counters["restore"]),
    }
    numbers.update((("failures", reason), count) for reason, count in counters["failures"].items())
    for revision in counters["verdict_revisions"]:
        numbers["revisions", revision["from_verdict"], revision["to_verdict"]] = revision["count"]
    return numbers


def _buckets(name: str, histogram: HistogramValue) -> dict[Series, int]:
    return {(name, str(index)): count for index, count in enumerate(histogram["counts"])} | {(name,): histogram["sum"]}
