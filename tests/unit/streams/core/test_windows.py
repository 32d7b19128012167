"""Windows at the exact microsecond where an entry comes in or leaves."""

import pytest

from schemas.values import SECOND
from streams.core.windows import CountWindow, DurationWindow, WindowedSeries


def test_a_count_that_falls_to_zero_is_gone() -> None:
    window = CountWindow[str]()
    for value in ("a", "a", "b"):
        window.enter(value)
    window.leave("a")
    window.leave("b")
    assert window.of == {"a": 1}


def test_no_lengths_have_no_mean_and_no_quantile() -> None:
    assert DurationWindow().mean() is None
    assert DurationWindow().quantile(0.5) is None


@pytest.mark.parametrize(("q", "seconds"), [(0, 1), (0.25, 1.75), (0.5, 3), (0.75, 5.5), (1, 10)])
def test_quantiles_interpolate_between_neighbours(q: float, seconds: float) -> None:
    window = DurationWindow()
    for length in (10, 2, 1, 4):
        window.enter(length * SECOND)
    assert window.quantile(q) == seconds


def test_a_length_that_left_counts_no_more() -> None:
    window = DurationWindow()
    for length in (1, 2, 6):
        window.enter(length * SECOND)
    assert window.mean() == 3
    window.leave(2 * SECOND)
    assert window.ordered == [SECOND, 6 * SECOND]
    assert window.mean() == 3.5


def series(now: int = 0) -> tuple[WindowedSeries[str, CountWindow[str]], CountWindow[str], CountWindow[str]]:
    """A series that lags by 5, with windows of 10 and 20."""
    short, long = CountWindow[str](), CountWindow[str]()
    return WindowedSeries(5, [(10, short), (20, long)], now), short, long


def test_an_entry_comes_in_after_the_lag_and_leaves_after_the_window() -> None:
    one, short, long = series()
    one.put("k", 100, "v")
    seen = []
    for now in (104, 105, 114, 115, 124, 125):
        one.advance(now)
        seen.append((short.of.get("v", 0), long.of.get("v", 0), one.due))
    assert seen == [(0, 0, 105), (1, 1, 115), (1, 1, 115), (0, 1, 125), (0, 1, 125), (0, 0, None)]


@pytest.mark.parametrize(
    ("time", "short_has", "long_has"), [(80, 0, 0), (81, 0, 1), (91, 1, 1), (100, 1, 1), (101, 0, 0)]
)
def test_a_late_entry_goes_where_it_belongs_at_once(time: int, short_has: int, long_has: int) -> None:
    one, short, long = series(now=105)
    assert one.put("k", time, "v")
    assert (short.of.get("v", 0), long.of.get("v", 0)) == (short_has, long_has)
    assert one.drop("k")
    assert not one.drop("k")
    assert short.of == long.of == {}


def test_an_entry_set_again_replaces_the_one_of_its_key() -> None:
    one, short, _ = series(now=105)
    one.put("k", 100, "v")
    assert not one.put("k", 100, "v")
    assert one.put("k", 100, "w")
    assert short.of == {"w": 1}


def test_the_clock_never_goes_back() -> None:
    one, short, _ = series()
    one.put("k", 100, "v")
    one.advance(105)
    one.advance(50)
    assert short.of == {"v": 1}
