"""The table of metrics is complete, and nothing outside it is rendered."""

import re

import pytest

from streams.exporter import metrics
from streams.exporter.collector import FAMILIES
from streams.exporter.metrics import LABELS, METRICS, MetricKind, MetricSpec
from tests.support.builders.scrapes import LINE, STAMPED, openmetrics, samples, scrape, text
from tests.support.builders.snapshots import full_value, metrics_value

BARE = {"deployments_total", "deployments_success_total", "lead_time_seconds", "incident_resolution_seconds"}
FULL = scrape([full_value(), metrics_value(env="")], {LINE: STAMPED})


def test_every_constant_is_in_the_table_once() -> None:
    constants = [each for each in vars(metrics).values() if isinstance(each, MetricSpec)]
    assert sorted(each.name for each in constants) == sorted(each.name for each in METRICS)
    assert len({name for each in METRICS for name in each.series}) == sum(len(each.series) for each in METRICS)


def test_every_metric_of_the_table_has_a_way_to_render() -> None:
    assert set(FAMILIES) == set(METRICS)


def test_the_full_example_renders_every_series_of_the_table_and_no_other() -> None:
    assert {each.name for each in samples(openmetrics(FULL))} == {name for each in METRICS for name in each.series}


def test_the_older_format_has_the_same_names() -> None:
    rendered = {re.split(r"[{ ]", line)[0] for line in text(FULL).splitlines() if not line.startswith("#")}
    assert rendered == {name for each in METRICS for name in each.series}


def test_the_labels_rendered_are_those_of_the_table() -> None:
    table = {name: set(each.labels) for each in METRICS for name in each.series}
    for sample in samples(openmetrics(FULL)):
        assert set(sample.labels) - {"le"} == table[sample.name], sample


def test_labels_are_a_closed_set_without_identities() -> None:
    """Label trap: a SHA, version, deployment or incident as a label makes series without end."""
    assert {label for each in METRICS for label in each.labels} | {"le"} == LABELS
    assert not [label for label in LABELS if re.search(r"sha|commit|version|deployment|incident|_id", label)]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: MetricSpec) -> None:
    """Only the four names of the contract are bare; counters end in _total; a time says that it is in seconds."""
    assert metric.name in BARE or metric.name.startswith("delivery_")
    assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
    assert not metric.name.endswith(("_count", "_sum", "_bucket", "_created"))
    assert metric.help.endswith(".")
    if re.search(r"_(p50|p90|mean|timestamp|duration|resolution)", metric.name):
        assert metric.name.endswith("_seconds")
