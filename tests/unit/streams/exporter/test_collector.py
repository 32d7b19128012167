"""What a scrape looks like, to the letter, in both formats.

Traps of the research, each with a test here: `_created` series (restored counters are not born now); the client's
default buckets end at ten seconds; an exemplar over 128 characters fails the whole scrape; a collector that describes
nothing is collected once on registration; 0 in place of no value; a SHA as a label.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from schemas.values import DAY, HOUR, MINUTE
from streams.core.counters import LEAD_BUCKETS
from streams.exporter.collector import EXEMPLAR_LIMIT, ScrapeAnswer, ScrapeCollector
from streams.exporter.metrics import METRICS, PIPELINE
from tests.support.builders.scrapes import LINE, STAMPED, number, openmetrics, samples, scrape, text
from tests.support.builders.snapshots import (
    NOON,
    SETTINGS,
    SHA,
    counters,
    full_value,
    histogram,
    metrics_value,
    window,
)

GOLDEN = Path(__file__).parent / "golden"
PAIR = {"service": "api", "env": "prod"}


@pytest.mark.parametrize(("name", "render"), [("metrics.txt", text), ("metrics.openmetrics.txt", openmetrics)])
def test_the_whole_answer(name: str, render: Callable[[ScrapeAnswer], str]) -> None:
    """The golden files were read by a person once; they change only with the contract."""
    answer = scrape([full_value(), metrics_value(env="", counted=counters(conflicts=4))], {LINE: STAMPED})
    assert render(answer) == (GOLDEN / name).read_text(encoding="utf-8")


def test_the_parser_of_the_format_accepts_it() -> None:
    assert len(samples(openmetrics(scrape([full_value()])))) > len(METRICS)


def test_nothing_is_created() -> None:
    """A restored counter was not born when the process started; Prometheus would add all of it once more."""
    assert "_created" not in openmetrics(scrape([full_value()]))
    assert "_created" not in text(scrape([full_value()]))


def test_registering_collects_nothing() -> None:
    """`describe` is asked instead, and has nothing to say."""
    registry = CollectorRegistry(auto_describe=True)
    collector = ScrapeCollector(scrape([full_value()]))
    registry.register(collector)
    assert list(collector.describe()) == []
    assert generate_latest(registry) == generate_latest(collector)


def test_the_buckets_reach_from_five_minutes_to_thirty_days() -> None:
    """With the client's default buckets every deployment would be in +Inf and every quantile ten seconds."""
    rendered = openmetrics(scrape([full_value()]))
    bounds = [each.labels["le"] for each in samples(rendered) if each.name == "lead_time_seconds_bucket"]
    assert [float(bound) for bound in bounds] == [*map(float, LEAD_BUCKETS), float("inf")]
    assert {"3600.0", "86400.0", "604800.0", "2.592e+06"} < set(bounds)


def test_a_bucket_carries_the_commit_with_its_value_and_time() -> None:
    rendered = openmetrics(scrape([full_value()]))
    exemplars = {each.labels["le"]: each.exemplar for each in samples(rendered) if each.exemplar}
    [(bound, exemplar)] = exemplars.items()
    assert (bound, exemplar.labels, exemplar.value) == ("10800.0", {"commit_sha": SHA}, 10800.0)
    assert float(exemplar.timestamp or 0) == NOON / 1e6
    assert SHA not in text(scrape([full_value()]))


@pytest.mark.parametrize(("length", "shown"), [(40, True), (64, True), (118, True), (119, False), (300, False)])
def test_an_exemplar_too_long_is_left_out_and_the_scrape_goes_on(length: int, shown: bool) -> None:
    value = metrics_value(counted=counters(lead_time=histogram(HOUR, exemplars={HOUR: "a" * length})))
    rendered = openmetrics(scrape([value]))
    assert ("a" * length in rendered) == shown
    assert number(rendered, "lead_time_seconds_count", **PAIR) == 1
    assert len("commit_sha") + 118 == EXEMPLAR_LIMIT


def test_known_pairs_show_zeros() -> None:
    """A missing deployments_success_total makes the whole expression empty; 0 makes it 1."""
    rendered = openmetrics(scrape([metrics_value()]))
    for name in ("deployments_total", "deployments_success_total", "lead_time_seconds_count"):
        assert number(rendered, name, **PAIR) == 0
    for reason in ("canary_rollback", "incident", "rollback"):
        assert number(rendered, "delivery_deployment_failures_total", **PAIR, reason=reason) == 0
    for before, after in (("succeeded", "failed"), ("failed", "succeeded")):
        labels = {**PAIR, "from": before, "to": after}
        assert number(rendered, "delivery_verdict_revisions_total", **labels) == 0


