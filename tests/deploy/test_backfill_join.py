"""What was backfilled and what is scraped are one series: on a real Prometheus, with the shipped scrape configuration.

The blocks end more than three hours before the first scrape, as docs/prometheus.md has it, and something comes due in
between. What is asked across the join is compared with what the events say.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Final, NamedTuple, cast

import pytest

from schemas.values import DAY, HOUR, MINUTE, SECOND, EventValue, Micros
from streams.backfill.blocks import write_blocks
from streams.backfill.series import SeriesHistory
from streams.core.settings import MetricSettings
from streams.exporter.decoder import IncidentMessage, MetricsMessage
from streams.exporter.incident_samples import SampleQueue
from streams.exporter.metrics import METRICS, PIPELINE, MetricKind
from streams.exporter.store import ExporterStore
from streams.replay.history import replay_history
from tests.support.company_history import END, TARGET
from tests.support.expected.company import Counted, count, facts_of, read_off
from tests.support.odd_events import LEFT, ODD, all_events
from tests.support.oracle.figures import figures
from tests.support.served import served
from tests.support.servers.prometheus import Prometheus, PrometheusStarter

pytestmark = pytest.mark.prometheus

MONTH: Final = 30 * DAY
SERVICES: Final = (*ODD, *LEFT, "identity", "payments", "web-shop")
RISING: Final = tuple(
    metric for metric in METRICS if metric.kind in {MetricKind.COUNTER, MetricKind.HISTOGRAM} and metric not in PIPELINE
)
SCRAPE: Final = "500ms"
HOLD: Final[Micros] = SECOND


class Joined(NamedTuple):
    """A Prometheus with the past in blocks and the present from scrapes, and what the events say of both."""

    server: Prometheus
    at: float
    """The moment that is asked about, in seconds since 1970."""
    end: Micros
    """The last event."""
    gap: Micros
    """A moment of the grid that is two steps before the blocks end."""
    counted: Counted


def moved(by: Micros) -> list[EventValue]:
    """The events of some services, later by so much."""
    return [later(event, by) for event in all_events() if event["service"] in SERVICES]


def later(event: EventValue, by: Micros) -> EventValue:
    """The same event at another time."""

    def shifted(part: Mapping[str, object]) -> dict[str, object]:
        return {
            name: value + by if name.endswith("_at") and isinstance(value, int) else
            shifted(cast("Mapping[str, object]", value)) if name == "incident" and value is not None else value
            for name, value in part.items()
        }  # fmt: skip

    return cast("EventValue", shifted(cast("Mapping[str, object]", event)))


def told(events: Sequence[EventValue], grid: range, end: Micros, store: ExporterStore) -> SeriesHistory:
    """The past up to the end of the grid, and a store that has read what workers publish up to the last event."""
    history = SeriesHistory(grid[0])
    for moment in replay_history(events, MetricSettings(), [*grid, end]):
        if moment.at in grid:
            history.add(moment)
        for value in moment.metrics:
            store.apply(MetricsMessage((value["service"], value["env"]), value))
        for incident in moment.incidents:
            store.apply(IncidentMessage(f"{incident['service']}/{incident['incident_id']}", incident))
    store.mark_complete()
    return history


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Joined]:
    home = tmp_path_factory.mktemp("joined")
    end = time.time_ns() // 1000
    phase = end + MINUTE  # no grid point enters or leaves the month within the next minute
    grid = range(phase - 32 * DAY, end - 3 * HOUR, HOUR)
    events = moved(end - END)
    store = ExporterStore(SampleQueue(31 * DAY, HOLD), lambda: time.time_ns() // 1000)
    write_blocks(home / "data", told(events, grid, end, store), grid, TARGET)
    starter = PrometheusStarter(home)
    with served(store) as address:
        server = starter.as_shipped(home / "data", address, SCRAPE)
        server.wait_until("delivery_serving_incident_samples_waiting == 0")
        server.wait_until("count_over_time(delivery_serving_ready[10s]) > 3")
        points = {grid[0], end - MONTH, grid[-3], end}
        yield Joined(server, time.time(), end, grid[-3], count(events, points, [*grid, end]))
    for one in starter.running:
        one.process.kill()


def risen(joined: Joined, since: Micros, what: str) -> dict[str, float]:
    """By how much a counter of production rose until the end, by service."""
    now, before = joined.counted.at[joined.end], joined.counted.at[since]
    found = dict.fromkeys(SERVICES, 0.0)
    for key in now:
        if key.env == "prod" and key.what == what:
            found[key.service] += now[key] - before[key]
    return found


def asked(joined: Joined, expr: str) -> dict[str, float]:
    """What Prometheus says, by service."""
    found = {sample.labels["service"]: sample.value for sample in joined.server.query(expr, at=joined.at)}
    assert found, expr
    return found


def series_of(joined: Joined, expr: str) -> list[tuple[tuple[str, str], ...]]:
    """The label sets of what an expression gives, without the metric's name."""
    found = joined.server.query(expr, at=joined.at)
    return sorted(
        tuple(sorted(sample.labels.items() - {("__name__", sample.labels.get("__name__"))})) for sample in found
    )


