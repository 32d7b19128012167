"""Collect the events of an import by id, and everything that could not become an event by name."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from producers.events.event_builder import Assignment, BuiltEvent, build_event
from producers.terminal.progress import CountableItems, Show, no_progress, with_progress
from schemas.errors import ContractError
from schemas.values import Micros

UNTOLD: Final = datetime(1999, 1, 1, tzinfo=UTC)
"""Stands for a time that an export does not have. A webhook may take its own arrival for it; an import may not."""

_Item = TypeVar("_Item")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class TimeRange(NamedTuple):
    """The times of the events that are wanted: from `since` on, before `until`; None: no end."""

    since: Micros | None = None
    until: Micros | None = None

    def holds(self, at: Micros) -> bool:
        """Check that this time is within the range."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


class ImportRefusal(NamedTuple):
    """What should have become an event and did not."""

    place: str
    problem: str


@dataclass(slots=True)
class ImportedEvents:
    """Collect the results of an import, independent of the order of its input."""

    now: datetime
    span: TimeRange = field(default_factory=TimeRange)
    events: dict[str, BuiltEvent] = field(default_factory=dict)
    refused: dict[ImportRefusal, None] = field(default_factory=dict)
    """In the order in which they were met, each once."""
    ignored: Counter[str] = field(default_factory=Counter)
    """Why things that are well understood stand for no event, with how many there were."""
    notes: list[str] = field(default_factory=list)
    """What people should know about the numbers that will come of it."""
    outside: int = 0
    """Events before --since, or not before --until."""
    progress: Show = no_progress
    """Progress display."""

    def add(self, assigned: Sequence[Assignment], place: str) -> None:
        """Take an event as its fields; what the contract refuses is refused here."""
        try:
            built = build_event(assigned, self.now)
        except ContractError as error:
            at = next((entry.origin for entry in assigned if entry.path == error.path), None)
            self.refuse(place, f"{error}" + (f" (from {at})" if at else ""))
            return
        self.keep(built)

    def keep(self, built: BuiltEvent) -> None:
        """Take an event. Of two with one id the earlier is kept, or the one whose text sorts first.

        Commits may be older than what is asked for: deployments of that time carry them.
        """
        value = built.value
        span = self.span._replace(since=None) if value["event_type"] == "commit_created" else self.span
        if not span.holds(value["occurred_at"]):
            self.outside += 1
            return
        name = value["event_id"]
        other = self.events.get(name)
        if other is None or _rank(built) < _rank(other):
            self.events[name] = built

    def through(self, doing: str, items: CountableItems[_Item]) -> Iterator[_Item]:
        """The items, one by one, showing how far it is."""
        return with_progress(self.progress, doing, items)

    def refuse(self, place: str, problem: str) -> None:
        """Record an item that cannot become an event."""
        self.refused[ImportRefusal(place, problem)] = None


def _rank(built: BuiltEvent) -> tuple[Micros, str]:
    return built.value["occurred_at"], built.as_json()


def micros_of(moment: datetime) -> Micros:
    """Format a time as events have it."""
    return (moment - _EPOCH) // _MICROSECOND
