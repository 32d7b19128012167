"""What the pipeline's story says: so much more of everything at each step."""

from functools import cache
from typing import Final

from producers.spool.message_file import pack
from schemas.values import DAY, SECOND, Micros
from tests.support.company_history import END
from tests.support.expected.asked import COUNTED, RISEN, Expectation, View, fixed
from tests.support.pipeline_story import (
    ASIDE,
    ERRORS,
    INSTANCES,
    LENGTH,
    PUT,
    REQUESTS,
    ROOM,
    ROOM_BYTES,
    moments,
    parcel,
)

BOTH: Final = len(INSTANCES)
"""Sums are of so many sidecars, or processes of the application."""
BUDGET: Final = 0.001
"""What the objective of 99.9 % allows to fail."""


@cache
def _scrapes() -> tuple[Micros, ...]:
    return tuple(moments(END))


def scrapes() -> int:
    """How often the pipeline was scraped."""
    return len(_scrapes())


def steps(view: View, over: Micros | None = None) -> int:
    """How many there were since the point before, or in a longer time."""
    since = view.at - (over or view.over)
    return sum(since < at <= view.at for at in _scrapes())


def told(view: View) -> bool:
    """Whether the story had begun at the point before: nothing rises since a time without a sample."""
    return view.at - view.over >= END - LENGTH


def rise(amount: int, *line: str, by: tuple[str, ...] = ()) -> Expectation:
    """By how much it rose since the point before."""
    return Expectation(lambda view: {line: amount * steps(view)} if told(view) else {}, by, RISEN)


def rise_of_a_day(amount: int) -> Expectation:
    """By how much it rose in a day."""
    return Expectation(lambda view: {(): amount * steps(view, DAY)}, near=COUNTED)


def rate(*amounts: tuple[tuple[str, ...], int], by: tuple[str, ...] = ()) -> Expectation:
    """How many a second since the point before."""
    return Expectation(lambda view: {line: amount * steps(view) / view.seconds for line, amount in amounts}, by, RISEN)


def requests() -> Expectation:
    """Requests a second, by status."""
    return Expectation(lambda _: {("200",): BOTH * (REQUESTS - ERRORS), ("503",): BOTH * ERRORS}, ("status",), RISEN)


def error_ratio() -> Expectation:
    """Of the canaried application; the same over any time."""
    return Expectation(lambda _: {("myapp",): ERRORS / REQUESTS}, ("app",))


def burn() -> Expectation:
    """How many times faster than allowed its budget is used up."""
    return Expectation(lambda _: {("myapp",): ERRORS / REQUESTS / BUDGET}, ("app",))


def applications() -> Expectation:
    """The applications that have an error ratio."""
    return Expectation(lambda _: {("myapp",): 1}, ("app",))


def files() -> Expectation:
    """Messages that wait on the disk."""
    return fixed(BOTH * (PUT - ASIDE))


def files_share() -> Expectation:
    """The same, of as many as there is room for."""
    return fixed((PUT - ASIDE) / ROOM)


def bytes_share() -> Expectation:
    """Their bytes, of as many as there is room for."""
    return fixed(sum(len(pack(parcel(number))) for number in range(ASIDE, PUT)) / ROOM_BYTES)


def waiting_for() -> Expectation:
    """Seconds that the oldest message has waited, since the story began; put with millisecond precision."""
    return fixed(LENGTH / SECOND, near=1e-6)


def settings() -> Expectation:
    """The settings in force, and how many say so."""
    labels = {
        "failure_window": "1d",
        "lateness": "15m",
        "max_future": "5m",
        "canary_timeout": "1d",
        "failing_severities": "sev1,sev2",
        "production_envs": "prod",
    }
    return Expectation(lambda _: {tuple(labels.values()): 1}, tuple(labels))
