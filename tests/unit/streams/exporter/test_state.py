"""The latest snapshot of every pair wins, whatever comes again, comes late or comes wrong; and no counter ever falls.

Traps of the research, each with a test here: a dip by one is taken for a restart and adds everything again; a reader
that takes an older snapshot dips; a series sequence at 1 loses its first increment; one scrape must not mix moments.
"""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.values import CountersValue, MetricsValue
from streams.exporter.collector import ScrapeAnswer
from streams.exporter.metrics import PIPELINE
from streams.exporter.state import MetricsSnapshot, MetricsState, RecordOutcome, any_counter_decreased
from tests.support.builders.scrapes import HEALTH, number, numbers, openmetrics
from tests.support.builders.snapshots import counters, histogram, metrics_value, state

PAIR = ("api", "prod")
OF_THE_PIPELINE = {name for each in PIPELINE for name in each.series}


def counted(snapshot: MetricsSnapshot) -> int:
    return snapshot.values[PAIR]["counters"]["deployments"]


def test_a_later_snapshot_replaces_an_earlier_one() -> None:
    metrics_state = MetricsState()
    assert metrics_state.apply(metrics_value(offset=1, counted=counters(1))) is RecordOutcome.APPLIED
    assert metrics_state.apply(metrics_value(offset=2, counted=counters(2))) is RecordOutcome.APPLIED
    assert counted(metrics_state.freeze()) == 2


def test_an_earlier_snapshot_is_passed_over() -> None:
    """A worker that had paused wakes and publishes what it knew."""
    metrics_state = MetricsState()
    metrics_state.apply(metrics_value(offset=2, counted=counters(2)))
    assert metrics_state.apply(metrics_value(offset=1, counted=counters(1))) is RecordOutcome.STALE
    assert counted(metrics_state.freeze()) == 2


def test_a_repeated_snapshot_changes_nothing() -> None:
    metrics_state = MetricsState()
    metrics_state.apply(metrics_value(offset=2, counted=counters(2)))
    assert metrics_state.apply(metrics_value(offset=2, counted=counters(2))) is RecordOutcome.APPLIED
    assert counted(metrics_state.freeze()) == 2


def test_a_second_partition_for_one_pair_is_a_fault_and_changes_nothing() -> None:
    metrics_state = MetricsState()
    metrics_state.apply(metrics_value(offset=2, counted=counters(2)))
    other = metrics_value(partition=1, offset=9, counted=counters(9))
    assert metrics_state.apply(other) is RecordOutcome.OTHER_PARTITION
    assert counted(metrics_state.freeze()) == 2


def test_counters_that_fell_stay_and_the_rest_follows() -> None:
    """A worker without its state begins at 0 again: Prometheus would add everything a second time."""
    metrics_state = MetricsState()
    metrics_state.apply(metrics_value(offset=1, counted=counters(5, 4)))
    assert (
        metrics_state.apply(metrics_value(offset=2, counted=counters(6, 3), now=state(pending=7)))
        is RecordOutcome.COUNTER_FELL
    )
    held = metrics_state.freeze().values[PAIR]
    assert (held["counters"]["deployments"], held["counters"]["deployments_success"]) == (5, 4)
    assert held["state"]["pending"] == 7
    assert metrics_state.apply(metrics_value(offset=3, counted=counters(6, 4))) is RecordOutcome.APPLIED
    assert counted(metrics_state.freeze()) == 6


LOWER = [
    pytest.param({name: 1}, id=name)
    for name in (
        "deployments",
        "deployments_success",
        "late_failures",
        "deployments_without_commits",
        "clock_skew",
        "lead_time_revisions",
        "restore_revisions",
        "conflicting_events",
    )
] + [
    pytest.param({"failures": {"incident": 1}}, id="failures"),
    pytest.param(
        {"verdict_revisions": [{"from_verdict": "failed", "to_verdict": "succeeded", "count": 1}]},
        id="verdict_revisions",
    ),
    pytest.param({"lead_time": histogram(10)}, id="lead_time"),
    pytest.param({"restore": histogram(10)}, id="restore"),
]


