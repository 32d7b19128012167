"""Milliseconds from `emit` to /metrics, the whole way: producer, Kafka, worker (RocksDB), Kafka, serving process.

A long-running producer sends `BENCH_RATE` (200) events a second for `BENCH_SECONDS` (30), after five that do not count.
Every tenth opens an incident in one of twenty services, which shows at once in `delivery_incidents_open`: the n-th of a
service is visible when its gauge has reached n. From before the event is made until an answer of /metrics that shows it
has come in whole; nothing is subtracted. /metrics is asked again as soon as it has answered (over one connection), so
the answers' own time is part of every number, and the serving process is far busier than with a Prometheus.

Where the time goes is read from the topics afterwards, in whole milliseconds: the broker's time of the event, and the
worker's time of the incident's record.
"""

import http.client
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles
from typing import Final, NamedTuple

import pytest

from schemas.ids import pinned_decoder
from tests.bench.installation import Installation, Worker
from tests.bench.machine import setting, show
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Process, Processes, free_port, packages_env

pytestmark = pytest.mark.timeout(1800)

WARM_UP: Final = 5
QUIET: Final = 1.0
"""Seconds without news, once the producer has ended, after which no more is to come."""
_GAUGE: Final = re.compile(rb'^delivery_incidents_open\{env="prod",service="(watched-\d+)"\} (\d+)', re.MULTILINE)
_PRODUCER: Final = Path(__file__).with_name("steady_producer.py")


class Seen(NamedTuple):
    """What the poller saw: when each gauge first had at least a value, and what an answer was like."""

    first: Mapping[tuple[str, int], float]
    seconds: Sequence[float]
    size: int


def test_emit_to_metrics(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> None:
    rate, seconds = setting("BENCH_RATE", 200), setting("BENCH_SECONDS", 30)
    place, app_id = Installation(kafka, unique), f"{unique}worker"
    place.create(app_id)
    fast = {"CANDORA_TICK_INTERVAL": "1s", "CANDORA_LATENESS": "1s"}
    worker = Worker(processes, place, app_id, tmp_path / app_id, fast)
    port = free_port()
    serving = processes.candora("serve-metrics", env={**place.environment(), "CANDORA_METRICS_PORT": str(port)})
    worker.ready()
    serving.wait_for_url(f"http://127.0.0.1:{port}/readyz", 60)
    answer = tmp_path / "opened.json"
    arguments = kafka.bootstrap, place.events_topic, str(rate), str(seconds + WARM_UP), str(answer)
    producer = processes.start(sys.executable, str(_PRODUCER), *arguments, env=packages_env(), name="producer")
    seen = watch(port, producer, seconds + WARM_UP)
    opened = [(service, name, at) for service, name, at in json.loads(answer.read_text("utf-8"))]
    report(place, opened, seen, f"{rate} events/s for {seconds} s")


def watch(port: int, producer: Process, seconds: float) -> Seen:
    """Ask /metrics again and again, until nothing new is to come."""
    first: dict[tuple[str, int], float] = {}
    took: list[float] = []
    size = 0
    deadline = time.monotonic() + seconds + 60
    quiet_since = time.monotonic()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        while time.monotonic() < deadline:
            began = time.perf_counter()
            connection.request("GET", "/metrics")
            body = connection.getresponse().read()
            now, size = time.time(), len(body)
            gauges = _GAUGE.findall(body)
            if gauges and producer.exit_code is None:  # before that, answers are short
                took.append(time.perf_counter() - began)
            for service, number in gauges:
                for value in range(int(number), 0, -1):
                    if (service.decode(), value) in first:
                        break
                    first[service.decode(), value] = now
                    quiet_since = time.monotonic()
            if producer.exit_code is not None and time.monotonic() - quiet_since > QUIET:
                break
    if producer.exit_code != 0:
        raise producer.failure("did not end well")
    return Seen(first, took, size)


def report(place: Installation, opened: Sequence[tuple[str, str, float]], seen: Seen, what: str) -> None:
    """Print the table of all incidents but those of the warm-up."""
    counted: dict[str, int] = {}
    begin = opened[0][2] + WARM_UP
    decode = pinned_decoder("deploy_event").decode
    appended = {
        event["incident_id"]: at for event, at in ((decode(v), t) for _, v, t in place.messages("deploy_events"))
    }
    published: dict[str, float] = {}
    for key, _, at in place.messages("incidents"):
        published.setdefault(key.rpartition("/")[2], at)
    ways: list[tuple[float, float, float, float]] = []
    for service, name, at in opened:
        counted[service] = counted.get(service, 0) + 1
        shown = seen.first[service, counted[service]]  # a KeyError: it never became visible
        if at >= begin:
            ways.append((shown - at, appended[name] - at, published[name] - appended[name], shown - published[name]))
    names = "emit to /metrics", "- emit to the broker", "- broker to the worker's output", "- output to /metrics"
    rows = [(name, *milliseconds(column)) for name, column in zip(names, zip(*ways, strict=True), strict=True)]
    rows.append(("one answer of /metrics (the resolution)", *milliseconds(seen.seconds)))
    show(
        f"From emit to /metrics: {what}, {len(ways)} incidents watched, /metrics of {seen.size / 1024:.0f} KiB",
        place.kafka,
        ("milliseconds", "median", "p99", "largest"),
        rows,
    )


def milliseconds(values: Sequence[float]) -> tuple[str, str, str]:
    """Median, 99th percentile, largest."""
    return tuple(f"{1000 * each:.1f}" for each in (median(values), quantiles(values, n=100)[98], max(values)))  # type: ignore[return-value]
