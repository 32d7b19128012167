"""Format numbers, times and names."""

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
    """Format a value in the unit of its measure; a dash for None."""
    if value is None:
        return NO_VALUE
    if unit == "share":
        return f"{value:.1%}"
    return length(value) if unit == "length" else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def span(unit: Unit, interval: Interval | None) -> str:
    """Format a range."""
    return NO_VALUE if interval is None else f"{number(unit, interval.low)} to {number(unit, interval.high)}"


def size(figure: Estimate) -> str:
    """Format a sample size: "8 of 36", or "n 36"."""
    return f"{figure.hits} of {figure.n}" if isinstance(figure, Share) else f"n {figure.n}"


def count(how_many: int, what: str) -> str:
    """Format a count, as in "1 incident", "2 incidents"."""
    return f"{how_many} {what}" if how_many == 1 else f"{how_many} {what}s"


def day(at: Micros) -> str:
    """Format a date, as in "Mon 30 Mar 2026"."""
    when = _moment(at)
    return f"{_DAYS[when.weekday()]} {short_day(at)} {when.year}"


def short_day(at: Micros) -> str:
    """Format a date without the year, as in "30 Mar"."""
    when = _moment(at)
    return f"{when.day} {_MONTHS[when.month - 1]}"


def last_day(end: Micros) -> str:
    """Format the last day before `end`: for a midnight, the day before it."""
    return short_day(end - 1)


def clock(at: Micros) -> str:
    """Format a time without the year, as in "30 Mar 14:05"."""
    return f"{short_day(at)} {_moment(at):%H:%M}"


def moment(at: Micros) -> str:
    """Format a time, as in "2026-03-30 14:05"."""
    return f"{_moment(at):%Y-%m-%d %H:%M}"


def iso(at: Micros) -> str:
    """Format a time, as in "2026-03-30T14:05:00Z", truncated to seconds."""
    return f"{_moment(at):%Y-%m-%dT%H:%M:%SZ}"


def stretch(begin: Micros, end: Micros) -> str:
    """Format a period: by days if it is whole days, else by minutes."""
    if begin % DAY or end % DAY:
        return f"{moment(begin)} to {moment(end)} UTC"
    return f"{day(begin)} to {day(end - DAY)}, whole days, UTC"


def name_of(place: ServiceEnv, envs: tuple[str, ...]) -> str:
    """Return the service, with its environment if there are several."""
    return plain(place.service if len(envs) == 1 else f"{place.service}/{place.env}")


def short(sha: str | None) -> str:
    """Abbreviate a SHA to a length that still identifies the commit."""
    return plain(sha[:_SHORT_SHA]) if sha else "no commit"


def plain(text: str) -> str:
    """Replace non-printable characters of foreign text, such as terminal controls and direction marks."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def setting(length: Micros) -> str:
    """Format a configured duration: "24h", "24h 15m"; in days only above two."""
    days, rest = divmod(length, DAY)
    if not 0 < days <= _IN_HOURS:
        return format_duration(length)
    hours, rest = divmod(length, HOUR)
    return f"{hours}h {format_duration(rest)}" if rest else f"{hours}h"


def _moment(at: Micros) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC)
