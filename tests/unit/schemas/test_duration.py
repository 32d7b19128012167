import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.duration import LONGEST, format_duration, parse_duration
from schemas.values import DAY, HOUR, MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("15m", 15 * MINUTE),
        ("24h", 24 * HOUR),
        ("30d", 30 * DAY),
        ("2s", 2 * SECOND),
        ("500ms", SECOND // 2),
        ("7us", 7),
        ("1h30m", HOUR + 30 * MINUTE),
        ("1d2h3m4s5ms6us", DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND + 5006),
        ("0s", 0),
        (" 15m ", 15 * MINUTE),
        ("90m", 90 * MINUTE),
    ],
)
def test_a_duration_is_read(text: str, length: int) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text", ["", " ", "15", "m", "-15m", "1.5h", "15 m", "30m1h", "1h1h", "15min", "1w", "\uff11h", "1e3s", "15m;"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="for example 15m, 24h or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["10001d", "999999999999999999d"])
def test_an_endless_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than 10000 days"):
        parse_duration(text)


@given(st.integers(0, LONGEST))
def test_what_is_written_reads_as_it_was(length: int) -> None:
    assert parse_duration(format_duration(length)) == length


@pytest.mark.parametrize(("length", "text"), [(0, "0s"), (90 * MINUTE, "1h30m"), (DAY, "1d"), (1500, "1ms500us")])
def test_a_duration_is_written_in_its_largest_units(length: int, text: str) -> None:
    assert format_duration(length) == text


def test_a_negative_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        format_duration(-1)
