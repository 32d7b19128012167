"""The log read again in event time, through the workers' core. Pure.

The clock is when each event happened (semantics.md, section 1: of event time), not when it was received: history that
was imported in a minute is spread over the time that it tells of, and a number comes due when it would have. Gauges
say what the events by then said; counters end where those of the workers are.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from schemas.values import EventValue, IncidentRecordValue, MetricsValue, Micros
from streams.core.partition_state import PartitionState
from streams.core.settings import MetricSettings
from streams.replay.loop import event_time, replay, sent_events


class ReplayMoment(NamedTuple):
    """What changed since the moment before."""

    at: Micros
    metrics: list[MetricsValue]
    incidents: list[IncidentRecordValue]


def replay_history(
    events: Iterable[EventValue],
    settings: MetricSettings,
    moments: Iterable[Micros],
    imported: Iterable[EventValue] = (),
) -> Iterator[ReplayMoment]:
    """Yield the changes at each of the rising `moments`. `events` are in the order of `event_time`.

    `imported` are those of them that workers got long after they happened, in the same order. Workers knew all of
    these at once, so they counted each deployment and incident for its final outcome, without a revision; here they
    are counted for the same outcome, when it was due, and the series go on where these end.
    """
    first, sent = sent_events(events)
    yield from replay(sent, moments, _History(settings, first, sent_events(imported)[1]))


class _History:
    """The snapshots by event time, with the counters of workers that got the imported events at once."""

    def __init__(self, settings: MetricSettings, first: EventValue | None, imported: Iterable[EventValue]) -> None:
        self._seen, counted = _Run(settings), _Run(settings)
        foreseen = first is not None and counted.read_at(event_time(first), imported)
        self._counted = counted if foreseen else None
        self._merged = _Merged()

    def read(self, event: EventValue) -> None:
        """Read an event when it had happened."""
        self._seen.read(event)
        if self._counted is not None:
            self._counted.read(event)  # again, which changes nothing, or for the first time

    def move_to(self, at: Micros) -> ReplayMoment:
        """Move the clock on, and return what has changed."""
        found = self._seen.move_to(at)
        if self._counted is None:
            return found
        return found._replace(metrics=self._merged.take(found.metrics, self._counted.move_to(at).metrics))


class _Run:
    """A partition state that reads events, and the links that it makes of them."""

    def __init__(self, settings: MetricSettings) -> None:
        self._partition_state = PartitionState(0, settings)
        self._offset = 0

    def read_at(self, moment: Micros, events: Iterable[EventValue]) -> bool:
        """Read events as if all were known at this moment. Whether there are any."""
        found = False
        for event in events:
            self._take(event, moment)
            found = True
        return found

    def read(self, event: EventValue) -> None:
        """Read an event when it had happened."""
        self._take(event, event_time(event))

    def move_to(self, at: Micros) -> ReplayMoment:
        """Move the clock on, and take what has changed; a link that was made is read at once, as from the log."""
        metrics: dict[tuple[str, str], MetricsValue] = {}
        incidents: dict[tuple[str, str], IncidentRecordValue] = {}
        links: list[EventValue | None] = [None]
        while links:
            for link in links:
                self._take(link, at)
            changes = self._partition_state.collect()
            metrics |= {(value["service"], value["env"]): value for value in changes.metrics}
            incidents |= {(value["service"], value["incident_id"]): value for value in changes.incidents}
            links = list(changes.links)
        return ReplayMoment(at, list(metrics.values()), list(incidents.values()))

    def _take(self, event: EventValue | None, at: Micros) -> None:
        self._partition_state.read(event, at, self._offset)
        self._offset += 1


_KNOWN_AT_ONCE: Final = ("failures", "late_failures", "conflicting_events")
"""Counters that rise when something is learned, not when it is due."""


class _Merged:
    """Snapshots as they were, with the counters of those who knew what would come."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], MetricsValue] = {}
        self._counted: dict[tuple[str, str], MetricsValue] = {}

    def take(self, seen: Iterable[MetricsValue], counted: Iterable[MetricsValue]) -> list[MetricsValue]:
        """Return what either changed, merged; what has not begun yet is left out."""
        changed: dict[tuple[str, str], None] = {}
        for held, values in ((self._seen, seen), (self._counted, counted)):
            for value in values:
                key = (value["service"], value["env"])
                held[key] = value
                changed[key] = None
        return [self._one(self._seen[key], self._counted.get(key)) for key in changed if key in self._seen]

    @staticmethod
    def _one(seen: MetricsValue, counted: MetricsValue | None) -> MetricsValue:
        if counted is None:
            return seen
        counters = counted["counters"].copy()
        for name in _KNOWN_AT_ONCE:
            counters[name] = seen["counters"][name]
        return {**seen, "counters": counters}
