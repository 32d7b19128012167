"""The log read again in event time, through the workers' core. Pure.

The clock is when each event happened (semantics.md, section 1: of event time), not when it was received: history that
was imported in a minute is spread over the time that it tells of, and a number comes due when it would have.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from schemas.values import EventValue, IncidentRecordValue, MetricsValue, Micros
from streams.core.settings import Settings
from streams.core.shelf import Shelf

MADE_BY_WORKERS: Final = frozenset(("clock_tick", "cause_linked"))
"""What a replay makes itself, at its own time."""


class Moment(NamedTuple):
    """What changed since the moment before."""

    at: Micros
    metrics: list[MetricsValue]
    incidents: list[IncidentRecordValue]


def told_at(event: EventValue) -> Micros:
    """The earliest time at which all that the event tells of had happened."""
    incident = event["incident"]
    later = (incident["slo_met_at"], incident["alert_cleared_at"]) if incident else ()
    return max(event["occurred_at"], *(at for at in later if at is not None), 0)


def replay(events: Iterable[EventValue], settings: Settings, moments: Iterable[Micros]) -> Iterator[Moment]:
    """The changes at each of the rising `moments`. `events` are in the order of `told_at`; later ones are not read."""
    shelf = Shelf(0, settings)
    offset = 0
    waiting = chain((event for event in events if event["event_type"] not in MADE_BY_WORKERS), [None])
    following = next(waiting)
    links: list[EventValue] = []
    for moment in moments:
        for link in links:
            shelf.read(link, shelf.clock, offset)
            offset += 1
        while following is not None and told_at(following) <= moment:
            shelf.read(following, told_at(following), offset)
            offset += 1
            following = next(waiting)
        shelf.read(None, moment, offset)
        offset += 1
        changes = shelf.collect()
        links = changes.links
        yield Moment(moment, changes.metrics, changes.incidents)
