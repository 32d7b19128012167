"""Track the restore: the position of each partition, and whether it has reached its end offset at the start."""

from collections.abc import Mapping
from typing import NamedTuple


class PartitionId(NamedTuple):
    """Topic and partition number."""

    topic: str
    partition: int


class RestoreProgress:
    """Progress of reading each partition up to its end. `ends` has the low and high watermarks at the start.

    Offsets have gaps (compaction), and the last ones may be invisible to consumers (transaction markers). The last
    message therefore does not prove that the end is reached; the consumer's end-of-partition event does.
    """

    def __init__(self, ends: Mapping[PartitionId, tuple[int, int]]) -> None:
        self._pending = {partition: end for partition, (begin, end) in ends.items() if end > begin}
        self._positions = {partition: begin for partition, (begin, _) in ends.items()}

    @property
    def complete(self) -> bool:
        """Whether every partition has been read up to its end offset at the start."""
        return not self._pending

    @property
    def positions(self) -> Mapping[PartitionId, int]:
        """The next offset to read of every partition."""
        return self._positions

    def position(self, partition: PartitionId) -> int | None:
        """Return the next offset to read; None if the partition is not among those read."""
        return self._positions.get(partition)

    def advance(self, partition: PartitionId, offset: int) -> None:
        """Record that everything before `offset` has been read."""
        self._positions[partition] = max(offset, self._positions[partition])
        if offset >= self._pending.get(partition, offset + 1):
            del self._pending[partition]

    def remaining(self) -> int:
        """Return an upper bound of the number of records still to read."""
        return sum(end - self._positions[partition] for partition, end in self._pending.items())
