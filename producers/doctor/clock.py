"""Judge a difference of clocks. Pure."""

from typing import Final

from producers.doctor.finding import CheckResult, ok, problem, unknown, warning
from producers.errors import ExitCode
from producers.events.event_builder import MAX_FUTURE
from schemas.values import SECOND

CLOSE: Final = 30.0
"""Seconds that matter to no number."""


def check_clock(ahead: float | None, whose: str) -> CheckResult:
    """Judge the seconds that another clock is ahead of this machine's; None if unknown."""
    if ahead is None:
        advice = "--send compares with the broker's clock"
        return unknown("clock", "there is no other clock to compare with that can be read", advice)
    text = f"is {abs(ahead):.0f} s {'behind' if ahead > 0 else 'ahead of'} that of {whose}"
    if abs(ahead) <= CLOSE:
        return ok("clock", f"{text}, which is close enough")
    if -ahead > MAX_FUTURE / SECOND:
        return problem("clock", text, "set it: events from the future are refused by the worker", ExitCode.USAGE)
    return warning("clock", text, "set it: times that are measured from now are wrong by as much")
