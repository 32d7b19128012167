"""The stretch of time that a review is about, and the one before it. All in UTC."""

import re
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from schemas.duration import format_duration
from schemas.values import DAY, HOUR, SECOND, Micros

WEEK: Final[Micros] = 7 * DAY
_LONGEST: Final = 400 * DAY
"""As long as the log is kept."""
_WEEK_NAME: Final = re.compile(r"(?:(\d{4})-)?[Ww]?(\d{1,2})")
_QUARTER_NAME: Final = re.compile(r"(?:(\d{4})-)?[Qq]?([1-4])")


class ReviewPeriod(NamedTuple):
    """From `begin` up to `end`, and what people call it."""

    name: str
    begin: Micros
    end: Micros

    @property
    def length(self) -> Micros:
        """How long it lasts."""
        return self.end - self.begin


class PeriodPair(NamedTuple):
    """What a review compares."""

    now: ReviewPeriod
    before: ReviewPeriod


def week(name: str | None, now: Micros) -> PeriodPair:
    """An ISO week, from Monday to Monday: "13", "W13" or "2026-W13"; None: the last one that is over.

    Raises:
        ValueError: there is no such week, or it is not over.
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
    return _over(PeriodPair(period, ReviewPeriod("the week before", begin - WEEK, begin)), now)


def quarter(name: str | None, now: Micros) -> PeriodPair:
    """A quarter of the calendar year: "1", "Q1" or "2026-Q1"; None: the last one that is over.

    Raises:
        ValueError: there is no such quarter, or it is not over.
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
    return _over(PeriodPair(period, ReviewPeriod("the quarter before", _quarter_begin(*before), begin)), now)


def last(length: Micros, end: Micros) -> PeriodPair:
    """The time that ends at `end`. Raises ValueError if it is shorter than an hour or longer than the log is kept."""
    return between(end - length, end, f"the last {_spoken(length)}")


def between(begin: Micros, end: Micros, name: str | None = None) -> PeriodPair:
    """From one moment to another. Raises ValueError if that is shorter than an hour or longer than the log is kept."""
    if end <= begin:
        raise ValueError("the period must begin before it ends")
    length = end - begin
    if not HOUR <= length <= _LONGEST:
        raise ValueError(f"a period lasts an hour at least and {_LONGEST // DAY} days at the most")
    before = ReviewPeriod(f"the {_spoken(length)} before", begin - length, begin)
    return PeriodPair(ReviewPeriod(name or _spoken(length), begin, end), before)


def whole_hour(now: Micros) -> Micros:
    """The last full hour: what ends "now" ends there, so that two runs within it say the same."""
    return now // HOUR * HOUR


def _spoken(length: Micros) -> str:
    days, rest = divmod(length, DAY)
    return format_duration(length) if rest or days == 1 else f"{days} days"


def _over(pair: PeriodPair, now: Micros) -> PeriodPair:
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
