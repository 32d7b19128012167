"""A partition state that only counts the events of each service, in one row and one record per service."""

from collections.abc import Iterable, Sequence
from typing import Any

from typing_extensions import override

from schemas.values import ChangeValue, EventValue, Micros
from streams.core.partition_state import PartitionChanges
from streams.core.settings import MetricSettings


class CountingPartitionState:
    """Stands in for `streams.core.partition_state.PartitionState`.

    A row says up to which offset it counted, so nothing counts twice.


    What it publishes is a change "count" of each service, whose `revisions` are the count.
    """

    def __init__(self, partition: int, settings: MetricSettings) -> None:
        self.partition = partition
        self.offset = -1
        self.clock: Micros = 0
        self.counts: dict[str, tuple[int, int]] = {}
        self._changed: set[str] = set()
        self._moved = False
        self._moments: Sequence[tuple[Micros, int]] = ()

    def restore(self, rows: Iterable[tuple[str, Sequence[Any]]]) -> None:
        for key, row in rows:
            if key == "partition":
                self.clock, self.offset = row
            else:
                self.counts[key] = (row[0], row[1])

    def begin(self, moments: Sequence[tuple[Micros, int]]) -> int:
        self._moments = moments
        return len(moments)

    def take(self, event: EventValue | None, position: int) -> None:
        offset = self._moments[position][1]
        if event is None or offset <= self.offset:
            return
        count, counted_to = self.counts.get(event["service"], (0, -1))
        if offset > counted_to:
            self.counts[event["service"]] = (count + 1, offset)
            self._changed.add(event["service"])

    def finish(self) -> None:
        for append_time, offset in self._moments:
            if offset > self.offset:
                self.offset = offset
                self.clock = max(self.clock, append_time)
                self._moved = True

    def collect(self) -> PartitionChanges:
        changed, self._changed = sorted(self._changed), set()
        rows: list[tuple[str, Any]] = [(service, self.counts[service]) for service in changed]
        if self._moved:
            rows.append(("partition", (self.clock, self.offset)))
            self._moved = False
        return PartitionChanges([], [], [self._count(service) for service in changed], [], [], rows)

    def _count(self, service: str) -> ChangeValue:
        return {
            "service": service,
            "change_id": "count",
            "as_of": {"partition": self.partition, "offset": self.offset},
            "commits": [],
            "first_commit_at": None,
            "first_commit_sha": None,
            "stages": [],
            "promotions": [],
            "revisions": self.counts[service][0],
        }


class FailingPartitionState(CountingPartitionState):
    """Breaks on an event of the service `broken`, as a bug of ours would."""

    @override
    def take(self, event: EventValue | None, position: int) -> None:
        if event is not None and event["service"] == "broken":
            raise ZeroDivisionError("a bug")
        super().take(event, position)
