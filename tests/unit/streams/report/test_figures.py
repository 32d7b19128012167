"""Each range against published numbers, the bootstrap against a plain one, and the rule of change."""

from math import exp, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.report.figures import (
    DRAWS,
    LEVEL,
    STRICT,
    DurationSample,
    Estimate,
    Interval,
    PerDay,
    Share,
    difference,
    differs,
    quantile,
)

shares = st.integers(0, 60).flatmap(lambda n: st.builds(Share, st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("share", "low", "high"),
    [
        (Share(81, 263), 0.2553, 0.3662),
        (Share(15, 148), 0.0624, 0.1605),
        (Share(0, 20), 0.0, 0.1611),
        (Share(1, 29), 0.0061, 0.1718),
    ],
)
def test_wilson_as_newcombe_printed_it(share: Share, low: float, high: float) -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 857, method 3."""
    assert share.interval() == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        (Share(56, 70), Share(48, 80), 0.0524, 0.3339),
        (Share(9, 10), Share(3, 10), 0.1705, 0.8090),
        (Share(6, 7), Share(2, 7), 0.0582, 0.8062),
        (Share(5, 56), Share(0, 29), -0.0381, 0.1926),
        (Share(0, 10), Share(0, 10), -0.2775, 0.2775),
        (Share(10, 10), Share(0, 20), 0.6791, 1.0),
    ],
)
def test_differences_as_newcombe_printed_them(one: Share, other: Share, low: float, high: float) -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 873, method 10."""
    assert difference(one, other, LEVEL) == pytest.approx((low, high), abs=6e-5)


def test_a_count_has_the_score_interval_of_poisson() -> None:
    assert PerDay(10, 1).interval() == pytest.approx((5.4316, 18.4098), abs=1e-3)
    assert PerDay(10, 10).interval() == pytest.approx((0.54316, 1.84098), abs=1e-4)
    assert PerDay(0, 7).interval() == pytest.approx((0, 3.8415 / 7), abs=1e-4)


@given(shares, st.sampled_from((LEVEL, STRICT)))
def test_a_range_holds_its_share_and_stays_between_0_and_1(share: Share, level: float) -> None:
    interval = share.interval(level)
    if share.value is None:
        assert interval is None
    else:
        assert interval is not None
        assert 0 <= interval.low <= share.value + 1e-12
        assert share.value - 1e-12 <= interval.high <= 1


@given(shares, shares)
def test_what_differs_one_way_differs_the_other_way(one: Share, other: Share) -> None:
    there, back = difference(one, other, LEVEL), difference(other, one, LEVEL)
    if there is None:
        assert back is None
    else:
        assert back == pytest.approx((-there.high, -there.low))


def test_nothing_has_no_range_and_differs_from_nothing() -> None:
    empty = DurationSample("empty", ())
    assert (empty.value, empty.interval(), Share(0, 0).value, Share(0, 0).interval()) == (None, None, None, None)
    assert difference(empty, DurationSample("one", (1.0,)), LEVEL) is None
    assert not differs(Share(0, 0), Share(5, 10), LEVEL)


def test_the_bootstrap_is_repeatable_and_has_a_seed_of_its_own() -> None:
    values = tuple(float(value) for value in range(1, 30))
    assert DurationSample("a", values, 0.5).draws == DurationSample("a", values, 0.5).draws
    assert DurationSample("a", values, 0.5).draws != DurationSample("b", values, 0.5).draws


@pytest.mark.parametrize("q", [0.5, 0.9])
@pytest.mark.parametrize("n", [1, 2, 10, 37])
def test_drawing_order_statistics_is_resampling(q: float, n: int) -> None:
    rng = Random(f"{q}/{n}")
    values = tuple(sorted(rng.lognormvariate(0, 1) for _ in range(n)))
    plain = sorted(quantile(sorted(rng.choices(values, k=n)), q) for _ in range(4 * DRAWS))
    drawn = sorted(DurationSample(f"{q}/{n}", values, q).draws)
    for p in (0.05, 0.25, 0.5, 0.75, 0.95):
        near = quantile(plain, max(p - 0.025, 0)), quantile(plain, min(p + 0.025, 1))
        assert near[0] - 1e-9 <= quantile(drawn, p) <= near[1] + 1e-9


@pytest.mark.parametrize(("q", "truth"), [(0.5, 1.0), (0.9, exp(0.8 * 1.2815515655)), (None, exp(0.8**2 / 2))])
def test_ranges_hold_the_truth_about_as_often_as_they_say(q: float | None, truth: float) -> None:
    """Lengths as people's times are: lognormal. The bootstrap of a skewed mean is known to fall a little short."""
    rng, held, tries = Random(f"coverage {q}"), 0, 150
    for number in range(tries):
        values = tuple(sorted(rng.lognormvariate(0, 0.8) for _ in range(40)))
        interval = DurationSample(f"{number}", values, q).interval()
        assert interval is not None
        held += interval.low <= truth <= interval.high
    assert 0.86 <= held / tries <= 1.0


def test_a_change_is_called_one_only_if_chance_does_not_explain_it() -> None:
    rng = Random("change")
    slow = tuple(sorted(rng.lognormvariate(log(20), 0.5) for _ in range(60)))
    cases: list[tuple[Estimate, Estimate, bool]] = [
        (Share(3, 25), Share(7, 28), False),
        (Share(30, 250), Share(70, 280), True),
        (PerDay(25, 7), PerDay(28, 7), False),
        (PerDay(25, 7), PerDay(80, 7), True),
        (DurationSample("now", slow, 0.5), DurationSample("before", tuple(value * 1.02 for value in slow), 0.5), False),
        (DurationSample("now", slow, 0.5), DurationSample("before", tuple(value * 3 for value in slow), 0.5), True),
    ]
    for one, other, expected in cases:
        assert differs(one, other, LEVEL) is expected, (one.value, other.value)


def test_equal_samples_are_rarely_told_apart() -> None:
    rng, apart, tries = Random("null"), 0, 200
    for number in range(tries):
        one, other = (tuple(sorted(rng.expovariate(1) for _ in range(30))) for _ in range(2))
        apart += differs(DurationSample(f"{number} a", one), DurationSample(f"{number} b", other), LEVEL)
    assert apart / tries <= 0.1


def test_an_interval_that_touches_zero_does_not_leave_it_out() -> None:
    assert not Interval(0, 1).excludes_zero
    assert not Interval(-1, 1).excludes_zero
    assert Interval(0.1, 1).excludes_zero
    assert Interval(-1, -0.1).excludes_zero
