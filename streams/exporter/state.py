"""What the records of `delivery_metrics` add up to: the latest snapshot of every service and environment.

A record costs the same whatever is held. `MetricsState.freeze()` hands out an immutable `MetricsSnapshot`; the next
record after it copies what it shares, so a scrape reads one moment while the reader goes on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from schemas.values import CountersValue, HistogramValue, MetricsValue
from streams.exporter.metrics import REASONS

Pair = tuple[str, str]
"""Service and environment; the environment "" is the service alone."""
Series = tuple[str, ...]
"""A pair; or a pair and the labels of one of its counters that is not always there, `(from, to)` or `(reason,)`."""

REVISIONS: Final[tuple[Pair, ...]] = (("failed", "succeeded"), ("succeeded", "failed"))
"""The revisions that every pair shows from the start."""


class RecordOutcome(Enum):
    """What became of a record. All but the first two are faults of whoever wrote it."""

    TAKEN = "taken"
    STALE = "stale"
    """A later snapshot is held; a worker that had paused sent this one."""
    OTHER_PARTITION = "other_partition"
    """Two partitions of `deploy_events` claim one pair: its events do not all have the same key."""
    COUNTER_FELL = "counter_fell"
    """Taken, but for its counters, which stay as they are until they are passed."""


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """One moment. `births` numbers the series that first appeared while running; `born` is the last number given."""

    values: Mapping[Pair, MetricsValue]
    births: Mapping[Series, int]
    born: int

    def pairs(self) -> Iterator[tuple[Pair, MetricsValue]]:
        """The known pairs in order, without what belongs to a service alone."""
        return ((pair, self.values[pair]) for pair in sorted(self.values) if pair[1])


class MetricsState:
    """Folds records into the latest snapshots."""

    def __init__(self) -> None:
        self._values: dict[Pair, MetricsValue] = {}
        self._births: dict[Series, int] = {}
        self._born = 0
        self._restored = False
        self._shared = False

    def restored(self) -> None:
        """Everything written before the start is read: a series that appears from now on is new to Prometheus too."""
        self._restored = True

    def fold(self, value: MetricsValue) -> RecordOutcome:
        """Take a snapshot, unless a later one is held."""
        pair = (value["service"], value["env"])
        held = self._values.get(pair)
        outcome = _judge(held, value)
        if outcome in (RecordOutcome.STALE, RecordOutcome.OTHER_PARTITION):
            return outcome
        self._own()
        if held is not None and outcome is RecordOutcome.COUNTER_FELL:
            value = {**value, "counters": held["counters"]}
        self._values[pair] = value
        if self._restored:
            self._note_births(pair, held, value)
        return outcome

    def forget(self, pair: Pair) -> None:
        """Drop a pair whose record was deleted."""
        if pair in self._values:
            self._own()
            del self._values[pair]
            self._births = {series: birth for series, birth in self._births.items() if series[:2] != pair}

    def freeze(self) -> MetricsSnapshot:
        """This moment, unchanged by what follows."""
        self._shared = True
        return MetricsSnapshot(MappingProxyType(self._values), MappingProxyType(self._births), self._born)

    def _own(self) -> None:
        if self._shared:
            self._values = self._values.copy()
            self._births = self._births.copy()
            self._shared = False

    def _note_births(self, pair: Pair, held: MetricsValue | None, value: MetricsValue) -> None:
        known = set(_series(pair, held)) if held is not None else set()
        new = [series for series in _series(pair, value) if series not in known and series not in self._births]
        if new:
            self._born += 1
            self._births.update(dict.fromkeys(new, self._born))


def _series(pair: Pair, value: MetricsValue) -> Iterator[Series]:
    counters = value["counters"]
    yield pair
    for reason in counters["failures"]:
        if reason not in REASONS:
            yield (*pair, reason)
    for revision in counters["verdict_revisions"]:
        move = (revision["from_verdict"], revision["to_verdict"])
        if move not in REVISIONS:
            yield (*pair, *move)


def _judge(held: MetricsValue | None, value: MetricsValue) -> RecordOutcome:
    if held is None:
        return RecordOutcome.TAKEN
    if held["as_of"]["partition"] != value["as_of"]["partition"]:
        return RecordOutcome.OTHER_PARTITION
    if held["as_of"]["offset"] > value["as_of"]["offset"]:
        return RecordOutcome.STALE
    return RecordOutcome.COUNTER_FELL if fallen(held["counters"], value["counters"]) else RecordOutcome.TAKEN


def fallen(old: CountersValue, new: CountersValue) -> bool:
    """Whether any counter of `new` is below what `old` says, which Prometheus would take for a restart from zero."""
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
