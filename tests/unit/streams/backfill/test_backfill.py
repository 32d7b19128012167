"""What is made up for the past is what was computed of it: at every moment, the numbers of the events told by then."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from schemas.events import DeployEvent
from schemas.values import DAY, HOUR, MINUTE, EventValue, HistogramValue, MetricsValue, Micros
from streams.backfill.blocks import BLOCK, PromtoolError, spans_of, write_blocks
from streams.backfill.cli import grid_of, history_of
from streams.backfill.openmetrics import write
from streams.backfill.series import SeriesHistory, SeriesPoint, sampled
from streams.cli import main
from streams.core.partition_state import PartitionState
from streams.core.settings import MetricSettings
from streams.replay.compute import EnvironmentNumbers, compute
from streams.replay.history import replay_history
from streams.replay.loop import event_time
from tests.support.company_history import BEGIN, END, TARGET, company_events, company_grid, company_series
from tests.support.events import cause, opened, promoted, resolved, when

WINDOW = 30 * DAY
ASKED = [BEGIN + 11 * DAY, BEGIN + 47 * DAY + 5 * HOUR, END - 3 * HOUR, END]
SERIES = {
    "deployments_total": "deployments_total",
    "deployments_success_total": "deployments_success_total",
    "delivery_change_failures": "failed",
    "delivery_deployments_judged": "judged",
    "delivery_change_failure_ratio": "ratio",
    "delivery_lead_time_observations": "lead_count",
    "delivery_lead_time_p50_seconds": "lead_p50",
    "delivery_restore_mean_seconds": "restore_mean",
    "delivery_incidents_open": "open",
    "delivery_deployments_pending": "pending",
}
"""Which series says which of the numbers that `candora compute` gives."""


def value_at(history: SeriesHistory, sample: str, labels: dict[str, str], at: Micros) -> float | None:
    for _, series in history.series():
        for name, changes in series.items():
            if name.sample == sample and labels.items() >= dict(name.labels).items():
                found = list(sampled(changes, [at]))
                return found[0][1] if found else None
    return None


def computed(at: Micros) -> dict[str, EnvironmentNumbers]:
    told = [event for event in company_events() if event_time(event) <= at]
    answer, left_out = compute(told, at, MetricSettings(), WINDOW)
    assert not left_out
    return answer["services"]


@pytest.mark.parametrize("at", ASKED, ids=["day 11", "day 47", "3 h before the end", "the end"])
def test_each_series_says_what_the_events_by_then_say(at: Micros) -> None:
    at -= at % HOUR
    expected = computed(at)
    assert len(expected) >= 6
    for pair, numbers in expected.items():
        service, _, env = pair.partition("/")
        labels = {"service": service, "env": env, "window": "30d"}
        for sample, number in SERIES.items():
            assert value_at(company_series(), sample, labels, at) == numbers[number], (pair, sample)  # type: ignore[literal-required]


def test_one_sample_for_each_incident_restored() -> None:
    samples = company_series().incidents(BEGIN, END)
    by_pair: dict[tuple[str, str], list[float]] = {}
    for line, one in samples:
        if END - WINDOW < one.at * 1000 <= END:
            by_pair.setdefault((line.service, line.env), []).append(one.seconds)
    numbers = computed(END)
    expected: dict[tuple[str, str], object] = {
        (pair.rpartition("/")[0], pair.rpartition("/")[2]): (one["restore_count"], pytest.approx(one["restore_mean"]))
        for pair, one in numbers.items()
        if one["restore_count"]
    }
    assert expected
    assert {pair: (len(each), sum(each) / len(each)) for pair, each in by_pair.items()} == expected


def test_names_with_slashes_are_told_apart() -> None:
    places = (("team/api", "7"), ("team", "api/7"))
    events = [
        make(incident, BEGIN + hours * HOUR, service=service)
        for hours, make in ((1, opened), (2, resolved))
        for service, incident in places
    ]
    found = history_of(events, MetricSettings(), grid_of(BEGIN, BEGIN + DAY, HOUR)).incidents(BEGIN, BEGIN + DAY)
    assert sorted((line.service, one.seconds) for line, one in found) == [("team", 3600.0), ("team/api", 3600.0)]


def test_what_counts_begins_at_zero_and_never_falls() -> None:
    counted = 0
    for metric, series in company_series().series():
        if metric.kind in {"gauge", "info"}:
            continue
        for name, changes in series.items():
            values = [change.value for change in changes]
            assert values[0] == 0, name
            assert None not in values
            assert values == sorted(values, key=float), name  # type: ignore[arg-type]
            counted += len(values) > 1
    assert counted > 50


def test_a_later_begin_goes_on_from_what_was_counted_before() -> None:
    grid = grid_of(END - 10 * DAY, END, HOUR)
    late = history_of(company_events(), MetricSettings(), grid)
    labels = {"service": "web-shop", "env": "prod"}
    for at in (grid[0], grid[-1]):
        expected = value_at(company_series(), "deployments_total", labels, at)
        assert expected
        assert value_at(late, "deployments_total", labels, at) == expected


def test_spans_are_the_grid_in_whole_blocks() -> None:
    spans = spans_of(company_grid())
    assert [at for span in spans for at in span] == list(company_grid())
    assert all(span[0] // BLOCK == span[-1] // BLOCK for span in spans)


def test_a_series_has_no_sample_where_it_has_no_value() -> None:
    changes = [SeriesPoint(10, 1.0), SeriesPoint(30, None), SeriesPoint(50, 2.0)]
    assert list(sampled(changes, range(0, 70, 10))) == [(10, 1.0), (20, 1.0), (50, 2.0), (60, 2.0)]


def test_the_text_is_whole_families_with_the_labels_of_the_scrape() -> None:
    grid = range(END - HOUR, END + 1, 30 * MINUTE)
    lines = "".join(write(history_of(company_events(), MetricSettings(), grid), grid, TARGET)).splitlines()
    assert lines[-1] == "# EOF"
    assert sum(line.startswith("# TYPE") for line in lines) == len(
        {line for line in lines if line.startswith("# TYPE")}
    )
    assert 'delivery_incidents_open{service="notifications",env="prod",job="candora",instance="candora"} 1.0' in {
        line.rpartition(" ")[0] for line in lines
    }


def test_without_promtool_it_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PromtoolError, match="it comes with Prometheus"):
        write_blocks(tmp_path, company_series(), company_grid(), TARGET)


@pytest.fixture
def events_file(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(as_json(event) for event in reversed(company_events()[-400:])))
    return path


def as_json(event: EventValue) -> str:
    return DeployEvent.from_value(event).model_dump_json(exclude_none=True)


def test_the_command_writes_a_file(events_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into = tmp_path / "metrics.txt"
    given = ["--from", "2026-03-30T00:00:00Z", "--to", "2026-03-31T12:00:00Z", "--step", "1h"]
    assert main(["backfill", "metrics", *given, "--events", str(events_file), "--output", str(into)]) == 0
    assert "37 moments, 1h apart" in capsys.readouterr().out
    assert into.read_text().endswith("# EOF\n")


@pytest.mark.parametrize(
    ("begin", "end", "events", "said"),
    [
        ("2026-03-31T00:00:00Z", "2026-03-30T00:00:00Z", "", "--from must lie before --to"),
        ("2026-03-30T00:00:00Z", "2026-03-31T00:00:00Z", json.dumps({"service": "a"}), "line 1"),
        ("2026-03-30T00:00:00Z", "2026-03-31T00:00:00Z", None, "No such file"),
    ],
)
def test_the_command_says_what_is_wrong(
    begin: str, end: str, events: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.jsonl"
    if events is not None:
        path.write_text(events)
    given = ["--from", begin, "--to", end, "--events", str(path), "--output", str(tmp_path / "out")]
    assert main(["backfill", "metrics", *given]) == 2
    assert said in capsys.readouterr().err


def test_a_step_below_a_second_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((SystemExit, argparse.ArgumentTypeError)):
        main(["backfill", "metrics", "--from", "2026-03-30T00:00:00Z", "--to", "2026-03-31T00:00:00Z", "--step", "1ms"])
    assert "--step" in capsys.readouterr().err


def test_counters_of_what_was_imported_end_where_those_of_the_workers_do() -> None:
    """Workers that get ninety days at once know of every reopening before they count; so does the replay of these."""
    events, rules = company_events(), MetricSettings()
    partition_state, at_once = PartitionState(0, rules), {}
    for offset, event in enumerate([*events, None, None]):
        at = END + 2 * DAY if event else END + (2 + offset - len(events)) * DAY + HOUR
        assert partition_state.read(event, at, offset) is None
    for value in partition_state.collect().metrics:
        at_once[value["service"], value["env"]] = restored(value)

    def last(imported: Sequence[EventValue]) -> dict[tuple[str, str], tuple[HistogramValue, int]]:
        moments = replay_history(events, rules, [END - DAY, END, END + 2 * DAY], imported)
        return {(one["service"], one["env"]): restored(one) for moment in moments for one in moment.metrics}

    assert last(events) == at_once
    assert last(()) != at_once


def test_what_another_service_caused_is_known_at_the_same_moment() -> None:
    """A link goes through the log, in seconds: it does not wait for the next point of the grid."""
    events = [
        promoted("shop-1", "10:00", service="shop"),
        opened("i", "11:00", service="web"),
        resolved("i", "11:30", cause=cause(service="shop", deployment="shop-1"), service="web"),
    ]
    moment = next(replay_history(events, MetricSettings(), [when("12:00")]))
    failing = {one["service"]: one["state"]["failing"] for one in moment.metrics if one["env"] == "prod"}
    assert failing == {"shop": 1, "web": 0}


def restored(value: MetricsValue) -> tuple[HistogramValue, int]:
    """The times to restore that were counted, and how often one was revised."""
    return value["counters"]["restore"], value["counters"]["restore_revisions"]


@pytest.mark.parametrize("at", ASKED[1:], ids=["day 47", "3 h before the end", "the end"])
def test_what_was_imported_is_counted_when_it_was_due(at: Micros) -> None:
    at -= at % HOUR
    series = history_of(company_events(), MetricSettings(), range(BEGIN, at + 1, at - BEGIN), company_events())
    expected = computed(at)
    for sample in ("deployments_total", "deployments_success_total"):
        found = {pair: value_at(series, sample, labels_of(pair), at) for pair in expected}
        assert found == {pair: numbers[sample] for pair, numbers in expected.items()}


def labels_of(pair: str) -> dict[str, str]:
    service, _, env = pair.partition("/")
    return {"service": service, "env": env}


def test_what_was_reported_live_is_counted_in_time_beside_a_later_import() -> None:
    """Incidents of the last weeks that are imported move no deployment of the weeks before."""
    events = company_events()
    incidents = [event for event in events if event["incident"] and event["occurred_at"] > END - 14 * DAY]
    at = END - 30 * DAY
    at -= at % HOUR
    grid = range(BEGIN, at + 1, at - BEGIN)
    alone, beside = (history_of(events, MetricSettings(), grid, imported) for imported in ((), incidents))
    assert incidents
    for pair in computed(at):
        values = [value_at(series, "deployments_total", labels_of(pair), at) for series in (alone, beside)]
        assert values[0] == values[1]
