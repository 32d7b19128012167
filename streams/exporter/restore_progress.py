"""How far each partition is read, and when all that was there at the start is."""

from collections.abc import Mapping
from typing import NamedTuple


class PartitionId(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class RestoreProgress:
    """Counts down to completeness. `ends` holds the first and the next offset of each partition at the start.

    Offsets have gaps (compaction) and end in records that no consumer sees (transaction markers), so the last message
    alone does not tell that the end is reached: the consumer's word that there is nothing more does.
    """

    def __init__(self, ends: Mapping[PartitionId, tuple[int, int]]) -> None:
        self._behind = {place: end for place, (begin, end) in ends.items() if end > begin}
        self._positions = {place: begin for place, (begin, _) in ends.items()}

    @property
    def complete(self) -> bool:
        """Whether every partition has been read up to where it ended at the start."""
        return not self._behind

    @property
    def positions(self) -> Mapping[PartitionId, int]:
        """The offset of every partition that is read next."""
        return self._positions

    def position(self, place: PartitionId) -> int | None:
        """The offset that is read next; None if this partition is not read."""
        return self._positions.get(place)

    def reached(self, place: PartitionId, offset: int) -> None:
        """Note that everything before `offset` is read."""
        self._positions[place] = max(offset, self._positions[place])
        if offset >= self._behind.get(place, offset + 1):
            del self._behind[place]

    def left(self) -> int:
        """At most how many records are missing still."""
        return sum(end - self._positions[place] for place, end in self._behind.items())
