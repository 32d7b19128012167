"""A series of entries with windows over it, beside one that looks at all entries every time."""

from statistics import fmean, quantiles
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.values import SECOND, Micros
from streams.core.windows import CountWindow, DurationWindow, WindowedSeries

LAG: Final = 3
WINDOWS: Final = (4, 9, 9)
KEYS: Final = ("a", "b", "c", "d")

moments = st.integers(0, 20)
values = st.integers(1, 3)
actions = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(KEYS), moments, values),
    st.tuples(st.just("put"), st.sampled_from(KEYS), moments, values),
    st.tuples(st.just("drop"), st.sampled_from(KEYS), moments, values),
    st.tuples(st.just("advance"), st.just(""), st.integers(0, 40), values),
)


def inside(entries: dict[str, tuple[Micros, int]], now: Micros, window: Micros) -> list[int]:
    """What stands in (now - LAG - window, now - LAG]."""
    return sorted(value for time, value in entries.values() if now - LAG - window < time <= now - LAG)


def due(entries: dict[str, tuple[Micros, int]], now: Micros) -> Micros | None:
    """The first moment after now at which a window holds something else."""
    edges = {time + LAG + more for time, _ in entries.values() for more in (0, *WINDOWS)}
    return min((edge for edge in edges if edge > now), default=None)


@settings(deadline=None)
@given(st.lists(actions, max_size=30), moments)
def test_as_if_all_entries_were_looked_at(done: list[tuple[str, str, Micros, int]], now: Micros) -> None:
    series: WindowedSeries[int, CountWindow[int]] = WindowedSeries(
        LAG, [(window, CountWindow()) for window in WINDOWS], now
    )
    lengths: WindowedSeries[int, DurationWindow] = WindowedSeries(
        LAG, [(window, DurationWindow()) for window in WINDOWS], now
    )
    entries: dict[str, tuple[Micros, int]] = {}
    moved = False
    for action, key, time, value in done:
        if action == "put":
            changed = entries.get(key) != (time, value)
            assert series.put(key, time, value) == lengths.put(key, time, value) == changed
            entries[key] = time, value
            moved |= changed
        elif action == "drop":
            changed = entries.pop(key, None) is not None
            assert series.drop(key) == lengths.drop(key) == changed
            moved |= changed
        else:
            now = max(now, time)
            series.advance(time)
            lengths.advance(time)
            assert series.due == lengths.due == due(entries, now)
            moved = False
        assert series.moved == lengths.moved == moved
        for window, counts, kept in zip(WINDOWS, series.contents(), lengths.contents(), strict=True):
            expected = inside(entries, now, window)
            assert counts.of == {value: expected.count(value) for value in expected}
            assert (kept.ordered, kept.total) == (expected, sum(expected))


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=9))
def test_quantiles_and_mean(given_lengths: list[Micros]) -> None:
    """Type 7, as the standard library has it under the name "inclusive"."""
    lengths = DurationWindow()
    for length in given_lengths:
        lengths.enter(length)
    tenths = quantiles(given_lengths, n=10, method="inclusive")
    assert lengths.quantile(0.5) == pytest.approx(tenths[4] / SECOND)
    assert lengths.quantile(0.9) == pytest.approx(tenths[8] / SECOND)
    assert lengths.quantile(0.0) == min(given_lengths) / SECOND
    assert lengths.quantile(1.0) == max(given_lengths) / SECOND
    assert lengths.mean() == pytest.approx(fmean(given_lengths) / SECOND)


def test_of_nothing_there_is_no_number() -> None:
    assert DurationWindow().mean() is None
    assert DurationWindow().quantile(0.5) is None
