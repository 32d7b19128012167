"""Determine the period of a review and the previous one, in UTC."""

import re
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from schemas.duration import format_duration
from schemas.values import DAY, HOUR, SECOND, Micros

WEEK: Final[Micros] = 7 * DAY
_MAX_LENGTH: Final = 400 * DAY
"""Retention of the log."""
_WEEK_NAME: Final = re.compile(r"(?:(\d{4})-)?[Ww]?(\d{1,2})")
_QUARTER_NAME: Final = re.compile(r"(?:(\d{4})-)?[Qq]?([1-4])")


class ReviewPeriod(NamedTuple):
    """A named period from `begin` up to, not including, `end`."""

    name: str
    begin: Micros
    end: Micros

    @property
    def length(self) -> Micros:
        """Length of the period in microseconds."""
        return self.end - self.begin


class PeriodPair(NamedTuple):
    """The period of a review and the previous one."""

    now: ReviewPeriod
    before: ReviewPeriod


def week(name: str | None, now: Micros) -> PeriodPair:
    """Return an ISO week: "13", "W13" or "2026-W13"; for None, the last complete one.

    Raises:
        ValueError: no such week, or it is not over.
    """
    if name is None:
        year, number, _ = _moment(now - WEEK).isocalendar()
    else:
        match = _WEEK_NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name!r} is no week: write 13 or 2026-W13")
        year, number = int(match[1] or _moment(now).isocalendar().year), int(match[2])
    try:
        begin = _midnight(date.fromisocalendar(year, number, 1))
    except ValueError as error:
        raise ValueError(f"{year} has no week {number}") from error
    period = ReviewPeriod(f"week {number} of {year}", begin, begin + WEEK)
    return _require_past(PeriodPair(period, ReviewPeriod("the week before", begin - WEEK, begin)), now)


def quarter(name: str | None, now: Micros) -> PeriodPair:
    """Return a quarter of the calendar year: "1", "Q1" or "2026-Q1"; for None, the last complete one.

    Raises:
        ValueError: no such quarter, or it is not over.
    """
    today = _moment(now)
    if name is None:
        year, number = _quarter_before(today.year, (today.month + 2) // 3)
    else:
        match = _QUARTER_NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name!r} is no quarter: write 1 or 2026-Q1")
        year, number = int(match[1] or today.year), int(match[2])
    before = _quarter_before(year, number)
    begin, end = _quarter_begin(year, number), _quarter_begin(year, number + 1)
    period = ReviewPeriod(f"quarter {number} of {year}", begin, end)
    return _require_past(PeriodPair(period, ReviewPeriod("the quarter before", _quarter_begin(*before), begin)), now)


def last(length: Micros, end: Micros) -> PeriodPair:
    """Return the period of a length that ends at `end`. Raises ValueError as `between`."""
    return between(end - length, end, f"the last {_in_words(length)}")


def between(begin: Micros, end: Micros, name: str | None = None) -> PeriodPair:
    """Return the period from `begin` to `end`. Raises ValueError if it is too short or longer than the retention."""
    if end <= begin:
        raise ValueError("the period must begin before it ends")
    length = end - begin
    if not HOUR <= length <= _MAX_LENGTH:
        raise ValueError(f"a period lasts an hour at least and {_MAX_LENGTH // DAY} days at the most")
    before = ReviewPeriod(f"the {_in_words(length)} before", begin - length, begin)
    return PeriodPair(ReviewPeriod(name or _in_words(length), begin, end), before)


def whole_hour(now: Micros) -> Micros:
    """Round down to the hour: periods up to "now" end there, so that two runs within an hour agree."""
    return now // HOUR * HOUR


def _in_words(length: Micros) -> str:
    days, rest = divmod(length, DAY)
    return format_duration(length) if rest or days == 1 else f"{days} days"


def _require_past(pair: PeriodPair, now: Micros) -> PeriodPair:
    if pair.now.end > now:
        raise ValueError(f"{pair.now.name} is not over: ask for it afterwards, or for --last 7d")
    return pair


def _quarter_before(year: int, number: int) -> tuple[int, int]:
    return (year, number - 1) if number > 1 else (year - 1, 4)


def _quarter_begin(year: int, number: int) -> Micros:
    return _midnight(date(year + (number - 1) // 4, (number - 1) % 4 * 3 + 1, 1))


def _moment(at: Micros) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC)


def _midnight(day: date) -> Micros:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
