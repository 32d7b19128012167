"""A resolution waits for both sides: the alert's end, and the service meeting its objective again.

Where an objective is configured for the service of an `incident_resolved`, the event is held in a spool of its own
until Prometheus says that the objective is met, and then leaves with `incident.slo_met_at`. That moment is looked up in
what Prometheus has recorded since the resolution, on a fixed grid of times, so it does not depend on when it was asked:
not on an outage, not on a restart, not on a delivery that came twice.

For the sidecar's app:

    slo = open_gate(settings, folder, release, environ)   # prometheus.py; only if there is a `slo` section
    await slo.start(); ...; await slo.stop()
    held, rest = slo.split(events)      # before the events go to the spool
    await slo.hold(held)                # durable when it returns; SpoolFull and SpoolUnusable as `Spool.put_all`

`release` is given each event that is done waiting and has it on the disk when it returns; if it raises, the event is
kept. A crash between the two sends it twice under one event id, with one content. `slo.state` has the numbers for
/metrics. `slo.task` ends by a fault of this program only.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from producers.events.event_builder import event_from
from producers.sidecar.slo.settings import SloObjective, SloSettings
from producers.spool.message_file import DamagedMessageFile, SpooledMessage
from producers.spool.spool import Spool, SpoolBusy, SpoolEntry, SpoolFull, SpoolLimits, SpoolUnusable
from schemas.duration import format_duration
from schemas.errors import ContractError
from schemas.events import DeployEvent
from schemas.models import from_micros
from schemas.values import SECOND, EventValue, Micros

POINTS: Final = 10_000
"""Prometheus answers at most 11 000 points a series."""
GAVE_UP: Final = "slo_not_met_within"
"""The attribute of a resolution that left without `slo_met_at`."""

_ANY_TIME: Final = datetime.max.replace(tzinfo=UTC)
"""Of a clock that no event is ahead of: their times were checked when they came."""
_log: Final = logging.getLogger(__name__)


class QueryGrid(NamedTuple):
    """Which times to ask for, in seconds since 1970."""

    begin: float
    end: float
    step: float


class SloUnavailable(Exception):
    """Prometheus does not answer; asking for anything else now is no use either."""


class SloRefused(Exception):
    """Prometheus says that the query is wrong."""


Ask = Callable[[str, QueryGrid], Awaitable[Any]]
"""The `data` of Prometheus' answer to a range query. Raises SloUnavailable or SloRefused."""
Release = Callable[[EventValue], Awaitable[None]]


@dataclass
class SloState:
    """The numbers for /metrics."""

    waiting: int = 0
    released: int = 0
    gave_up: int = 0
    failures: int = 0
    """Questions that Prometheus did not answer."""


def waits_for(settings: SloSettings, event: EventValue) -> SloObjective | None:
    """The objective that a resolution has to wait for; None for all other events."""
    incident = event["incident"]
    if event["event_type"] != "incident_resolved" or event["lane"] in {"rehearsal", "synthetic"}:
        return None
    if incident is not None and incident["slo_met_at"] is not None:
        return None
    return next((each for each in settings.objectives if each.covers(event["service"], event["env"])), None)


def met_at(data: Any, objective: SloObjective) -> float | None:
    """The first time of a range query's answer at which there is a series and every series meets the objective.

    NaN meets nothing, and no series is no proof: then the objective is not known to be met. What cannot be read counts
    as no answer.
    """
    by_time: dict[float, list[bool]] = {}
    series = data.get("result") if isinstance(data, dict) else None
    for each in series if isinstance(series, list) else []:
        for at, value in _points(each):
            by_time.setdefault(at, []).append(objective.met_by(value))
    return min((at for at, met in by_time.items() if all(met)), default=None)


def _points(series: Any) -> Iterable[tuple[float, float]]:
    points = series.get("values") if isinstance(series, dict) else None
    for point in points if isinstance(points, list) else []:
        with suppress(TypeError, ValueError):
            at, value = point
            yield float(at), float(value)


