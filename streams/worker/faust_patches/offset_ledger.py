"""Track which offsets of a partition were read and which may be committed: contiguous offset ranges."""

from collections import deque
from dataclasses import dataclass, field
from time import monotonic


@dataclass(slots=True, eq=False)
class OffsetRange:
    """Offsets from `start` up to, not including, `end`, delivered to an agent at `delivered_at` (monotonic seconds)."""

    start: int
    end: int
    delivered_at: float = field(default_factory=monotonic)
    done: bool = False


@dataclass(slots=True, eq=False)
class OffsetLedger:
    """Ledger of one partition since its last seek; another seek or assignment starts a new ledger.

    `next` is the offset to read next. As ranges are contiguous, the end of the last done range before any that is not
    may be committed: one that is not done (H4) holds back everything after it.
    """

    next: int
    links: deque[OffsetRange] = field(default_factory=deque)

    def add(self, end: int) -> OffsetRange:
        """Add the range from `next` to `end`, about to be delivered."""
        offsets = OffsetRange(self.next, end)
        self.links.append(offsets)
        self.next = end
        return offsets

    def retract(self, offsets: OffsetRange) -> None:
        """Undo `add`: the newest range was not delivered after all."""
        if self.links.pop() is not offsets:
            raise RuntimeError(f"offsets {offsets.start} to {offsets.end - 1} are not the newest ones in the ledger")
        self.next = offsets.start

    def skip_to(self, end: int) -> None:
        """Continue at `end`. There is nothing to read in between, so the gap is done when the range before it is."""
        if self.links:
            self.links[-1].end = end
            self.next = end
        else:
            self.add(end).done = True

    def committable(self) -> int | None:
        """Return the offset that may be committed; None if the first range is not done."""
        end = None
        for offsets in self.links:
            if not offsets.done:
                break
            end = offsets.end
        return end

    def committed(self, offset: int) -> None:
        """Drop the ranges before a committed offset."""
        while self.links and self.links[0].done and self.links[0].end <= offset:
            self.links.popleft()

    @property
    def in_flight(self) -> int:
        """The number of ranges that are not done."""
        return sum(not offsets.done for offsets in self.links)

    @property
    def oldest_in_flight(self) -> OffsetRange | None:
        """The oldest range that is not done; None if all are."""
        return next((offsets for offsets in self.links if not offsets.done), None)
