"""A month in which the serving process restarts daily, scrapes are lost and Prometheus is away for six hours.

The serving process' own store is scraped in simulated time and what a Prometheus would have stored is loaded into a
real one: no 30-day number may move by more than one in a hundred.
"""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Final

import pytest

from schemas.values import DAY, HOUR, MINUTE, SECOND, IncidentRecordValue, MetricsValue, Micros
from streams.backfill.blocks import COMMAND
from streams.core.settings import MetricSettings
from streams.exporter.collector import FAMILIES
from streams.exporter.decoder import IncidentMessage, MetricsMessage
from streams.exporter.incident_samples import SampleQueue
from streams.exporter.metrics import DEPLOYMENTS, DEPLOYMENTS_SUCCESS, INCIDENT_RESOLUTION, LEAD_TIME
from streams.exporter.store import ExporterStore
from streams.replay.history import ReplayMoment, replay_history
from tests.support.company_history import END, company_events
from tests.support.servers.prometheus import Prometheus, PrometheusStarter

SCRAPE: Final = 5 * MINUTE
TIMES: Final = range(END - 31 * DAY, END + 1, SCRAPE)
OUTAGE: Final = range(END - 12 * DAY, END - 12 * DAY + 6 * HOUR)
SCRAPED: Final = (DEPLOYMENTS, DEPLOYMENTS_SUCCESS, LEAD_TIME, INCIDENT_RESOLUTION)
QUESTIONS: Final = (
    'sum(increase(deployments_total{env="prod"}[30d]))',
    'sum by (service) (increase(deployments_total{env="prod"}[30d]))',
    "sum by (service) (increase(deployments_success_total[30d]))",
    (
        '(sum(increase(deployments_total{env="prod"}[30d]))'
        ' - sum(increase(deployments_success_total{env="prod"}[30d])))'
        ' / sum(increase(deployments_total{env="prod"}[30d]))'
    ),
    "histogram_quantile(0.5, sum by (le, service)(rate(lead_time_seconds_bucket[30d])))",
    "avg_over_time(incident_resolution_seconds[30d])",
    "count_over_time(incident_resolution_seconds[30d])",
)
Labels = tuple[tuple[str, str], ...]
Stored = dict[str, dict[int, float]]
"""By series, the value at each time in milliseconds."""


class Topics:
    """The compacted topics: the last record of each key."""

    def __init__(self) -> None:
        self.metrics: dict[tuple[str, str], MetricsValue] = {}
        self.incidents: dict[str, IncidentRecordValue] = {}

    def add(self, moment: ReplayMoment, store: ExporterStore) -> None:
        for value in moment.metrics:
            pair = (value["service"], value["env"])
            self.metrics[pair] = value
            store.apply(MetricsMessage(pair, value))
        for incident in moment.incidents:
            key = f"{incident['service']}/{incident['incident_id']}"
            self.incidents[key] = incident
            store.apply(IncidentMessage(key, incident))

    def read_by(self, store: ExporterStore) -> ExporterStore:
        for pair, value in self.metrics.items():
            store.apply(MetricsMessage(pair, value))
        for key, incident in self.incidents.items():
            store.apply(IncidentMessage(key, incident))
        store.mark_complete()
        return store


def scraped(is_scraped: Callable[[Micros], bool], restarts: frozenset[Micros], *, complete: bool = True) -> Stored:
    """What a Prometheus has stored after the month; not `complete`: each start answers before it has read anything."""
    now = TIMES[0]

    def started(topics: Topics) -> ExporterStore:
        read = topics if complete else Topics()
        return read.read_by(ExporterStore(SampleQueue(31 * DAY, 2 * SCRAPE), lambda: now))

    topics, stored = Topics(), Stored()
    store = started(topics)
    for moment in replay_history(company_events(), MetricSettings(), TIMES):
        now = moment.at
        topics.add(moment, store)
        if now == TIMES[0] or now in restarts:
            store = started(topics)
        if is_scraped(now) and now not in restarts:
            scrape = store.scrape("prometheus")
            for metric in SCRAPED:
                for sample in FAMILIES[metric](metric, scrape).samples:
                    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
                    at = now // 1000 if sample.timestamp is None else round(float(sample.timestamp) * 1000)
                    stored.setdefault(f"{sample.name}{{{labels}}}", {}).setdefault(at, sample.value)
            store.acknowledge("prometheus", scrape)
    return stored


def openmetrics(stored: Stored) -> Iterator[str]:
    for metric in SCRAPED:
        yield f"# TYPE {metric.family} {metric.kind.value}\n"
        for series in sorted(stored):
            if series.partition("{")[0] in metric.series:
                yield from (f"{series} {value} {at / 1000:.3f}\n" for at, value in sorted(stored[series].items()))
    yield "# EOF\n"


def answers(server: Prometheus) -> dict[tuple[str, Labels], float]:
    return {
        (question, tuple(sorted(sample.labels.items()))): sample.value
        for question in QUESTIONS
        for sample in server.query(question, at=END / SECOND)
    }


def loaded(prometheus: PrometheusStarter, folder: Path, stored: Stored) -> Prometheus:
    folder.mkdir()
    (folder / "metrics.txt").write_text("".join(openmetrics(stored)))
    subprocess.run(["promtool", *COMMAND, folder / "metrics.txt", folder / "data"], check=True, capture_output=True)
    return prometheus.over(folder / "data")


LOST: Final = frozenset(at for at in TIMES if Random(at).random() < 0.05)
RESTARTS: Final = frozenset(TIMES[0] + (day * DAY + 9 * HOUR) // SCRAPE * SCRAPE for day in range(31))


def hit(at: Micros) -> bool:
    """Whether a scrape arrives."""
    return at not in LOST and at not in OUTAGE


def moved(expected: Mapping[tuple[str, Labels], float], found: Mapping[tuple[str, Labels], float]) -> set[str]:
    """The questions of which an answer is off by more than one in a hundred, or missing."""
    near = {key for key, value in expected.items() if key in found and found[key] == pytest.approx(value, rel=0.01)}
    return {question for question, _ in (expected.keys() | found.keys()) - near}


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_no_number_moves_by_more_than_one_in_a_hundred(prometheus: PrometheusStarter, tmp_path: Path) -> None:
    calm = scraped(lambda _: True, frozenset())
    disturbed = scraped(hit, RESTARTS)
    assert sum(map(len, disturbed.values())) < 0.95 * sum(map(len, calm.values()))
    expected = answers(loaded(prometheus, tmp_path / "calm", calm))
    assert len(expected) > 30
    assert moved(expected, answers(loaded(prometheus, tmp_path / "disturbed", disturbed))) == set()
    hasty = scraped(hit, RESTARTS, complete=False)
    assert moved(expected, answers(loaded(prometheus, tmp_path / "hasty", hasty))) >= set(QUESTIONS[:4])