@pytest.mark.parametrize("more", LOWER)
def test_any_counter_may_be_the_one_that_fell(more: dict[str, object]) -> None:
    old, new = cast("CountersValue", {**counters(), **more}), counters()
    assert any_counter_decreased(old, new)
    assert not any_counter_decreased(new, old)
    assert not any_counter_decreased(old, old)


def test_every_counter_of_the_record_is_watched() -> None:
    assert set(CountersValue.__annotations__) == {each.id for each in LOWER}


def test_a_deleted_record_takes_its_pair_away() -> None:
    metrics_state = MetricsState()
    metrics_state.apply(metrics_value())
    metrics_state.apply(metrics_value(env="staging"))
    metrics_state.forget(PAIR)
    metrics_state.forget(PAIR)
    assert list(metrics_state.freeze().values) == [("api", "staging")]


def test_a_snapshot_handed_out_does_not_change() -> None:
    """A scrape reads one moment: total and success of one scrape agree."""
    metrics_state = MetricsState()
    metrics_state.apply(metrics_value(offset=1, counted=counters(1)))
    before = metrics_state.freeze()
    metrics_state.mark_restored()
    metrics_state.apply(metrics_value(offset=2, counted=counters(2)))
    metrics_state.apply(metrics_value(env="staging"))
    metrics_state.forget(PAIR)
    assert counted(before) == 1
    assert (list(before.values), dict(before.first_seen)) == ([PAIR], {})


def test_the_service_alone_is_no_known_pair() -> None:
    metrics_state = MetricsState()
    metrics_state.apply(metrics_value(env=""))
    metrics_state.apply(metrics_value())
    assert [pair for pair, _ in metrics_state.freeze().pairs()] == [PAIR]


def test_folding_copies_only_what_a_scrape_shares() -> None:
    """A record costs the same however many pairs are held."""
    metrics_state = MetricsState()
    metrics_state.apply(metrics_value())
    metrics_state.freeze()
    metrics_state.apply(metrics_value(offset=1))
    held = metrics_state._values
    metrics_state.apply(metrics_value(offset=2))
    assert metrics_state._values is held


# --- zero first -------------------------------------------------------------------------------------------------------


def rendered(metrics_state: MetricsState, acked: int) -> str:
    return openmetrics(ScrapeAnswer(metrics_state.freeze(), acked, {}, 0, HEALTH))


def deployments(metrics_state: MetricsState, acked: int) -> float | None:
    return number(rendered(metrics_state, acked), "deployments_total", service="api", env="prod")


def test_what_was_there_at_the_start_is_shown_at_once() -> None:
    metrics_state = MetricsState()
    metrics_state.apply(metrics_value(counted=counters(7)))
    metrics_state.mark_restored()
    metrics_state.apply(metrics_value(offset=1, counted=counters(8)))
    assert deployments(metrics_state, acked=0) == 8


def test_a_pair_that_appears_while_running_is_zero_until_it_was_answered() -> None:
    metrics_state = MetricsState()
    metrics_state.mark_restored()
    metrics_state.apply(metrics_value(counted=counters(3, 2, lead_time=histogram(10), restore=histogram(10))))
    sequence = metrics_state.freeze().sequence
    hidden = {
        series: value
        for series, value in numbers(rendered(metrics_state, sequence - 1)).items()
        if value
        and series[0] not in OF_THE_PIPELINE
        and not series[0].startswith(("delivery_clock", "delivery_settings"))
    }
    assert hidden == {}
    assert deployments(metrics_state, acked=sequence) == 3


