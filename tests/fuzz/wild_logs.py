"""Logs of wild events: some in order, some late by years, with ticks between them."""

from typing import Final

from schemas.rules import LATEST
from schemas.values import DAY, HOUR, MINUTE, Micros
from tests.fuzz.choices import Choices, chance, pick
from tests.fuzz.oracle import Line, in_time
from tests.fuzz.wild_events import MOMENTS, wild_event

PAUSES: Final[tuple[Micros, ...]] = (0, 1, MINUTE, 15 * MINUTE, DAY, DAY + 15 * MINUTE, DAY + HOUR, 8 * DAY, 400 * DAY)


def wild_log(choices: Choices, longest: int) -> list[Line]:
    """A log whose append times never fall and whose events the intake would let in."""
    lines: list[Line] = []
    now = pick(choices, MOMENTS)
    for _ in range(choices.integer(1, longest)):
        if chance(choices, 4):
            now = min(LATEST, now + pick(choices, PAUSES))
        if chance(choices, 6):
            lines.append(Line(None, now))
            continue
        event = wild_event(choices)
        if event["event_type"] == "clock_tick":
            continue
        if not in_time(event, now):
            now = max(now, _latest(event["occurred_at"], event["incident"]))
        lines.append(Line(event, now))
    return lines


def _latest(occurred_at: Micros, incident: object) -> Micros:
    times = [occurred_at]
    if isinstance(incident, dict):
        times += [incident[name] for name in ("slo_met_at", "alert_cleared_at") if incident[name] is not None]
    return max(times)
