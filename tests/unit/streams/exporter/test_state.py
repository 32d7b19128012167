"""The latest snapshot of every pair wins, whatever comes again, comes late or comes wrong; and no counter ever falls.

Traps of the research, each with a test here: a dip by one is taken for a restart and adds everything again; a reader
that takes an older snapshot dips; a series born at 1 loses its first increment; one scrape must not mix moments.
"""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.values import CountersValue, MetricsValue
from streams.exporter.collector import ScrapeAnswer
from streams.exporter.metrics import PIPELINE
from streams.exporter.state import MetricsSnapshot, MetricsState, RecordOutcome, fallen
from tests.unit.streams.exporter.scrapes import HEALTH, number, numbers, openmetrics
from tests.unit.streams.exporter.values import counters, histogram, metrics_value, state

PAIR = ("api", "prod")
OF_THE_PIPELINE = {name for each in PIPELINE for name in each.series}


def counted(snapshot: MetricsSnapshot) -> int:
    return snapshot.values[PAIR]["counters"]["deployments"]


def test_a_later_snapshot_replaces_an_earlier_one() -> None:
    folded = MetricsState()
    assert folded.fold(metrics_value(offset=1, counted=counters(1))) is RecordOutcome.TAKEN
    assert folded.fold(metrics_value(offset=2, counted=counters(2))) is RecordOutcome.TAKEN
    assert counted(folded.freeze()) == 2


def test_an_earlier_snapshot_is_passed_over() -> None:
    """A worker that had paused wakes and publishes what it knew."""
    folded = MetricsState()
    folded.fold(metrics_value(offset=2, counted=counters(2)))
    assert folded.fold(metrics_value(offset=1, counted=counters(1))) is RecordOutcome.STALE
    assert counted(folded.freeze()) == 2


def test_a_repeated_snapshot_changes_nothing() -> None:
    folded = MetricsState()
    folded.fold(metrics_value(offset=2, counted=counters(2)))
    assert folded.fold(metrics_value(offset=2, counted=counters(2))) is RecordOutcome.TAKEN
    assert counted(folded.freeze()) == 2


def test_a_second_partition_for_one_pair_is_a_fault_and_changes_nothing() -> None:
    folded = MetricsState()
    folded.fold(metrics_value(offset=2, counted=counters(2)))
    other = metrics_value(partition=1, offset=9, counted=counters(9))
    assert folded.fold(other) is RecordOutcome.OTHER_PARTITION
    assert counted(folded.freeze()) == 2


def test_counters_that_fell_stay_and_the_rest_follows() -> None:
    """A worker without its state begins at 0 again: Prometheus would add everything a second time."""
    folded = MetricsState()
    folded.fold(metrics_value(offset=1, counted=counters(5, 4)))
    assert (
        folded.fold(metrics_value(offset=2, counted=counters(6, 3), now=state(pending=7))) is RecordOutcome.COUNTER_FELL
    )
    held = folded.freeze().values[PAIR]
    assert (held["counters"]["deployments"], held["counters"]["deployments_success"]) == (5, 4)
    assert held["state"]["pending"] == 7
    assert folded.fold(metrics_value(offset=3, counted=counters(6, 4))) is RecordOutcome.TAKEN
    assert counted(folded.freeze()) == 6


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
    assert fallen(old, new)
    assert not fallen(new, old)
    assert not fallen(old, old)


def test_every_counter_of_the_record_is_watched() -> None:
    assert set(CountersValue.__annotations__) == {each.id for each in LOWER}


def test_a_deleted_record_takes_its_pair_away() -> None:
    folded = MetricsState()
    folded.fold(metrics_value())
    folded.fold(metrics_value(env="staging"))
    folded.forget(PAIR)
    folded.forget(PAIR)
    assert list(folded.freeze().values) == [("api", "staging")]


def test_a_snapshot_handed_out_does_not_change() -> None:
    """A scrape reads one moment: total and success of one scrape agree."""
    folded = MetricsState()
    folded.fold(metrics_value(offset=1, counted=counters(1)))
    before = folded.freeze()
    folded.restored()
    folded.fold(metrics_value(offset=2, counted=counters(2)))
    folded.fold(metrics_value(env="staging"))
    folded.forget(PAIR)
    assert counted(before) == 1
    assert (list(before.values), dict(before.births)) == ([PAIR], {})


def test_the_service_alone_is_no_known_pair() -> None:
    folded = MetricsState()
    folded.fold(metrics_value(env=""))
    folded.fold(metrics_value())
    assert [pair for pair, _ in folded.freeze().pairs()] == [PAIR]