@pytest.mark.parametrize("name", [name for metric in RISING for name in metric.series])
def test_no_series_is_there_twice_or_begins_anew(joined: Joined, name: str) -> None:
    scraped = series_of(joined, name)
    assert series_of(joined, f"last_over_time({name}[32d])") == scraped
    assert {("job", "candora"), ("instance", "candora")} <= set(scraped[0])
    resets = {sample.value for sample in joined.server.query(f"resets({name}[32d])", at=joined.at)}
    assert resets == {0}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("deployments_total", "judged"),
        ("deployments_success_total", "succeeded"),
        ("lead_time_seconds_count", "lead time"),
    ],
)
def test_a_month_across_the_join_counts_what_the_events_count(joined: Joined, name: str, what: str) -> None:
    found = asked(joined, f'sum by (service) (increase({name}{{env="prod"}}[30d]))')
    assert found == pytest.approx(risen(joined, joined.end - MONTH, what), rel=0.01)


@pytest.mark.parametrize(("name", "what"), [("deployments_total", "judged"), ("lead_time_seconds_count", "lead time")])
def test_what_came_due_in_between_rises_once(joined: Joined, name: str, what: str) -> None:
    """The range begins just before a sample of the blocks and ends at the last scrape."""
    expected = risen(joined, joined.gap, what)
    assert all(expected[service] > 0 for service in ODD)
    length = round(joined.at - joined.gap / SECOND) + 1
    found = asked(joined, f'sum by (service) (increase({name}{{env="prod"}}[{length}s]))')
    assert found == pytest.approx(expected, rel=0.01)


def test_the_change_failure_rate(joined: Joined) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    expr = re.search(r"`(\([^`]*increase\(deployments_success_total[^`]*)`", readme)
    assert expr is not None
    total = sum(risen(joined, joined.end - MONTH, "judged").values())
    good = sum(risen(joined, joined.end - MONTH, "succeeded").values())
    found = [sample.value for sample in joined.server.query(expr[1], at=joined.at)]
    assert found == [pytest.approx((total - good) / total, rel=0.01)]


def test_the_median_lead_time(joined: Joined) -> None:
    found = asked(
        joined, 'histogram_quantile(0.5, sum by (le, service) (rate(lead_time_seconds_bucket{env="prod"}[7d])))'
    )
    known = facts_of(moved(joined.end - END))(joined.end)
    for service in SERVICES:
        leads = figures(known, [service], "prod", joined.end, MetricSettings(), 7 * DAY).leads
        expected = read_off(leads, 0.5)
        assert expected is None or expected.low <= found[service] <= expected.high, service


@pytest.mark.parametrize(("function", "of"), [("avg", mean), ("count", len), ("max", max)])
def test_each_incident_counts_once(joined: Joined, function: str, of: Callable[[list[float]], float]) -> None:
    """Exactly, also those that were backfilled and are scraped once more, and the one that ended in between."""
    lengths: dict[tuple[str, ...], list[float]] = {}
    for env, one in joined.counted.restored:
        if one.ended_at > joined.at * SECOND - MONTH:
            lengths.setdefault((one.service, env, one.severity), []).append(one.seconds)
    found = joined.server.query(f"{function}_over_time(incident_resolution_seconds[30d])", at=joined.at)
    by = {tuple(one.labels[name] for name in ("service", "env", "severity")): one.value for one in found}
    assert by == pytest.approx({line: of(group) for line, group in lengths.items()})
    assert {(service, "prod", "sev2") for service in LEFT} <= by.keys()
