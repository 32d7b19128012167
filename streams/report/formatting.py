"""How numbers, times and names are written."""

from datetime import UTC, datetime
from typing import Final

from schemas.duration import format_duration
from schemas.values import DAY, HOUR, SECOND, Micros
from streams.report.figures import Estimate, Interval, Share
from streams.report.measures import Unit
from streams.report.period_facts import ServiceEnv
from streams.terminal.durations import NO_VALUE, length

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHORT_SHA: Final = 12
_IN_HOURS: Final = 2


def number(unit: Unit, value: float | None) -> str:
    """A value as its measure is written; a dash if there is none."""
    if value is None:
        return NO_VALUE
    if unit == "share":
        return f"{value:.1%}"
    return length(value) if unit == "length" else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def span(unit: Unit, interval: Interval | None) -> str:
    """A range."""
    return NO_VALUE if interval is None else f"{number(unit, interval.low)} to {number(unit, interval.high)}"


def size(figure: Estimate) -> str:
    """What a figure was made from: "8 of 36", or "n 36"."""
    return f"{figure.hits} of {figure.n}" if isinstance(figure, Share) else f"n {figure.n}"


def count(how_many: int, what: str) -> str:
    """As in "1 incident", "2 incidents"."""
    return f"{how_many} {what}" if how_many == 1 else f"{how_many} {what}s"


def day(at: Micros) -> str:
    """As in "Mon 30 Mar 2026"."""
    when = _moment(at)
    return f"{_DAYS[when.weekday()]} {short_day(at)} {when.year}"


def short_day(at: Micros) -> str:
    """As in "30 Mar"."""
    when = _moment(at)
    return f"{when.day} {_MONTHS[when.month - 1]}"


def last_day(end: Micros) -> str:
    """The day on which something ended that lasted up to `end`: of a midnight, the day before."""
    return short_day(end - 1)


def clock(at: Micros) -> str:
    """As in "30 Mar 14:05"."""
    return f"{short_day(at)} {_moment(at):%H:%M}"


def moment(at: Micros) -> str:
    """As in "2026-03-30 14:05"."""
    return f"{_moment(at):%Y-%m-%d %H:%M}"


def iso(at: Micros) -> str:
    """As in "2026-03-30T14:05:00Z"; a fraction of a second is cut off."""
    return f"{_moment(at):%Y-%m-%dT%H:%M:%SZ}"


def stretch(begin: Micros, end: Micros) -> str:
    """From the first to the last day, if it is whole days; else to the minute."""
    if begin % DAY or end % DAY:
        return f"{moment(begin)} to {moment(end)} UTC"
    return f"{day(begin)} to {day(end - DAY)}, whole days, UTC"


def name_of(place: ServiceEnv, envs: tuple[str, ...]) -> str:
    """The service; with its environment where there are several."""
    return plain(place.service if len(envs) == 1 else f"{place.service}/{place.env}")


def short(sha: str | None) -> str:
    """The beginning of a SHA, long enough to find the commit by."""
    return plain(sha[:_SHORT_SHA]) if sha else "no commit"


def plain(text: str) -> str:
    """Text that others wrote, without what would move a cursor or turn the direction of writing."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def setting(length: Micros) -> str:
    """A length that somebody set: "24h", "24h 15m"; in days only if it is many."""
    days, rest = divmod(length, DAY)
    if not 0 < days <= _IN_HOURS:
        return format_duration(length)
    hours, rest = divmod(length, HOUR)
    return f"{hours}h {format_duration(rest)}" if rest else f"{hours}h"


def _moment(at: Micros) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC)
