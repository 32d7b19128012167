"""Limit the resources that one sender, and all senders together, may use."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final


class TokenBuckets:
    """A token bucket for each name: `rate` requests a second, after `burst` at once. `clock` gives seconds."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate: Final = rate
        self._burst: Final = burst
        self._clock: Final = clock
        self._filled: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> bool:
        """Consume a token of this name; return whether there was one."""
        now = self._clock()
        tokens, at = self._filled.get(name, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        self._filled[name] = (max(0.0, tokens - 1), now) if tokens >= 1 else (tokens, now)
        return tokens >= 1


class Capacity:
    """A pool of a fixed number of units."""

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self.used = 0

    @contextmanager
    def lease(self) -> Iterator["CapacityLease"]:
        """Lease units and release them at the end. A lease starts empty: see `CapacityLease.more`."""
        lease = CapacityLease(self)
        try:
            yield lease
        finally:
            self.used -= lease.number

    def has(self, number: int) -> bool:
        """Check that this many units are free."""
        return self.used + number <= self._most


class CapacityLease:
    """The units that one holder has of a capacity."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self.number = 0

    def more(self, number: int) -> bool:
        """Acquire more units; return False if too few are free."""
        if not self._capacity.has(number):
            return False
        self._capacity.used += number
        self.number += number
        return True