NO_VALUE = [
    "delivery_change_failure_ratio",
    "delivery_rework_ratio",
    "delivery_lead_time_p50_seconds",
    "delivery_lead_time_p90_seconds",
    "delivery_restore_mean_seconds",
    "delivery_restore_p50_seconds",
    "delivery_restore_p90_seconds",
    "delivery_failed_deployment_recovery_mean_seconds",
    "delivery_failed_deployment_recovery_p50_seconds",
]


def test_no_value_is_no_sample() -> None:
    rendered = openmetrics(scrape([metrics_value(windows=[window()])]))
    for name in NO_VALUE:
        assert number(rendered, name, **PAIR, window="30d") is None
    for name in ("delivery_deployments_judged", "delivery_change_failures", "delivery_restore_observations"):
        assert number(rendered, name, **PAIR, window="30d") == 0
    assert number(rendered, "delivery_rollback_rehearsed_timestamp_seconds", **PAIR) is None
    assert number(rendered, "delivery_last_event_timestamp_seconds", service="api") is None


def test_ratios_stand_beside_their_parts() -> None:
    windows = [window(7 * DAY, judged=4, failed=1, hotfix=2), window(30 * DAY, judged=15, failed=3, hotfix=6)]
    rendered = openmetrics(scrape([metrics_value(windows=windows)]))
    found = {
        (name, length): number(rendered, f"delivery_{name}", **PAIR, window=length)
        for name in ("change_failure_ratio", "rework_ratio", "deployment_frequency_per_day", "change_failures")
        for length in ("7d", "30d")
    }
    assert found == {
        ("change_failure_ratio", "7d"): 0.25,
        ("change_failure_ratio", "30d"): 0.2,
        ("rework_ratio", "7d"): 0.5,
        ("rework_ratio", "30d"): 0.4,
        ("deployment_frequency_per_day", "7d"): pytest.approx(4 / 7),
        ("deployment_frequency_per_day", "30d"): 0.5,
        ("change_failures", "7d"): 1,
        ("change_failures", "30d"): 3,
    }


def test_the_service_alone_gives_only_what_belongs_to_it() -> None:
    rendered = openmetrics(scrape([full_value(env="")]))
    names = {each.name for each in samples(rendered)} - {name for each in PIPELINE for name in each.series}
    assert names == {
        "delivery_conflicting_events_total",
        "delivery_last_event_timestamp_seconds",
        "delivery_clock_timestamp_seconds",
        "delivery_settings_info",
    }


def test_a_service_was_last_heard_of_in_any_of_its_environments() -> None:
    values = [metrics_value(env=env) for env in ("", "prod", "staging")]
    values[0]["state"]["last_event_at"] = NOON + MINUTE
    values[1]["state"]["last_event_at"] = NOON
    rendered = openmetrics(scrape(values))
    assert number(rendered, "delivery_last_event_timestamp_seconds", service="api") == (NOON + MINUTE) / 1e6


def test_snapshots_with_other_settings_are_seen() -> None:
    changed = metrics_value(env="staging", settings={**SETTINGS, "failure_window": 2 * DAY})
    rendered = openmetrics(scrape([metrics_value(), metrics_value(service="web"), changed]))
    infos = [each.labels for each in samples(rendered) if each.name == "delivery_settings_info"]
    assert [each["failure_window"] for each in infos] == ["1d", "2d"]


def test_label_values_are_escaped() -> None:
    rendered = openmetrics(scrape([metrics_value(service='a"b\\c\nd')]))
    assert number(rendered, "deployments_total", service='a"b\\c\nd', env="prod") == 0


@given(st.integers(1_104_537_600_000, 2_145_916_800_000))
def test_a_timestamp_is_the_same_millisecond_in_both_formats(at: int) -> None:
    """Trap: seconds are multiplied by 1000 and cut, on both sides; from 2005 to 2037 a double is fine enough for it."""
    answer = scrape([], {LINE: STAMPED._replace(at=at)})
    [line] = [line for line in text(answer).splitlines() if line.startswith("incident_resolution_seconds")]
    [sample] = [each for each in samples(openmetrics(answer)) if each.name == "incident_resolution_seconds"]
    assert line.endswith(f" {at}")
    assert int(float(sample.timestamp or 0) * 1000) == at


def test_the_order_of_what_was_read_does_not_show() -> None:
    pairs = [("api", "prod"), ("web", "prod"), ("api", "staging"), ("api", "")]
    values = [full_value(service, env) for service, env in pairs]
    assert openmetrics(scrape(values)) == openmetrics(scrape(reversed(values)))
