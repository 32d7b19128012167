"""Statistics of a number: its confidence interval, and whether it differs from another. Pure.

A share has Wilson's score interval, a count per day the score interval of a Poisson count, and a difference of two of
either has Newcombe's interval, derived from theirs. Means and quantiles, and differences of two, have the percentile
interval of the bootstrap. One rule applies everywhere: two numbers differ if the interval of their difference excludes
zero. Random numbers are seeded with the name of the number, so the same events give the same ranges.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import sqrt
from random import Random
from statistics import NormalDist
from typing import Final, NamedTuple, Protocol

LEVEL: Final = 0.95
"""Confidence level of all displayed ranges, and of changes between periods."""
STRICT: Final = 0.99
"""Confidence level where many services are compared at once."""
DRAWS: Final = 2_000
"""Number of bootstrap resamples: at 99 %, twenty lie outside the interval."""


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies entirely on one side of zero."""
        return self.low > 0 or self.high < 0


class Estimate(Protocol):
    """A statistic with its sample size."""

    @property
    def n(self) -> int:
        """Sample size."""

    @property
    def value(self) -> float | None:
        """The point estimate; None for an empty sample."""

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Return the confidence interval; None without a value."""


@dataclass(frozen=True)
class Share:
    """A proportion: `hits` of `n`."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        """The proportion, between 0 and 1."""
        return self.hits / self.n if self.n else None

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Return Wilson's score interval (1927), without continuity correction."""
        if not self.n:
            return None
        z, n, share = _z(level), self.n, self.hits / self.n
        middle = share + z * z / (2 * n)
        half_width = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        whole = 1 + z * z / n
        return Interval(max(0.0, (middle - half_width) / whole), min(1.0, (middle + half_width) / whole))


@dataclass(frozen=True)
class PerDay:
    """A count over a number of days; 0 days if the log does not cover them, so that there is no rate."""

    n: int
    days: float

    @property
    def value(self) -> float | None:
        """The count per day."""
        return self.n / self.days if self.days else None

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Return the score interval of a Poisson count."""
        if not self.days:
            return None
        z = _z(level)
        middle, half_width = self.n + z * z / 2, z * sqrt(self.n + z * z / 4)
        return Interval(max(0.0, middle - half_width) / self.days, (middle + half_width) / self.days)


@dataclass(frozen=True)
class DurationSample:
    """The quantile `q`, or without `q` the mean, of durations in ascending order. `name` seeds the bootstrap."""

    name: str
    ordered: tuple[float, ...]
    q: float | None = None

    @property
    def n(self) -> int:
        """Number of durations."""
        return len(self.ordered)

    @property
    def value(self) -> float | None:
        """Mean or quantile, in the unit of the durations; quantiles are interpolated linearly (type 7)."""
        if not self.ordered:
            return None
        return sum(self.ordered) / self.n if self.q is None else quantile(self.ordered, self.q)

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Return the percentile interval of the bootstrap."""
        return _percentiles(sorted(self.draws), level) if self.ordered else None

    @cached_property
    def draws(self) -> tuple[float, ...]:
        """The statistic of DRAWS resamples, in the order they were drawn."""
        rng = Random(self.name)  # noqa: S311 - repeatable on purpose
        drawn = self._means(rng) if self.q is None else self._quantiles(rng, self.q)
        return tuple(drawn)

    def _means(self, rng: Random) -> Iterator[float]:
        for _ in range(DRAWS):
            yield sum(rng.choices(self.ordered, k=self.n)) / self.n

    def _quantiles(self, rng: Random, q: float) -> Iterator[float]:
        """Draw only the two relevant order statistics of each resample; they follow beta distributions."""
        n = self.n
        rank = (n - 1) * q
        k = int(rank) + 1
        for _ in range(DRAWS):
            place = rng.betavariate(k, n - k + 1)
            below = above = self._at(place)
            if k < n:
                above = self._at(place + (1 - place) * rng.betavariate(1, n - k))
            yield below + (above - below) * (rank - k + 1)

    def _at(self, place: float) -> float:
        return self.ordered[min(int(place * self.n), self.n - 1)]


def quantile(ordered: Sequence[float], q: float) -> float:
    """Return a quantile with linear interpolation (type 7) of at least one value."""
    rank = (len(ordered) - 1) * q
    low = int(rank)
    above = ordered[min(low + 1, len(ordered) - 1)]
    return ordered[low] + (above - ordered[low]) * (rank - low)


def difference(one: Estimate, other: Estimate, level: float) -> Interval | None:
    """Return the interval of `one` minus `other`, of the same kind; None if either has no value."""
    here, there = one.value, other.value
    if here is None or there is None:
        return None
    if isinstance(one, DurationSample) and isinstance(other, DurationSample):
        return _percentiles(sorted(a - b for a, b in zip(one.draws, other.draws, strict=True)), level)
    mine, theirs = one.interval(level), other.interval(level)
    if mine is None or theirs is None:
        return None
    gap = here - there
    down = sqrt((here - mine.low) ** 2 + (theirs.high - there) ** 2)
    up = sqrt((mine.high - here) ** 2 + (there - theirs.low) ** 2)
    return Interval(gap - down, gap + up)


def differs(one: Estimate, other: Estimate, level: float) -> bool:
    """Return whether two estimates differ: whether the interval of their difference excludes zero."""
    interval = difference(one, other, level)
    return interval is not None and interval.excludes_zero


def _percentiles(ordered: Sequence[float], level: float) -> Interval:
    tail = (1 - level) / 2
    return Interval(quantile(ordered, tail), quantile(ordered, 1 - tail))


@cache
def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