def test_a_rare_revision_is_born_at_zero_too() -> None:
    """Its series is not there before it happens, so its first increment would be lost."""
    metrics_state = MetricsState()
    metrics_state.apply(metrics_value())
    metrics_state.mark_restored()
    metrics_state.apply(metrics_value(offset=1, counted=counters(revisions={("failed", "excluded"): 1})))
    labels = {"service": "api", "env": "prod", "from": "failed", "to": "excluded"}
    assert number(rendered(metrics_state, 0), "delivery_verdict_revisions_total", **labels) == 0
    assert number(rendered(metrics_state, 1), "delivery_verdict_revisions_total", **labels) == 1
    metrics_state.apply(metrics_value(offset=2, counted=counters(revisions={("failed", "excluded"): 2})))
    assert number(rendered(metrics_state, 1), "delivery_verdict_revisions_total", **labels) == 2


def test_a_reason_of_a_newer_worker_is_born_at_zero_too() -> None:
    metrics_state = MetricsState()
    metrics_state.apply(metrics_value())
    metrics_state.mark_restored()
    metrics_state.apply(metrics_value(offset=1, counted=counters(failures={"sabotage": 1, "incident": 1})))
    labels = {"service": "api", "env": "prod"}
    assert number(rendered(metrics_state, 0), "delivery_deployment_failures_total", **labels, reason="sabotage") == 0
    assert number(rendered(metrics_state, 0), "delivery_deployment_failures_total", **labels, reason="incident") == 1
    assert number(rendered(metrics_state, 1), "delivery_deployment_failures_total", **labels, reason="sabotage") == 1


def test_the_conflicts_of_a_service_are_born_at_zero_too() -> None:
    metrics_state = MetricsState()
    metrics_state.mark_restored()
    metrics_state.apply(metrics_value(env="", counted=counters(conflicts=2)))
    assert number(rendered(metrics_state, 0), "delivery_conflicting_events_total", service="api") == 0
    assert number(rendered(metrics_state, 1), "delivery_conflicting_events_total", service="api") == 2


def test_a_pair_deleted_and_born_again_begins_at_zero() -> None:
    metrics_state = MetricsState()
    metrics_state.mark_restored()
    metrics_state.apply(metrics_value(counted=counters(3)))
    metrics_state.forget(PAIR)
    assert deployments(metrics_state, acked=1) is None
    metrics_state.apply(metrics_value(counted=counters(1)))
    assert deployments(metrics_state, acked=1) == 0
    assert deployments(metrics_state, acked=2) == 1


RECORDS = st.builds(
    lambda env, partition, offset, total, success, slow: metrics_value(
        env=env,
        partition=partition,
        offset=offset,
        counted=counters(total, success, failures={"incident": slow}, lead_time=histogram(*[10] * slow)),
    ),
    env=st.sampled_from(["prod", "staging"]),
    partition=st.sampled_from([0, 0, 0, 1]),
    offset=st.integers(0, 9),
    total=st.integers(0, 9),
    success=st.integers(0, 9),
    slow=st.integers(0, 3),
)


@given(steps=st.lists(RECORDS | st.none(), max_size=25), start=st.integers(0, 25))
def test_counters_never_dip(steps: list[MetricsValue | None], start: int) -> None:
    """Whatever is published in whatever order: no counter of any scrape is below the one before. None is a scrape."""
    metrics_state = MetricsState()
    acked = 0
    last: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for index, step in enumerate(steps):
        if index == start:
            metrics_state.mark_restored()
        if step is not None:
            metrics_state.apply(step)
        elif index >= start:
            snapshot = metrics_state.freeze()
            shown = numbers(openmetrics(ScrapeAnswer(snapshot, acked, {}, 0, HEALTH)))
            shown = {series: value for series, value in shown.items() if series[0].endswith(("_total", "_bucket"))}
            assert [series for series in last if shown[series] < last[series]] == []
            appeared = [series for series in shown if series not in last and series[0].startswith("deployments")]
            assert not last or [series for series in appeared if shown[series]] == []
            last, acked = shown, snapshot.sequence