def test_folding_copies_only_what_a_scrape_shares() -> None:
    """A record costs the same however many pairs are held."""
    folded = MetricsState()
    folded.fold(metrics_value())
    folded.freeze()
    folded.fold(metrics_value(offset=1))
    held = folded._values
    folded.fold(metrics_value(offset=2))
    assert folded._values is held


# --- zero first -------------------------------------------------------------------------------------------------------


def rendered(folded: MetricsState, acked: int) -> str:
    return openmetrics(ScrapeAnswer(folded.freeze(), acked, {}, 0, HEALTH))


def deployments(folded: MetricsState, acked: int) -> float | None:
    return number(rendered(folded, acked), "deployments_total", service="api", env="prod")


def test_what_was_there_at_the_start_is_shown_at_once() -> None:
    folded = MetricsState()
    folded.fold(metrics_value(counted=counters(7)))
    folded.restored()
    folded.fold(metrics_value(offset=1, counted=counters(8)))
    assert deployments(folded, acked=0) == 8


def test_a_pair_that_appears_while_running_is_zero_until_it_was_answered() -> None:
    folded = MetricsState()
    folded.restored()
    folded.fold(metrics_value(counted=counters(3, 2, lead_time=histogram(10), restore=histogram(10))))
    born = folded.freeze().born
    hidden = {
        series: value
        for series, value in numbers(rendered(folded, born - 1)).items()
        if value
        and series[0] not in OF_THE_PIPELINE
        and not series[0].startswith(("delivery_clock", "delivery_settings"))
    }
    assert hidden == {}
    assert deployments(folded, acked=born) == 3


def test_a_rare_revision_is_born_at_zero_too() -> None:
    """Its series is not there before it happens, so its first increment would be lost."""
    folded = MetricsState()
    folded.fold(metrics_value())
    folded.restored()
    folded.fold(metrics_value(offset=1, counted=counters(revisions={("failed", "excluded"): 1})))
    labels = {"service": "api", "env": "prod", "from": "failed", "to": "excluded"}
    assert number(rendered(folded, 0), "delivery_verdict_revisions_total", **labels) == 0
    assert number(rendered(folded, 1), "delivery_verdict_revisions_total", **labels) == 1
    folded.fold(metrics_value(offset=2, counted=counters(revisions={("failed", "excluded"): 2})))
    assert number(rendered(folded, 1), "delivery_verdict_revisions_total", **labels) == 2


def test_a_reason_of_a_newer_worker_is_born_at_zero_too() -> None:
    folded = MetricsState()
    folded.fold(metrics_value())
    folded.restored()
    folded.fold(metrics_value(offset=1, counted=counters(failures={"sabotage": 1, "incident": 1})))
    labels = {"service": "api", "env": "prod"}
    assert number(rendered(folded, 0), "delivery_deployment_failures_total", **labels, reason="sabotage") == 0
    assert number(rendered(folded, 0), "delivery_deployment_failures_total", **labels, reason="incident") == 1
    assert number(rendered(folded, 1), "delivery_deployment_failures_total", **labels, reason="sabotage") == 1


def test_the_conflicts_of_a_service_are_born_at_zero_too() -> None:
    folded = MetricsState()
    folded.restored()
    folded.fold(metrics_value(env="", counted=counters(conflicts=2)))
    assert number(rendered(folded, 0), "delivery_conflicting_events_total", service="api") == 0
    assert number(rendered(folded, 1), "delivery_conflicting_events_total", service="api") == 2


def test_a_pair_deleted_and_born_again_begins_at_zero() -> None:
    folded = MetricsState()
    folded.restored()
    folded.fold(metrics_value(counted=counters(3)))
    folded.forget(PAIR)
    assert deployments(folded, acked=1) is None
    folded.fold(metrics_value(counted=counters(1)))
    assert deployments(folded, acked=1) == 0
    assert deployments(folded, acked=2) == 1


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
    folded = MetricsState()
    acked = 0
    last: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for index, step in enumerate(steps):
        if index == start:
            folded.restored()
        if step is not None:
            folded.fold(step)
        elif index >= start:
            snapshot = folded.freeze()
            shown = numbers(openmetrics(ScrapeAnswer(snapshot, acked, {}, 0, HEALTH)))
            shown = {series: value for series, value in shown.items() if series[0].endswith(("_total", "_bucket"))}
            assert [series for series in last if shown[series] < last[series]] == []
            born = [series for series in shown if series not in last and series[0].startswith("deployments")]
            assert not last or [series for series in born if shown[series]] == []
            last, acked = shown, snapshot.born
