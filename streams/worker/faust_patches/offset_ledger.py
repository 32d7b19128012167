"""What was read of one partition and what of it may be committed: a chain of links without holes."""

from collections import deque
from dataclasses import dataclass, field
from time import monotonic


@dataclass(slots=True, eq=False)
class OffsetRange:
    """Offsets `start` up to, not including, `end`, handed to an agent at `given_at` (monotonic seconds)."""

    start: int
    end: int
    given_at: float = field(default_factory=monotonic)
    done: bool = False


@dataclass(slots=True, eq=False)
class OffsetLedger:
    """One partition since its position was last set; a new position or another assignment begins a new chain.

    `next` is the offset to read next. Because a link begins where the one before it ended, the end of the done links at
    the head is what may be committed: a link that is not done (H4) holds everything behind it back.
    """

    next: int
    links: deque[OffsetRange] = field(default_factory=deque)

    def add(self, end: int) -> OffsetRange:
        """Give out everything from `next` to `end`."""
        link = OffsetRange(self.next, end)
        self.links.append(link)
        self.next = end
        return link

    def take_back(self, link: OffsetRange) -> None:
        """Undo `add`: the newest link was not handed over after all."""
        if self.links.pop() is not link:
            raise RuntimeError(f"offsets {link.start} to {link.end - 1} are not the newest ones that were given out")
        self.next = link.start

    def pass_over(self, end: int) -> None:
        """Go on at `end`: nothing in between is to be read, so it is done when what was given out before it is."""
        if self.links:
            self.links[-1].end = end
            self.next = end
        else:
            self.add(end).done = True

    def committable(self) -> int | None:
        """The offset that may be committed; None if the head of the chain is not done."""
        end = None
        for link in self.links:
            if not link.done:
                break
            end = link.end
        return end

    def committed(self, offset: int) -> None:
        """Forget the links that the broker keeps the end of."""
        while self.links and self.links[0].done and self.links[0].end <= offset:
            self.links.popleft()

    @property
    def in_hand(self) -> int:
        """How many links are not done."""
        return sum(not link.done for link in self.links)

    @property
    def oldest_in_hand(self) -> OffsetRange | None:
        """The link that has waited longest."""
        return next((link for link in self.links if not link.done), None)
