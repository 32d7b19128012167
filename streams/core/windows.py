"""Sliding windows that move with the clock: what enters, what leaves, and when the next change is due.

A `WindowedSeries` holds one entry per key at its event time. At time T a window W of a series with lag G holds the
entries whose time lies in (T - G - W, T - G]. Moving the clock costs what enters and leaves, never the whole window.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable
from typing import Generic, Protocol, TypeVar

from schemas.values import SECOND, Micros

Value = TypeVar("Value", bound=Hashable)
Held_contra = TypeVar("Held_contra", contravariant=True)


class WindowContent(Protocol[Held_contra]):
    """What one window keeps of the entries inside it."""

    def enter(self, value: Held_contra, /) -> None:
        """An entry came into the window."""

    def leave(self, value: Held_contra, /) -> None:
        """An entry that had come in left it."""


class CountWindow(Generic[Value]):
    """How often each value stands in the window."""

    __slots__ = ("of",)

    def __init__(self) -> None:
        self.of: dict[Value, int] = {}

    def enter(self, value: Value) -> None:
        """Count one more."""
        self.of[value] = self.of.get(value, 0) + 1

    def leave(self, value: Value) -> None:
        """Count one less."""
        left = self.of[value] - 1
        if left:
            self.of[value] = left
        else:
            del self.of[value]


class DurationWindow:
    """The lengths of time in the window, for their mean and exact quantiles."""

    __slots__ = ("ordered", "total")

    def __init__(self) -> None:
        self.ordered: list[Micros] = []
        self.total: Micros = 0

    def enter(self, value: Micros) -> None:
        """Take a length in."""
        insort(self.ordered, value)
        self.total += value

    def leave(self, value: Micros) -> None:
        """Take out a length that had come in."""
        del self.ordered[bisect_left(self.ordered, value)]
        self.total -= value

    def mean(self) -> float | None:
        """In seconds; None if the window is empty."""
        # A float before it is divided: of larger numbers, compiled code divides others than Python does.
        return float(self.total) / len(self.ordered) / SECOND if self.ordered else None

    def quantile(self, q: float) -> float | None:
        """The order statistic with linear interpolation (type 7), in seconds; None if the window is empty."""
        if not self.ordered:
            return None
        rank = (len(self.ordered) - 1) * q
        low = int(rank)
        below = self.ordered[low]
        above = self.ordered[min(low + 1, len(self.ordered) - 1)]
        return (below + (above - below) * (rank - low)) / SECOND


Kept = TypeVar("Kept", bound=WindowContent)  # type: ignore[type-arg]


class _Window(Generic[Kept]):
    """One window: the entries between two places of the ordered list, and its content."""

    __slots__ = ("content", "high", "length", "low")

    def __init__(self, length: Micros, content: Kept) -> None:
        self.length = length
        self.content = content
        self.low = 0
        self.high = 0


class WindowedSeries(Generic[Value, Kept]):
    """Entries ordered by time and the windows over them."""

    __slots__ = ("_entries", "_lag", "_now", "_placed", "_windows", "due", "moved")

    def __init__(self, lag: Micros, contents: Iterable[tuple[Micros, Kept]], now: Micros) -> None:
        self._entries: list[tuple[Micros, str, Value]] = []
        self._placed: dict[str, tuple[Micros, str, Value]] = {}
        self._windows = [_Window(length, content) for length, content in contents]
        self._lag = lag
        self._now = now
        self.moved = False
        """An entry was set or taken out since the clock was last moved."""
        self.due: Micros | None = None
        """When the clock next moves an entry into or out of a window; None if it never does."""

    def put(self, key: str, time: Micros, value: Value) -> bool:
        """Set the entry of this key. Says whether that changed anything."""
        entry = (time, key, value)
        placed = self._placed.get(key)
        if placed == entry:
            return False
        self.moved = True
        if placed is not None:
            self._remove(placed)
        self._placed[key] = entry
        index = bisect_left(self._entries, (time, key))
        self._entries.insert(index, entry)
        end = self._now - self._lag
        for window in self._windows:
            if time <= end - window.length:
                window.low += 1
                window.high += 1
            elif time <= end:
                window.high += 1
                window.content.enter(value)
        return True

    def drop(self, key: str) -> bool:
        """Take the entry of this key out. Says whether there was one."""
        placed = self._placed.pop(key, None)
        if placed is None:
            return False
        self.moved = True
        self._remove(placed)
        return True

    def _remove(self, entry: tuple[Micros, str, Value]) -> None:
        index = bisect_left(self._entries, entry[:2])
        del self._entries[index]
        for window in self._windows:
            if index < window.low:
                window.low -= 1
                window.high -= 1
            elif index < window.high:
                window.high -= 1
                window.content.leave(entry[2])

    def advance(self, now: Micros) -> None:
        """Move the clock. It never goes back: an earlier time changes nothing."""
        self._now = now = max(now, self._now)
        entries, end = self._entries, now - self._lag
        count = len(entries)
        due = None
        for window in self._windows:
            while window.high < count and entries[window.high][0] <= end:
                window.content.enter(entries[window.high][2])
                window.high += 1
            start = end - window.length
            while window.low < window.high and entries[window.low][0] <= start:
                window.content.leave(entries[window.low][2])
                window.low += 1
            if window.high < count:
                enters = entries[window.high][0] + self._lag
                due = enters if due is None or enters < due else due
            if window.low < window.high:
                leaves = entries[window.low][0] + self._lag + window.length
                due = leaves if due is None or leaves < due else due
        self.due = due
        self.moved = False

    def contents(self) -> list[Kept]:
        """What each window holds now, in the order the windows were given."""
        return [window.content for window in self._windows]
