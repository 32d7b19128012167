"""Weeks and quarters of the calendar, in UTC, and what is no period."""

from datetime import UTC, datetime

import pytest

from schemas.values import DAY, HOUR, MINUTE, SECOND, Micros
from streams.report.formatting import iso, setting, stretch
from streams.report.periods import PeriodPair, between, last, quarter, week, whole_hour


def at(text: str) -> Micros:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def told(pair: PeriodPair) -> tuple[str, str, str, str]:
    now, before = pair
    assert now.begin == before.end
    return now.name, iso(before.begin)[:10], iso(now.begin)[:10], iso(now.end)[:10]


@pytest.mark.parametrize(
    ("name", "now", "expected"),
    [
        ("13", "2026-03-31", ("week 13 of 2026", "2026-03-16", "2026-03-23", "2026-03-30")),
        ("W13", "2026-03-30", ("week 13 of 2026", "2026-03-16", "2026-03-23", "2026-03-30")),
        ("2026-W01", "2026-03-31", ("week 1 of 2026", "2025-12-22", "2025-12-29", "2026-01-05")),
        ("2020-W53", "2021-01-04", ("week 53 of 2020", "2020-12-21", "2020-12-28", "2021-01-04")),
        ("2021-1", "2026-01-01", ("week 1 of 2021", "2020-12-28", "2021-01-04", "2021-01-11")),
        (None, "2026-03-30", ("week 13 of 2026", "2026-03-16", "2026-03-23", "2026-03-30")),
        (None, "2026-03-29T23:59:59", ("week 12 of 2026", "2026-03-09", "2026-03-16", "2026-03-23")),
        (None, "2021-01-04", ("week 53 of 2020", "2020-12-21", "2020-12-28", "2021-01-04")),
    ],
)
def test_weeks_begin_on_monday_also_across_years(name: str | None, now: str, expected: tuple[str, ...]) -> None:
    assert told(week(name, at(now))) == expected


@pytest.mark.parametrize(
    ("name", "now", "expected"),
    [
        ("2026-Q1", "2026-04-01", ("quarter 1 of 2026", "2025-10-01", "2026-01-01", "2026-04-01")),
        ("Q2", "2026-11-23", ("quarter 2 of 2026", "2026-01-01", "2026-04-01", "2026-07-01")),
        ("4", "2027-01-01", None),
        ("2026-4", "2027-01-01", ("quarter 4 of 2026", "2026-07-01", "2026-10-01", "2027-01-01")),
        (None, "2026-11-23", ("quarter 3 of 2026", "2026-04-01", "2026-07-01", "2026-10-01")),
        (None, "2026-01-01", ("quarter 4 of 2025", "2025-07-01", "2025-10-01", "2026-01-01")),
    ],
)
def test_quarters_are_as_long_as_the_calendar_makes_them(
    name: str | None, now: str, expected: tuple[str, ...] | None
) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="not over"):
            quarter(name, at(now))
    else:
        assert told(quarter(name, at(now))) == expected


@pytest.mark.parametrize("name", ["54", "2021-W53", "0", "x", "2026-13-1", ""])
def test_what_is_no_week(name: str) -> None:
    with pytest.raises(ValueError, match="week"):
        week(name, at("2026-11-23"))


@pytest.mark.parametrize("name", ["5", "0", "Q", "2026", ""])
def test_what_is_no_quarter(name: str) -> None:
    with pytest.raises(ValueError, match="no quarter"):
        quarter(name, at("2026-11-23"))


def test_any_other_time_has_one_as_long_before_it() -> None:
    end = at("2026-03-31T12:00:00")
    assert last(30 * DAY, end) == between(end - 30 * DAY, end, "the last 30 days")
    now, before = between(end - 36 * HOUR, end)
    assert (now.name, before.name, before.length) == ("1d12h", "the 1d12h before", 36 * HOUR)
    assert last(DAY, end).now.name == "the last 1d"


@pytest.mark.parametrize("length", [0, -DAY, HOUR - 1, 401 * DAY])
def test_a_period_is_no_shorter_than_an_hour_and_no_longer_than_the_log(length: Micros) -> None:
    with pytest.raises(ValueError, match="period"):
        between(at("2026-03-31") - length, at("2026-03-31"))


def test_now_is_the_last_full_hour() -> None:
    assert whole_hour(at("2026-03-31T12:34:56")) == at("2026-03-31T12:00:00")


def test_days_are_said_with_their_last_one_and_the_zone() -> None:
    said = stretch(at("2026-03-23"), at("2026-03-30"))
    assert said == "Mon 23 Mar 2026 to Sun 29 Mar 2026, whole days, UTC"
    assert stretch(at("2026-03-23"), at("2026-03-23T12:00:00")) == "2026-03-23 00:00 to 2026-03-23 12:00 UTC"


@pytest.mark.parametrize(
    ("length", "said"),
    [(24 * HOUR, "24h"), (24 * HOUR + 15 * MINUTE, "24h 15m"), (15 * MINUTE, "15m"), (7 * DAY, "7d"), (0, "0s")],
)
def test_settings_of_a_day_or_two_are_said_in_hours(length: Micros, said: str) -> None:
    assert setting(length) == said
