"""HTTP endpoints: /metrics, /healthz, /readyz, the alert runbooks, and an index page.

Rendering a large response takes a second, so it happens in a thread and does not delay health checks.
"""

import asyncio
import gzip
import re
from collections.abc import Callable
from importlib.resources import files
from typing import Final, NamedTuple

from aiohttp import web
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from streams.exporter.collector import ScrapeAnswer, ScrapeCollector
from streams.exporter.store import ExporterStore

RETRY_AFTER: Final = "5"
"""Value of the Retry-After header of a 503, in seconds."""
_EXCLUDED: Final = re.compile(r"q\s*=\s*0(\.0*)?")
GZIP_LEVEL: Final = 1
"""Label text compresses well at any level; higher levels take up to twenty times as long."""
INDEX: Final = """<!doctype html>
<html lang="en"><title>candora</title>
<h1>candora: delivery metrics</h1>
<ul>
<li><a href="/metrics">/metrics</a>: for Prometheus
<li><a href="/readyz">/readyz</a>: whether everything is read and Kafka answers
<li><a href="/healthz">/healthz</a>: whether this process runs
<li><a href="/runbooks">/runbooks</a>: what to do when an alert fires
</ul>
"""


class RenderedScrape(NamedTuple):
    """Body and headers of a rendered scrape."""

    body: bytes
    headers: dict[str, str]


Render = Callable[[ScrapeAnswer, str, str], RenderedScrape]


def render(scrape: ScrapeAnswer, accept: str, accept_encoding: str) -> RenderedScrape:
    """Render in the negotiated format (OpenMetrics or Prometheus text) and encoding (gzip or identity)."""
    encode, content_type = _choose_format(accept)
    body = encode(ScrapeCollector(scrape))
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if accepts_gzip(accept_encoding):
        body = gzip.compress(body, compresslevel=GZIP_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return RenderedScrape(body, headers)


def _choose_format(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        return choose_encoder(accept)
    except TypeError:  # prometheus_client fails on a version parameter that is not numeric
        return choose_encoder("")


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether an Accept-Encoding header names gzip without excluding it (`q=0`)."""
    for coding in accept_encoding.lower().split(","):
        name, *parameters = (part.strip() for part in coding.split(";"))
        if name == "gzip":
            return not any(_EXCLUDED.fullmatch(parameter) for parameter in parameters)
    return False


def create_app(store: ExporterStore, render: Render = render) -> web.Application:
    """Create the web application that serves a store."""

    async def metrics(request: web.Request) -> web.StreamResponse:
        problem = store.not_complete()
        if problem is not None:
            return _unavailable(problem)
        scraper = f"{request.remote} {request.headers.get('User-Agent', '')}"
        scrape = store.scrape(scraper)
        accept, encoding = request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", "")
        body, headers = await asyncio.to_thread(render, scrape, accept, encoding)
        response = web.Response(body=body, headers=headers)
        await response.prepare(request)
        await response.write_eof()
        store.acknowledge(scraper, scrape)
        return response

    async def readyz(_: web.Request) -> web.Response:
        problem = store.why_not_ready()
        return web.Response(text="ready\n") if problem is None else _unavailable(problem)

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def runbooks(request: web.Request) -> web.Response:
        text = await asyncio.to_thread(runbook, request.match_info.get("alert"))
        if text is None:
            raise web.HTTPNotFound(text="there is no runbook of this name; see /runbooks\n")
        return web.Response(text=text, content_type="text/markdown")

    async def index(_: web.Request) -> web.Response:
        return web.Response(text=INDEX, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get(
        "/metrics", metrics, allow_head=False
    )  # a HEAD delivers no samples, so it must not acknowledge any
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/runbooks", runbooks)
    app.router.add_get("/runbooks/{alert}", runbooks)
    return app


def runbook(alert: str | None = None) -> str | None:
    """Return the runbook of an alert, or all runbooks; None if the alert has none."""
    text = files("streams.exporter").joinpath("runbooks.md").read_text(encoding="utf-8")
    if alert is None:
        return text
    section = re.search(rf"^## {re.escape(alert)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return None if section is None else section[0]


def _unavailable(problem: str) -> web.Response:
    return web.Response(status=503, text=f"not ready: {problem}\n", headers={"Retry-After": RETRY_AFTER})
