"""The one loop of every replay: events in, the clock on, what changed out. Pure.

`compute`, `report` and `trace` replay into `KnownStates`, where all was known for ever; `backfill metrics` replays into
a history, where each event was learned when it happened.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, Protocol, TypeVar

from schemas.values import EventValue, Micros

MADE_BY_WORKERS: Final = frozenset(("clock_tick", "cause_linked"))
"""Events that a replay makes itself, at its own time."""

Moment_co = TypeVar("Moment_co", covariant=True)


class ReplayStates(Protocol[Moment_co]):
    """What events are replayed into."""

    def read(self, event: EventValue) -> None:
        """Read one event."""
        ...

    def move_to(self, at: Micros) -> Moment_co:
        """Move the clock on, and return what is to be seen then."""
        ...


def event_time(event: EventValue) -> Micros:
    """Return the earliest time at which all that the event tells of had happened."""
    incident = event["incident"]
    later = (incident["slo_met_at"], incident["alert_cleared_at"]) if incident else ()
    return max(event["occurred_at"], *(at for at in later if at is not None), 0)


def sent_events(events: Iterable[EventValue]) -> tuple[EventValue | None, Iterator[EventValue]]:
    """Return the events that producers sent, in their order, and the first of them, None if there is none."""
    sent = (event for event in events if event["event_type"] not in MADE_BY_WORKERS)
    first = next(sent, None)
    return first, chain(() if first is None else (first,), sent)


def replay(
    events: Iterable[EventValue], moments: Iterable[Micros], states: ReplayStates[Moment_co], ahead: Micros = 0
) -> Iterator[Moment_co]:
    """Yield what is to be seen at each of the rising `moments`.

    `events` come in the order of `event_time`, without those that workers made. At a moment, those are read that had
    happened by `ahead` after it; once one is later, those behind it wait.
    """
    waiting = iter(events)
    following = next(waiting, None)
    for moment in moments:
        while following is not None and event_time(following) <= moment + ahead:
            states.read(following)
            following = next(waiting, None)
        yield states.move_to(moment)
