"""History that is sent to Kafka all at once: the backfilled counters end where those of the serving process are."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from schemas.events import DeployEvent
from schemas.values import DAY, MINUTE, Micros
from streams.demo.company import history
from streams.exporter.metrics import METRICS, PIPELINE, MetricKind
from streams.replay.loop import event_time
from tests.support.builders.scrapes import numbers
from tests.support.servers.installation import Installation
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

pytestmark = [pytest.mark.broker, pytest.mark.proof, pytest.mark.timeout(240)]

DAYS: Final = 60
SAMPLE: Final = re.compile(r"(\w+)\{(.*)\} (\S+) \S+")
LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
IN_ORDER_OF_ARRIVAL: Final = ("delivery_deployment_failures_total", "delivery_late_failures_total")
"""These rise when a failure is learned. How often depends on what was learned before it, and so on the order."""
RISING: Final = {
    name
    for metric in METRICS
    if metric.kind in (MetricKind.COUNTER, MetricKind.HISTOGRAM) and metric not in PIPELINE
    for name in metric.series
} - set(IN_ORDER_OF_ARRIVAL)

Series = tuple[str, tuple[tuple[str, str], ...]]


def last_values(text: str) -> dict[Series, float]:
    """The last sample of each series of a backfill file, without the labels of a scrape."""
    found: dict[Series, float] = {}
    for match in filter(None, map(SAMPLE.fullmatch, text.splitlines())):
        labels = [pair for pair in LABEL.findall(match[2]) if pair[0] not in {"job", "instance"}]
        found[match[1], tuple(sorted(labels))] = float(match[3])
    return found


def clock(at: Micros) -> str:
    return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat()


def test_backfilled_counters_end_where_the_served_ones_are(
    kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path
) -> None:
    now = time.time_ns() // 1000
    end = now - 2 * DAY
    events = sorted(history(3, end, DAYS), key=event_time)
    installation = Installation(kafka, unique, processes, tmp_path).create_topics().start_workers("one", "two")
    installation.emit(DeployEvent.from_value(event).model_dump_json(exclude_none=True) for event in events)
    installation.settle()
    installation.settle()  # what the first of these days made due in another service

    path = tmp_path / "metrics.txt"
    times = ("--from", clock(end - (DAYS + 1) * DAY), "--to", clock(now - 30 * MINUTE), "--step", "1h")
    env = {**installation.env, "CANDORA_LATENESS": "3s"}
    backfill = processes.candora("backfill", "metrics", *times, "--output", str(path), env=env)
    assert backfill.wait(90) == 0, backfill.tail()
    served = numbers(installation.await_served(installation.start_serving()))

    backfilled = last_values(path.read_text("utf-8"))
    rising = {series: value for series, value in served.items() if series[0] in RISING}
    assert {dict(labels)["service"] for _, labels in rising} == {event["service"] for event in events}
    assert sum(value for (name, _), value in rising.items() if name == "deployments_total") > 100
    assert sum(value for (name, _), value in rising.items() if name == "delivery_restore_revisions_total") == 0
    ended = {series: value for series, value in backfilled.items() if series[0] in RISING}
    pairs = {one: (ended.get(one), rising.get(one)) for one in {*ended, *rising}}
    assert {one: pair for one, pair in pairs.items() if differ(*pair)} == {}


def differ(ended: float | None, served: float | None) -> bool:
    """Whether a series does not go on where its past ends. One that nothing has counted yet may have no past."""
    return (ended or 0.0) != pytest.approx(served or 0.0)
