"""Sections 1 and 2: which events count, and in which order."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from schemas.fingerprint import fingerprint
from schemas.values import EventValue, Micros

Fact = TypeVar("Fact")
Seen = Callable[[EventValue], Micros]
"""The clock of the log when an event that counts was first known."""
FOR_EVER: Final[Micros] = -(1 << 62)
"""Before any clock."""


def for_ever(_: EventValue) -> Micros:
    """Everything was always known, as in a computation without a broker."""
    return FOR_EVER


def order(version: tuple[bytes, EventValue]) -> tuple[Micros, bytes]:
    """Earlier first; of one moment, by canonical bytes."""
    canonical, event = version
    return event["occurred_at"], canonical


def moments(event: EventValue) -> list[Micros]:
    """Every time an event claims that may not lie in the future."""
    incident = event["incident"]
    claimed = [event["occurred_at"]]
    if incident is not None:
        claimed += [at for at in (incident["slo_met_at"], incident["alert_cleared_at"]) if at is not None]
    return claimed


def accepted(events: Iterable[EventValue], latest: Micros) -> list[EventValue]:
    """Without the events that claim a time after `latest`."""
    return [event for event in events if max(moments(event)) <= latest]


def versions(events: Iterable[EventValue]) -> dict[str, dict[bytes, EventValue]]:
    """By event id, the different contents that came under it."""
    found: dict[str, dict[bytes, EventValue]] = {}
    for event in events:
        found.setdefault(event["event_id"], {})[fingerprint(event)] = event
    return found


def conflicts(events: Iterable[EventValue]) -> int:
    """How many contents lost against another one under the same event id."""
    return sum(len(contents) - 1 for contents in versions(events).values())


def one_per_id(events: Iterable[EventValue]) -> list[EventValue]:
    """The content that counts of every event id, in event order."""
    first = [min(contents.items(), key=order) for contents in versions(events).values()]
    return [event for _, event in sorted(first, key=order)]


def in_earnest(events: Iterable[EventValue]) -> list[EventValue]:
    """Without rehearsals and synthetic traffic, which enter no number."""
    return [event for event in events if event["lane"] not in {"rehearsal", "synthetic"}]


def known(events: Iterable[EventValue], latest: Micros) -> list[EventValue]:
    """The events that enter the numbers, in event order."""
    return in_earnest(one_per_id(accepted(events, latest)))


def earliest(events: Sequence[EventValue], read: Callable[[EventValue], Fact | None]) -> Fact | None:
    """What the earliest of the events (given in event order) that reports a fact says of it."""
    return next((fact for event in events if (fact := read(event)) is not None), None)
