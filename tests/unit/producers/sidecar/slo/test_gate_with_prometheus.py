"""A resolution that waits for what a real Prometheus has scraped."""

import asyncio
import time
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from producers.events.event_builder import event_from
from producers.sidecar.slo.prometheus import open_gate
from producers.sidecar.slo.settings import SloSettings
from schemas.models import from_micros
from schemas.values import SECOND, EventValue
from tests.support.servers.prometheus import PrometheusStarter

DEADLINE = 30.0


@pytest.mark.prometheus
@pytest.mark.slow
async def test_it_leaves_when_the_scraped_number_is_within_the_bound(
    prometheus: PrometheusStarter, tmp_path: Path
) -> None:
    ratio = ["0.5"]

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=f'good_ratio{{service="shop-api"}} {ratio[0]}\n')

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    async with TestServer(app) as target:
        server = await asyncio.to_thread(prometheus, f"127.0.0.1:{target.port}", interval="1s")
        await asyncio.to_thread(server.wait_until, "good_ratio == 0.5")
        settings = SloSettings.model_validate(
            {
                "prometheus": server.url,
                "objectives": [{"service": "shop-*", "query": 'good_ratio{service="$service"}', "at_least": 0.99}],
                "poll": "200ms",
                "step": "1s",
            }
        )
        left: asyncio.Queue[EventValue] = asyncio.Queue()
        gate = open_gate(settings, str(tmp_path / "waiting"), left.put, {})
        await gate.start()
        resolved_at = round(time.time())
        await gate.hold([resolution(resolved_at)])
        await asyncio.to_thread(server.wait_until, f"timestamp(good_ratio == 0.5) > {resolved_at + 3}")
        assert left.empty()

        ratio[0], mended_at = "0.999", time.time()
        event = await asyncio.wait_for(left.get(), DEADLINE)
        await gate.stop()

    assert event["incident"] is not None
    assert event["incident"]["slo_met_at"] is not None
    assert mended_at - 1 <= event["incident"]["slo_met_at"] / SECOND <= time.time()


def resolution(at: int) -> EventValue:
    moment = from_micros(at * SECOND)
    fields = {"event_type": "incident_resolved", "occurred_at": moment.isoformat(), "service": "shop-api"}
    return event_from({**fields, "incident_id": "i1"}, moment).value
