"""The numbers of a review are those of `candora compute` at the ends of its periods; the lists are what they count."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as search
from hypothesis import strategies as st

from schemas.values import DAY, HOUR, MINUTE, SECOND, EventTypeName, EventValue, Micros
from streams.core.settings import MetricSettings
from streams.replay.compute import EnvironmentNumbers, compute
from streams.replay.loop import event_time
from streams.report.bands import spans_at_most_two_bands
from streams.report.figures import quantile
from streams.report.measures import FREQUENCY, MeasureVerdict
from streams.report.period_facts import (
    Cohort,
    GateCoverage,
    PresentState,
    ServiceEnv,
    cohorts,
    facts_at,
    pooled,
    present,
)
from streams.report.periods import PeriodPair, between, last, quarter, week
from streams.report.review import Review, ReviewRequest, review
from tests.support.company_history import END, company_events
from tests.support.events import DAY_1, commit, opened, promoted, resolved, rollback, stage, started
from tests.support.histories import LAST, histories

PERIODS = {
    "week 13": week("2026-W13", END),
    "week 2, before which the log begins": week("2026-W02", END),
    "a quarter": quarter("2026-Q1", END + DAY),
    "thirty days": last(30 * DAY, END),
    "odd hours": between(END - 17 * DAY - 5 * HOUR - 13, END - 3 * DAY - 7 * MINUTE),
}


def everywhere(_: ServiceEnv) -> bool:
    return True


def same(cohort: Cohort, numbers: EnvironmentNumbers) -> bool:
    lead, restore = ([length / SECOND for length in lengths] for lengths in (cohort.lead, cohort.restore))
    assert (cohort.judged, cohort.failed, dict(cohort.reasons)) == (
        numbers["judged"],
        numbers["failed"],
        numbers["reasons"],
    )
    assert (len(lead), len(restore)) == (numbers["lead_count"], numbers["restore_count"])
    if lead:
        assert (quantile(lead, 0.5), quantile(lead, 0.9)) == pytest.approx((numbers["lead_p50"], numbers["lead_p90"]))
    if restore:
        assert sum(restore) / len(restore) == pytest.approx(numbers["restore_mean"])
    return True


def computed(events: Iterable[EventValue], at: Micros, window: Micros) -> dict[str, EnvironmentNumbers]:
    return compute(events, at, MetricSettings(windows=(window,)), window)[0]["services"]


@pytest.mark.parametrize("pair", PERIODS.values(), ids=list(PERIODS))
def test_each_number_is_that_of_compute_at_the_end(pair: PeriodPair) -> None:
    result = review(company_events(), ReviewRequest(pair, ("prod", "staging")), MetricSettings())
    numbers = computed(company_events(), pair.now.end, pair.now.length)
    assert {f"{one.place.service}/{one.place.env}" for one in result.lines} == set(numbers)
    for one in result.lines:
        own = numbers[f"{one.place.service}/{one.place.env}"]
        assert same(one.cohort, own)
        assert (one.present.pending, one.present.open) == (own["pending"], own["open"])
    earlier = computed(company_events(), pair.before.end, pair.before.length)
    assert result.before.judged == sum(one["judged"] for one in earlier.values())
    assert result.before.failed == sum(one["failed"] for one in earlier.values())
    assert len(result.before.lead) == sum(one["lead_count"] for one in earlier.values())
    assert len(result.before.restore) == sum(one["restore_count"] for one in earlier.values())


@pytest.mark.parametrize("number", [0, 5, 11])
def test_each_week_of_the_trend_is_that_of_compute_at_its_end(number: int) -> None:
    result = review(company_events(), ReviewRequest(PERIODS["week 13"], ("prod",)), MetricSettings())
    one = result.weeks[number]
    numbers = computed(company_events(), one.end, 7 * DAY)
    for place, cohort in one.places.items():
        assert same(cohort, numbers[f"{place.service}/{place.env}"])


@search(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories, st.lists(st.integers(0, 10 * 24), min_size=1, max_size=4, unique=True))
def test_looks_at_rising_moments_see_what_compute_sees_at_each(history: Sequence[EventValue], hours: list[int]) -> None:
    settings, window = MetricSettings(windows=(3 * DAY,)), 3 * DAY
    moments = sorted(DAY_1 + hour * HOUR for hour in hours)
    for look in facts_at(sorted(history, key=event_time), moments, settings):
        numbers = compute(history, look.at, settings, window)[0]["services"]
        seen = cohorts(look.services, window, settings, everywhere)
        now = present(look.services, everywhere)
        assert {f"{place.service}/{place.env}" for place in seen} == set(numbers)
        for place, cohort in seen.items():
            own = numbers[f"{place.service}/{place.env}"]
            assert same(cohort, own)
            assert (now[place].pending, now[place].open) == (own["pending"], own["open"])


def _asked(events: Iterable[EventValue], days: int = 7, end: Micros = LAST + 10 * DAY) -> Review:
    pair = last(days * DAY, end)
    return review(sorted(events, key=event_time), ReviewRequest(pair, ("prod",)), MetricSettings())


def test_the_lists_are_what_the_numbers_count() -> None:
    for pair in PERIODS.values():
        result = review(company_events(), ReviewRequest(pair, ("prod",)), MetricSettings())
        assert len(result.failures) == result.total.failed
        assert len(result.restored) == len(result.total.restore)
        assert len(result.unattributed) == result.total.unattributed
        assert len(result.open) == result.present.open
        assert pooled(one.cohort for one in result.lines) == result.total
        lengths = [one.length or 0 for one in result.restored]
        assert lengths == sorted(lengths, reverse=True)


def test_an_empty_log() -> None:
    result = _asked(())
    assert (result.lines, result.weeks, result.failures, result.log_begins) == ((), (), (), None)
    assert result.present == PresentState(0, 0, 0)
    assert {one.verdict for one in result.headline} == {MeasureVerdict.UNCOVERED}


def test_one_deployment_is_not_enough_for_a_word_about_it() -> None:
    old = commit("c0", DAY_1 - 100 * DAY)
    result = _asked([old, commit("c1", "09:00"), promoted("D1", "12:00", sha="c1")], 30)
    assert (result.total.judged, result.total.failed, len(result.total.lead)) == (1, 0, 1)
    assert {one.verdict for one in result.headline} == {MeasureVerdict.FEW}
    assert (result.outliers, result.outlier_comparisons, result.shifts, result.shift_comparisons) == ((), 0, (), 0)


def test_rehearsals_enter_no_number() -> None:
    rehearsed = [rollback("10:00", env="prod", lane="rehearsal"), started("D1", "09:00", lane="synthetic")]
    result = _asked(rehearsed)
    assert result.total == Cohort()
    assert (result.failures, result.restored) == ((), ())


def test_what_is_unknown_is_counted() -> None:
    events = [
        promoted("D0", "08:00", sha="unheard-of"),
        started("D1", "09:00", sha="c1"),
        started("D2", "10:00", sha="c2"),
        commit("c3", "12:00"),
        promoted("D3", "11:00", sha="c3"),
        commit("c4", "12:00", id_label="twice"),
        commit("c5", "12:00", id_label="twice"),
        opened("i1", "d3 11:00", severity="sev1", deployment="D0"),
        opened("i2", "d4 12:00", severity="sev1"),
        resolved("i2", "d4 13:00"),
        started("D5", "d5 09:00", sha="c9"),
    ]
    result = _asked(events, 14)
    assert result.oddities._asdict() == {
        "without_commits": 1,
        "clock_skew": 1,
        "conflicts": 1,
        "superseded": 2,
        "abandoned": 1,
        "late_failures": 1,
    }
    assert [one.incident_id for one in result.unattributed] == ["i2"]
    assert [one.incident_id for one in result.open] == ["i1"]
    assert result.silent == ()
    assert [one.service for one in _asked(events, 7).silent] == ["shop"]


def test_only_the_services_and_environments_that_were_asked_for() -> None:
    question = ReviewRequest(PERIODS["thirty days"], ("prod",), ("se*", "payments"))
    result = review(company_events(), question, MetricSettings())
    assert [one.place.service for one in result.lines] == ["payments", "search"]
    assert {one.place.service for one in result.failures} == {"search"}


def test_the_week_is_the_clear_change_that_was_put_into_it() -> None:
    events: list[EventValue] = [commit("c-first", DAY_1 - 10 * DAY)]
    for number in range(60):
        begun = DAY_1 - 6 * DAY + number * 5 * HOUR
        events += [commit(f"c{number}", begun - HOUR), promoted(f"D{number}", begun, sha=f"c{number}")]
        if number >= 30:
            events.append(rollback(begun + MINUTE, deployment=f"D{number}", env="prod"))
    end = DAY_1 - 6 * DAY + 60 * 5 * HOUR + DAY + 15 * MINUTE
    result = review(sorted(events, key=event_time), ReviewRequest(last(6 * DAY, end), ("prod",)), MetricSettings())
    rate = result.headline[0]
    assert rate.now.value == 1.0
    assert (rate.before.value or 0) < 0.1
    assert rate.verdict is MeasureVerdict.WORSE
    assert MeasureVerdict.WORSE in {one.comparison.verdict for one in result.shifts}


def _daily(service: str, begin: Micros, count: int, step: Micros = DAY) -> list[EventValue]:
    """So many deployments, one `step` apart."""
    return [
        promoted(f"{service}{number}", begin + number * step, sha=f"{service}{number}", service=service)
        for number in range(count)
    ]


REHEARSED = rollback(LAST, env="prod", lane="rehearsal", service="drill")
BEFORE = commit("c0", LAST - 200 * DAY)
LEVELS = {
    "nothing was judged": ([BEFORE, REHEARSED], 30, 0.0, None),
    "one deployment": ([BEFORE, *_daily("shop", LAST, 1)], 30, 1 / 30, None),
    "twelve of one service": ([BEFORE, *_daily("shop", LAST - 12 * DAY, 12)], 30, 12 / 30, "high"),
    "a service that stopped before": (
        [BEFORE, *_daily("gone", LAST - 90 * DAY, 9), *_daily("shop", LAST - 12 * DAY, 12)], 30, 12 / 30, "high",
    ),
    "a service that only rehearsed": ([BEFORE, REHEARSED, *_daily("shop", LAST - 12 * DAY, 12)], 30, 12 / 30, "high"),
    "a log that is younger": (_daily("shop", LAST - 12 * DAY, 12), 30, None, None),
    "a week, and a middle service without a deployment": (
        [BEFORE, *_daily("a", LAST - 9 * DAY, 1), *_daily("b", LAST - 9 * DAY, 1), *_daily("shop", LAST, 12, HOUR)],
        7, 12 / 7, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("events", "days", "a_day", "level"), LEVELS.values(), ids=list(LEVELS))
def test_deployments_a_day_have_a_level_only_where_there_is_enough_to_tell_it(
    events: list[EventValue], days: int, a_day: float | None, level: str | None
) -> None:
    one = next(one for one in _asked(events, days, LAST + 3 * DAY).headline if one.measure is FREQUENCY)
    assert one.now.value == (None if a_day is None else pytest.approx(a_day))
    assert one.band == level
    assert (one.now.interval() is None) == (a_day is None)


@pytest.mark.parametrize(
    ("measure", "low", "high", "expected"),
    [
        ("change_failure_rate", 0.018, 0.404, False),
        ("change_failure_rate", 0.143, 0.289, True),
        ("frequency", 0.0, 0.55, False),
        ("frequency", 0.0, 0.04, True),
        ("rework_rate", 0.0, 1.0, True),  # has no levels
    ],
)
def test_a_range_over_more_than_two_levels_tells_none(measure: str, low: float, high: float, expected: bool) -> None:
    assert spans_at_most_two_bands(measure, low, high) == expected


def test_nothing_before_may_be_that_nothing_was_reported_then() -> None:
    result = _asked([BEFORE, *_daily("shop", LAST - 15 * DAY, 20, 12 * HOUR)], 30)
    assert {one.verdict for one in result.headline} == {MeasureVerdict.FEW}
    stopped = _asked([BEFORE, *_daily("shop", LAST - 45 * DAY, 20, 12 * HOUR)], 30)
    assert [one.measure.key for one in stopped.headline if one.verdict is MeasureVerdict.WORSE] == ["frequency"]


def test_an_incident_keeps_its_regression_test_and_the_gates_it_escaped() -> None:
    first, second = resolved("i1", "10:00"), resolved("i1", "11:00")
    if first["incident"] is not None and second["incident"] is not None:
        first["incident"]["escaped_gates"] = ["tests", "canary_analysis"]
        second["incident"]["escaped_gates"] = ["tests"]
        second["incident"]["regression_test"] = "tests/test_total.py"
    (one,) = _asked([BEFORE, opened("i1", "09:00"), first, second], 30).restored
    assert (one.regression_test, one.escaped_gates) == ("tests/test_total.py", ("canary_analysis", "tests"))


def test_a_gate_counts_for_the_commit_that_was_deployed_and_before_that_began() -> None:
    gates: tuple[EventTypeName, ...] = ("artifact_built", "tests_passed", "security_scanned", "policy_passed")
    events: list[EventValue] = [BEFORE]
    events += [stage(gate, "c1", "09:00") for gate in gates]
    events += [stage(gate, "c2", "10:00") for gate in gates[:2]]
    events += [
        stage("security_scanned", "c2", "12:01"),  # after it began
        stage("policy_passed", "c3", "10:00"),  # of another commit
        started("D1", "10:00", sha="c1"),
        promoted("D1", "11:00", sha="c1"),
        started("D2", "12:00", sha="c2"),
        promoted("D2", "13:00", sha="c2"),
        promoted("D3", "14:00"),  # of no known commit
        started("D4", LAST + 9 * DAY, sha="c1"),  # not judged
    ]
    result = _asked(events, 30)
    assert result.gate_coverage == {ServiceEnv("shop", "prod"): GateCoverage(3, (2, 2, 1, 1), 1)}
    assert sum(one.deployments for one in result.gate_coverage.values()) == result.total.judged
