"""How much of the sidecar one sender, and all together, may take up."""

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
        """Whether the name may have one more."""
        now = self._clock()
        tokens, at = self._filled.get(name, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        self._filled[name] = (max(0.0, tokens - 1), now) if tokens >= 1 else (tokens, now)
        return tokens >= 1


class Capacity:
    """A number of things that can be had at a time."""

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self.used = 0

    @contextmanager
    def held(self) -> Iterator["CapacityLease"]:
        """Some of it, given back at the end. Nothing at first: see `CapacityLease.more`."""
        held = CapacityLease(self)
        try:
            yield held
        finally:
            self.used -= held.number

    def has(self, number: int) -> bool:
        """Whether there is so much left."""
        return self.used + number <= self._most


class CapacityLease:
    """What somebody has of a capacity."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self.number = 0

    def more(self, number: int) -> bool:
        """Take more of it; False if there is not so much left."""
        if not self._capacity.has(number):
            return False
        self._capacity.used += number
        self.number += number
        return True
