"""The Prometheus of the tests is a real one: it keeps given times and labels, however late, and exemplars."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.servers.prometheus import PrometheusStarter, QueryRefused

pytestmark = pytest.mark.proof

HOUR = 3600
PAGE = """\
# TYPE deployments counter
deployments_total{{service="shop",env="prod",instance="given"}} 7
# TYPE lead_time_seconds histogram
lead_time_seconds_bucket{{le="300.0"}} 1 # {{sha="0123abc"}} 120.0
lead_time_seconds_bucket{{le="+Inf"}} 1
lead_time_seconds_count 1
lead_time_seconds_sum 120.0
# TYPE incident_resolution_seconds gauge
incident_resolution_seconds{{service="shop"}} 2400 {yesterday}
# EOF
"""


@pytest.fixture
def target() -> Iterator[str]:
    page = PAGE.format(yesterday=time.time() - 20 * HOUR).encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_args: object) -> None:  # type: ignore[explicit-override]
            """Silence: a scrape is no news."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_it_answers_about_what_it_scraped(prometheus: PrometheusStarter, target: str) -> None:
    server = prometheus(target, interval="200ms")
    now = time.time()
    (total,) = server.wait_until("deployments_total", lambda samples: len(samples) == 1)
    assert total.value == 7
    assert total.labels["instance"] == "given", "a label of the page's own is kept"
    (late,) = server.query("incident_resolution_seconds", at=now - 20 * HOUR + 60)
    assert late.value == 2400
    (series,) = server.query_range("incident_resolution_seconds", now - 21 * HOUR, now - 19 * HOUR, 60)
    assert {value for _, value in series.points} == {2400}
    (exemplar,) = server.exemplars("lead_time_seconds_bucket", now - HOUR, now + HOUR)
    assert exemplar["exemplars"][0]["labels"] == {"sha": "0123abc"}
    assert server.query("1 + 1")[0].value == 2
    with pytest.raises(QueryRefused, match="parse error"):
        server.query("rate(")
    server.stop()
    assert server.process.exit_code == 0
