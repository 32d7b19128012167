"""The dashboards' expressions, as written in the document, on a real Prometheus that scrapes the serving process.

Expected values are worked out from the published snapshots by hand. `increase` and `rate` stretch what they saw by half
a scrape interval; in ratios and quantiles that cancels, counts are rounded.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import pytest
from typing_extensions import override

from schemas.values import DAY, HOUR, MINUTE, SECOND, CountersValue, IncidentRecordValue, Micros
from tests.support.builders.snapshots import NOON, SHA, counters, histogram, incident, metrics_value
from tests.support.servers.exporter import Outputs, Serving, start_serving
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes, free_port
from tests.support.servers.prometheus import Prometheus, PrometheusStarter, Sample

CHANGE_FAILURE_RATE: Final = """sum(increase(deployments_total{env="prod"}[30d]))
- sum(increase(deployments_success_total{env="prod"}[30d]))
/
sum(increase(deployments_total{env="prod"}[30d]))"""
WITH_PARENTHESES: Final = """(sum(increase(deployments_total{env="prod"}[30d]))
- sum(increase(deployments_success_total{env="prod"}[30d])))
/
sum(increase(deployments_total{env="prod"}[30d]))"""
LEAD_TIME: Final = "histogram_quantile(0.5, sum by (le, service)(rate(lead_time_seconds_bucket[7d])))"
TIME_TO_RESTORE: Final = "avg_over_time(incident_resolution_seconds[30d])"
BURN: Final = """(sum(rate(http_requests_total{app="myapp",status=~"5.."}[5m]))
/
sum(rate(http_requests_total{app="myapp"}[5m]))) > 0.02"""

SCRAPES: Final = 8
"""How many scrapes there are before and after each change, so that rounding is sure."""


def before() -> CountersValue:
    """What is long past when Prometheus comes: a hundred of everything, so that no series begins near zero."""
    return counters(100, 80, lead_time=histogram(*[MINUTE] * 100))


def after(service: str) -> CountersValue:
    """Ten more deployments of each, eight and seven of them good; lead times of 1 to 2 hours and of days."""
    lengths = {"api": [80 * MINUTE] * 4 + [110 * MINUTE] * 6, "web": [2 * DAY + HOUR] * 10}[service]
    lead_time = histogram(*[MINUTE] * 100, *lengths, exemplars={lengths[0]: SHA})
    return counters(110, {"api": 88, "web": 87}[service], lead_time=lead_time)


RESTORED: Final = {
    ("api", "sev1"): [600, 1200, 4500],
    ("api", "sev3"): [60],
    ("web", "sev1"): [7200, 300],
}
"""Times to restore in seconds, by service and severity; the incidents ended on different days of the last month."""


@pytest.mark.slow
def test_the_four_expressions(
    kafka: KafkaBroker, unique: str, processes: Processes, prometheus: PrometheusStarter
) -> None:
    outputs = Outputs(kafka, unique).create()
    outputs.metrics(*(metrics_value(service, counted=before()) for service in ("api", "web")))
    outputs.metrics(metrics_value(env="staging", counted=counters(50, 1)), metrics_value(env=""))
    now = int(time.time()) * SECOND
    outputs.incidents(*_incidents(now))
    port = free_port()
    serving = start_serving(processes, kafka, unique, port, CANDORA_SCRAPE_INTERVAL="1s").ready()
    with _requests(bad=3, good=97) as requests:
        server = prometheus(f"127.0.0.1:{port}", requests)
        _await_scrapes(server, SCRAPES)

        outputs.metrics(*(metrics_value(service, offset=1, counted=after(service)) for service in ("api", "web")))
        outputs.metrics(metrics_value("new", counted=counters(3, 1, lead_time=histogram(*[MINUTE] * 3))))
        _await_scrapes(server, 2 * SCRAPES)

        serving = _restart(serving, processes, kafka, unique, port)
        outputs.metrics(metrics_value("new", offset=1, counted=counters(5, 2, lead_time=histogram(*[MINUTE] * 5))))
        _await_scrapes(server, 3 * SCRAPES)
        _await_incidents(server)
        at = max(sample.value for sample in server.query('timestamp(deployments_total{env="prod"})'))

        increases = {
            (name, sample.labels["service"]): round(sample.value)
            for name in ("deployments_total", "deployments_success_total")
            for sample in server.query(f'increase({name}{{env="prod"}}[30d])', at)
        }
        assert increases == {
            ("deployments_total", "api"): 10,
            ("deployments_total", "web"): 10,
            ("deployments_total", "new"): 5,  # its first three were seen from 0
            ("deployments_success_total", "api"): 8,
            ("deployments_success_total", "web"): 7,
            ("deployments_success_total", "new"): 2,
        }

        # 25 deployments, 17 good: as written 25 - 17/25 = 24.32, and with its parentheses (25 - 17) / 25 = 0.32.
        assert _one(server.query(CHANGE_FAILURE_RATE, at)) == pytest.approx(24.32, rel=0.1)
        assert _one(server.query(WITH_PARENTHESES, at)) == pytest.approx(0.32, rel=0.02)

        # api: 4 in the bucket to 5400, 6 in the one to 7200; the fifth of ten is a sixth of the way through the latter.
        # web: all ten in the bucket from 172800 to 259200: its middle. new: all in the bucket to 300.
        lead_times = {sample.labels["service"]: sample.value for sample in server.query(LEAD_TIME, at)}
        assert lead_times == {
            "api": pytest.approx(5700),
            "web": pytest.approx(216_000),
            "new": pytest.approx(150),
        }

        # One sample per incident at its own time: the mean over incidents, to the last digit.
        means = {
            (sample.labels["service"], sample.labels["severity"]): sample.value
            for sample in server.query(TIME_TO_RESTORE, at)
        }
        assert means == {line: pytest.approx(sum(lengths) / len(lengths)) for line, lengths in RESTORED.items()}
        assert {sample.labels["env"] for sample in server.query(TIME_TO_RESTORE, at)} == {"prod"}

        # 3 of 100 requests fail.
        assert _one(server.query(BURN, at)) == pytest.approx(0.03, rel=0.01)
        assert server.query(BURN.replace("0.02", "0.04"), at) == []

        shown = server.exemplars("lead_time_seconds_bucket", NOON / SECOND - 1, NOON / SECOND + 1)
        commits = {each["labels"]["commit_sha"] for series in shown for each in series["exemplars"]}
        assert commits == {SHA}
        assert all(target["health"] == "up" for target in server.targets())


def _incidents(now: Micros) -> Iterator[IncidentRecordValue]:
    for (service, severity), lengths in RESTORED.items():
        for number, length in enumerate(lengths):
            yield incident(
                f"{severity}-{number}",
                service=service,
                severity=severity,
                ended_at=now - (number * 9 + 1) * DAY,
                length=length * SECOND,
            )


def _restart(serving: Serving, processes: Processes, kafka: KafkaBroker, unique: str, port: int) -> Serving:
    """Kill it and start it again at the same address, as an orchestrator does: the totals must not count twice."""
    serving.process.kill()
    return start_serving(processes, kafka, unique, port, CANDORA_SCRAPE_INTERVAL="1s").ready()


def _await_scrapes(server: Prometheus, number: int) -> None:
    """Wait until the latest state was scraped, `number` times in all."""
    expr = 'min(count_over_time(deployments_total{service="api",env="prod"}[30d]))'
    server.wait_until(expr, lambda samples: bool(samples) and samples[0].value >= number, timeout=60)


def _await_incidents(server: Prometheus) -> None:
    expected = sum(map(len, RESTORED.values()))
    server.wait_until(
        "sum(count_over_time(incident_resolution_seconds[30d]))",
        lambda samples: bool(samples) and samples[0].value == expected,
        timeout=60,
    )


def _one(samples: list[Sample]) -> float:
    [sample] = samples
    return sample.value


@contextmanager
def _requests(bad: int, good: int) -> Iterator[str]:
    """An application whose counters rise at every scrape, by `bad` failed and `good` successful requests."""
    scrapes = 0

    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal scrapes
            scrapes += 1
            body = "# TYPE http_requests_total counter\n" + "".join(
                f'http_requests_total{{app="myapp",status="{status}"}} {scrapes * each}\n'
                for status, each in (("503", bad), ("200", good))
            )
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body.encode())

        @override
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Exporter) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
