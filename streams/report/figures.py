"""What may be said of a number: its range, and whether it differs from another. Pure statistics.

A share has Wilson's score interval, a count per day its counterpart for Poisson counts; a difference of two of these
has Newcombe's interval, made from theirs. A mean or a quantile has the percentile interval of the bootstrap, and so has
the difference of two. One rule decides everywhere: two numbers differ if the interval of their difference leaves out
zero. Chance is seeded with the name of the number, so the same events give the same ranges.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import sqrt
from random import Random
from statistics import NormalDist
from typing import Final, NamedTuple, Protocol

LEVEL: Final = 0.95
"""Of every range that is shown, and of a change from one period to the next."""
STRICT: Final = 0.99
"""Where many services are compared at once."""
DRAWS: Final = 2_000
"""Resamples of a bootstrap: twenty lie beyond the ends of a range at 99 %."""


class Interval(NamedTuple):
    """A range that the number lies in, as far as these data tell."""

    low: float
    high: float

    @property
    def without_zero(self) -> bool:
        """Whether all of it is on one side of zero."""
        return self.low > 0 or self.high < 0


class Estimate(Protocol):
    """A number with what it was made from."""

    @property
    def n(self) -> int:
        """How many things it was made from."""

    @property
    def value(self) -> float | None:
        """None if there is nothing to make it from."""

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Its range; None if there is no value."""


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        """Between 0 and 1."""
        return self.hits / self.n if self.n else None

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Wilson's score interval (1927), without continuity correction."""
        if not self.n:
            return None
        z, n, share = _z(level), self.n, self.hits / self.n
        middle = share + z * z / (2 * n)
        reach = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        whole = 1 + z * z / n
        return Interval(max(0.0, (middle - reach) / whole), min(1.0, (middle + reach) / whole))


@dataclass(frozen=True)
class PerDay:
    """A count over some days; no days: the log does not reach over them, so nothing is said a day."""

    n: int
    days: float

    @property
    def value(self) -> float | None:
        """How many a day."""
        return self.n / self.days if self.days else None

    def interval(self, level: float = LEVEL) -> Interval | None:
        """The score interval of a Poisson count."""
        if not self.days:
            return None
        z = _z(level)
        middle, reach = self.n + z * z / 2, z * sqrt(self.n + z * z / 4)
        return Interval(max(0.0, middle - reach) / self.days, (middle + reach) / self.days)


@dataclass(frozen=True)
class DurationSample:
    """The quantile `q` of lengths in ascending order; without `q` their mean. `name` seeds the bootstrap."""

    name: str
    ordered: tuple[float, ...]
    q: float | None = None

    @property
    def n(self) -> int:
        """How many lengths."""
        return len(self.ordered)

    @property
    def value(self) -> float | None:
        """In the unit of the lengths; a quantile is the order statistic with linear interpolation (type 7)."""
        if not self.ordered:
            return None
        return sum(self.ordered) / self.n if self.q is None else quantile(self.ordered, self.q)

    def interval(self, level: float = LEVEL) -> Interval | None:
        """The percentile interval of the bootstrap."""
        return _percentiles(sorted(self.draws), level) if self.ordered else None

    @cached_property
    def draws(self) -> tuple[float, ...]:
        """The statistic of as many resamples, in the order they were drawn."""
        rng = Random(self.name)  # noqa: S311 - repeatable on purpose
        drawn = self._means(rng) if self.q is None else self._quantiles(rng, self.q)
        return tuple(drawn)

    def _means(self, rng: Random) -> Iterator[float]:
        for _ in range(DRAWS):
            yield sum(rng.choices(self.ordered, k=self.n)) / self.n

    def _quantiles(self, rng: Random, q: float) -> Iterator[float]:
        """Of a resample only the two order statistics that decide are drawn; they follow beta distributions."""
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
    """The order statistic with linear interpolation (type 7) of at least one value."""
    rank = (len(ordered) - 1) * q
    low = int(rank)
    above = ordered[min(low + 1, len(ordered) - 1)]
    return ordered[low] + (above - ordered[low]) * (rank - low)


def difference(one: Estimate, other: Estimate, level: float) -> Interval | None:
    """The interval of `one` minus `other`; None if either has no value. Both are of one kind."""
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
    """The rule: the interval of the difference leaves out zero."""
    found = difference(one, other, level)
    return found is not None and found.without_zero


def _percentiles(ordered: Sequence[float], level: float) -> Interval:
    tail = (1 - level) / 2
    return Interval(quantile(ordered, tail), quantile(ordered, 1 - tail))


@cache
def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