def grid(occurred_at: Micros, asked_until: float | None, now: float, step: float) -> QueryGrid | None:
    """The times since the resolution that have not been asked for; None if there are none yet.

    The grid begins at the resolution. It is as coarse as it has to be for Prometheus to answer in one piece.
    """
    begin = occurred_at / SECOND if asked_until is None else asked_until + step
    if begin > now:
        return None
    wide = step * max(1, -int(-(now - begin) // (step * POINTS)))
    return QueryGrid(begin, now, wide)


def with_slo(event: EventValue, met: float) -> EventValue:
    """The resolution with the moment from which on the objective was met; never before the resolution itself."""
    data = json.loads(_as_json(event))
    micros = max(event["occurred_at"], round(met * SECOND))
    data["incident"] = {**data.get("incident", {}), "slo_met_at": from_micros(micros).isoformat()}
    return event_from(data, _ANY_TIME).value


def without_slo(event: EventValue, waited: str) -> EventValue:
    """The resolution as it came, with a note that the objective was not met within this time."""
    return {**event, "attributes": {**event["attributes"], GAVE_UP: waited}}


class SloGate:
    """Holds resolutions back until their service meets its objective, and sends them on."""

    def __init__(
        self,
        settings: SloSettings,
        folder: str,
        release: Release,
        ask: Ask,
        *,
        close: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state: Final = SloState()
        self._settings = settings
        self._spool = Spool(folder, SpoolLimits(settings.max_bytes, settings.max_files), clock)
        self._release = release
        self._ask = ask
        self._clock = clock
        self._asked_until: dict[str, float] = {}
        self._close = close
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to ask. What waits from before is taken up again."""
        self.state.waiting = len(await asyncio.to_thread(self._spool.entries))
        self.task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ask no more. What waits stays on the disk."""
        if self.task is not None and self.task.cancel():
            await asyncio.wait([self.task])
        if self._close is not None:
            await self._close()
        self._spool.close()

    def split(self, events: Iterable[EventValue]) -> tuple[list[EventValue], list[EventValue]]:
        """Those that have to wait, and the others, which may go at once."""
        held: list[EventValue] = []
        rest: list[EventValue] = []
        for event in events:
            (rest if waits_for(self._settings, event) is None else held).append(event)
        return held, rest

    async def hold(self, events: Sequence[EventValue]) -> None:
        """Keep events until they may leave. What waits already, under the same id, is not kept twice.

        Raises:
            SpoolFull: too many wait; none of these is kept.
            SpoolUnusable: the disk refused.
        """
        if events:
            await asyncio.to_thread(self._put, events)

    def _put(self, events: Sequence[EventValue]) -> None:
        known = {_event_id(entry) for entry in self._spool.entries()}
        fresh = {event["event_id"]: event for event in events if event["event_id"] not in known}
        self._spool.put_all([_parcel(event) for event in fresh.values()])
        self.state.waiting = len(known | fresh.keys())

    async def _run(self) -> None:
        while True:
            try:
                await self.check()
            except (SpoolUnusable, SpoolFull) as error:
                _log.warning("the resolutions that wait for an objective cannot be looked at: %s", error)
            await asyncio.sleep(self._settings.poll_seconds)

    async def check(self) -> None:
        """Ask once for everything that waits, the oldest first, and send on what is done."""
        with suppress(SpoolBusy), self._spool.draining():
            for entry in await asyncio.to_thread(self._spool.entries):
                try:
                    await self._check(entry)
                except SloUnavailable as error:
                    self.state.failures += 1
                    _log.warning("the objectives cannot be looked up, resolutions go on waiting: %s", error)
                    await self._give_up_overdue()
                    break
        self.state.waiting = len(await asyncio.to_thread(self._spool.entries))

    async def _check(self, entry: SpoolEntry) -> None:
        event = await self._read(entry)
        if event is None:
            return
        objective = waits_for(self._settings, event)
        met = await self._met(entry, event, objective) if objective is not None else None
        if met is not None:
            await self._leave(entry, with_slo(event, met))
            self.state.released += 1
        elif objective is None:  # the settings have changed
            await self._leave(entry, event)
            self.state.released += 1
        else:
            await self._give_up_if_overdue(entry, event)

    async def _met(self, entry: SpoolEntry, event: EventValue, objective: SloObjective) -> float | None:
        asked = grid(
            event["occurred_at"],
            self._asked_until.get(entry.name),
            min(self._clock(), entry.put_at + self._settings.longest_seconds),
            self._settings.step_seconds,
        )
        if asked is None:
            return None
        try:
            data = await self._ask(objective.query_for(event["service"], event["env"]), asked)
        except SloRefused as error:
            self.state.failures += 1
            _log.warning("the objective of %s cannot be looked up; correct its query: %s", event["service"], error)
            return None
        met = met_at(data, objective)
        if met is None:
            self._asked_until[entry.name] = asked.begin + (asked.end - asked.begin) // asked.step * asked.step
        return met

    async def _give_up_overdue(self) -> None:
        """While Prometheus is away nothing waits for longer than it may either."""
        for entry in await asyncio.to_thread(self._spool.entries):
            event = await self._read(entry)
            if event is not None:
                await self._give_up_if_overdue(entry, event)

    async def _give_up_if_overdue(self, entry: SpoolEntry, event: EventValue) -> None:
        longest = self._settings.longest_seconds
        if self._clock() - entry.put_at >= longest:
            await self._leave(entry, without_slo(event, format_duration(self._settings.longest_wait)))
            self.state.gave_up += 1
            _log.warning("%s of %s: the objective was not met in time", event["incident_id"], event["service"])

    async def _leave(self, entry: SpoolEntry, event: EventValue) -> None:
        await self._release(event)
        await asyncio.to_thread(self._spool.remove, entry)
        self._asked_until.pop(entry.name, None)

    async def _read(self, entry: SpoolEntry) -> EventValue | None:
        try:
            parcel = await asyncio.to_thread(self._spool.read, entry)
            return None if parcel is None else event_from(json.loads(parcel.content), _ANY_TIME).value
        except (DamagedMessageFile, ContractError, ValueError) as error:
            await asyncio.to_thread(self._spool.quarantine, entry, str(error))
            _log.warning("%s: put into the quarantine: %s", entry.name, error)
            return None


def _parcel(event: EventValue) -> SpooledMessage:
    return SpooledMessage(event["event_id"], event["service"], _as_json(event).encode(), "json")


def _as_json(event: EventValue) -> str:
    return DeployEvent.from_value(event).model_dump_json(exclude_none=True)


def _event_id(entry: SpoolEntry) -> str:
    return entry.name.partition("-")[2]
