"""The HTTP side.

Traps of the research, each with a test here: state served half restored (+229 % in the counters); rendering inside the
event loop (a second at 100 000 lines, and health checks wait); gzip at the highest level for nothing.
"""

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from schemas.values import DAY, MINUTE, SECOND
from streams.exporter.collector import ScrapeAnswer
from streams.exporter.decoder import MetricsMessage
from streams.exporter.http import RenderedScrape, accepts_gzip, create_app, render
from streams.exporter.incident_samples import SampleQueue
from streams.exporter.store import ExporterStore
from tests.support.builders.scrapes import number
from tests.support.builders.snapshots import NOON, counters, full_value, metrics_value

Client = TestClient[Request, Application]
PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,*/*;q=0.1"
)
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture
def store() -> ExporterStore:
    return ExporterStore(SampleQueue(31 * DAY, 10 * SECOND), lambda: NOON + MINUTE)


@pytest.fixture
async def client(store: ExporterStore) -> AsyncIterator[Client]:
    async with TestClient(TestServer(create_app(store))) as client:
        yield client


async def get(client: Client, path: str, **headers: str) -> tuple[int, str]:
    async with client.get(path, headers=headers) as response:
        return response.status, await response.text()


async def test_metrics_are_refused_until_everything_is_read(client: Client, store: ExporterStore) -> None:
    store.apply(MetricsMessage(("api", "prod"), metrics_value(counted=counters(3))))
    async with client.get("/metrics") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert await response.text() == "not ready: still reading what was published before the start\n"
    assert (await get(client, "/readyz"))[0] == 503
    store.mark_complete()
    status, text = await get(client, "/metrics")
    assert status == 200
    assert 'deployments_total{env="prod",service="api"} 3.0\n' in text
    assert await get(client, "/readyz") == (200, "ready\n")


async def test_what_is_wrong_with_kafka_is_the_reason_of_unreadiness(client: Client, store: ExporterStore) -> None:
    store.mark_complete()
    store.set_problem("Kafka does not answer: connection refused")
    assert await get(client, "/readyz") == (503, "not ready: Kafka does not answer: connection refused\n")
    assert (await get(client, "/metrics"))[0] == 200
    assert await get(client, "/healthz") == (200, "alive\n")


@pytest.mark.parametrize(
    ("accept", "content_type", "openmetrics"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8", False),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", False),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8", False),
        (PROMETHEUS_2, "application/openmetrics-text; version=1.0.0; charset=utf-8", True),
        (PROMETHEUS_3, "application/openmetrics-text; version=1.0.0; charset=utf-8", True),
    ],
)
async def test_the_format_follows_the_accept_header(
    client: Client, store: ExporterStore, accept: str, content_type: str, openmetrics: bool
) -> None:
    store.apply(MetricsMessage(("api", "prod"), full_value()))
    store.mark_complete()
    async with client.get("/metrics", headers={"Accept": accept}) as response:
        text = await response.text()
        assert response.headers["Content-Type"].startswith(content_type)
    assert text.endswith("# EOF\n") == openmetrics
    assert ("# {commit_sha=" in text) == openmetrics


async def test_a_malformed_accept_header_is_answered_in_the_older_format(client: Client, store: ExporterStore) -> None:
    store.mark_complete()
    status, text = await get(client, "/metrics", Accept="application/openmetrics-text; version=new")
    assert (status, text[:6]) == (200, "# HELP")


async def test_gzip_is_used_where_it_is_accepted(client: Client, store: ExporterStore) -> None:
    store.apply(MetricsMessage(("api", "prod"), full_value()))
    store.mark_complete()
    async with client.get("/metrics", headers=PLAIN) as response:
        assert "Content-Encoding" not in response.headers
        plain = await response.read()
    async with client.get("/metrics", headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Vary"] == "Accept, Accept-Encoding"
        assert int(response.headers["Content-Length"]) < len(plain) / 4
        assert await response.read() == plain  # the client unpacks it


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("gzip;q=1.0, identity; q=0.5", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q = 0.000", False),
        ("x-gzip-like", False),
    ],
)
def test_accept_encoding(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) == accepted


def test_the_packed_answer_depends_on_nothing_but_the_scrape(store: ExporterStore) -> None:
    scrape = store.scrape("a")
    assert render(scrape, "", "gzip") == render(scrape, "", "gzip")
    assert gzip.decompress(render(scrape, "", "gzip").body) == render(scrape, "", "").body


async def test_rendering_does_not_hold_up_the_health_checks(store: ExporterStore) -> None:
    """The answer is rendered in a thread; the event loop, and the other requests, go on."""
    store.mark_complete()
    release, threads = threading.Event(), []

    def slow(scrape: ScrapeAnswer, accept: str, accept_encoding: str) -> RenderedScrape:
        threads.append(threading.get_ident())
        assert release.wait(10)
        return render(scrape, accept, accept_encoding)

    async with TestClient(TestServer(create_app(store, slow))) as client:
        rendering = asyncio.create_task(get(client, "/metrics"))
        while not threads:
            assert await get(client, "/healthz") == (200, "alive\n")
        assert not rendering.done()
        release.set()
        assert (await rendering)[0] == 200
    assert threads != [threading.get_ident()]


async def test_a_new_pair_is_zero_for_one_scrape_of_each_scraper(client: Client, store: ExporterStore) -> None:
    store.mark_complete()
    store.apply(MetricsMessage(("api", "prod"), metrics_value(counted=counters(3))))
    shown = []
    for agent in ("Prometheus/a", "Prometheus/a", "Prometheus/b"):
        _, text = await get(client, "/metrics", Accept=PROMETHEUS_2, **{"User-Agent": agent})
        shown.append(number(text, "deployments_total", service="api", env="prod"))
    assert shown == [0, 3, 3]


async def test_asking_for_the_head_only_shows_nobody_the_zero(client: Client, store: ExporterStore) -> None:
    store.mark_complete()
    store.apply(MetricsMessage(("api", "prod"), metrics_value(counted=counters(3))))
    async with client.head("/metrics") as response:
        assert response.status == 405
    _, text = await get(client, "/metrics", Accept=PROMETHEUS_2)
    assert number(text, "deployments_total", service="api", env="prod") == 0


async def test_the_front_page_leads_to_the_others(client: Client) -> None:
    status, text = await get(client, "/")
    assert status == 200
    assert all(f'href="{path}"' in text for path in ("/metrics", "/readyz", "/healthz"))
