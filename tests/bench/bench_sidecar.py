"""How long the sidecar takes to promise an event, and how many it promises a second; drained into a real Kafka.

`BENCH_SECONDS` (20) at each of the even rates, every request one webhook of Alertmanager with one alert, over
connections that are kept; then as many as it takes from `CLIENTS` senders that do not wait between two requests.
"""

import asyncio
import time
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import aiohttp
import pytest

from tests.bench.installation import Installation
from tests.bench.machine import cpu_seconds, setting, show
from tests.support.builders.sidecar_requests import alert, group
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes
from tests.support.servers.sidecar import Sidecar

pytestmark = pytest.mark.timeout(900)

RATES: Final = (50, 500)
CLIENTS: Final = 32
_TAKEN: Final = 202
_LIMITS: Final = {"rate": 100_000.0, "burst": 100_000, "in_flight": 256}


def test_promises(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> None:
    seconds = setting("BENCH_SECONDS", 20)
    Installation(kafka, unique).create(f"{unique}worker")
    sidecar = Sidecar(processes, kafka, unique, tmp_path, limits=_LIMITS)
    rows = []
    loads = [(f"{rate} requests/s", partial(evenly, sidecar.url, rate, seconds)) for rate in RATES]
    loads.append((f"{CLIENTS} senders, no pause", partial(as_fast_as_it_takes, sidecar.url, seconds)))
    for name, load in loads:
        began, used = time.monotonic(), cpu_seconds(sidecar.process.pid)
        took, others = asyncio.run(load())
        passed, used = time.monotonic() - began, cpu_seconds(sidecar.process.pid) - used
        cost = f"{1000 * used / len(took):.2f}"
        rows.append((name, f"{len(took) / passed:.0f}", *milliseconds(took), cost, str(others)))
    left = sidecar.waiting()
    show(
        f"The sidecar: from a request to its 202, the event on the disk ({left} messages waited for Kafka at the end)",
        kafka,
        ("load", "202/s", "median ms", "p99 ms", "largest ms", "CPU ms each", "others"),
        rows,
    )
    assert sidecar.process.terminate() == 0


async def evenly(url: str, rate: int, seconds: int) -> tuple[list[float], int]:
    """Seconds of each 202, and the number of other answers."""
    took: list[float] = []
    async with session() as client:
        began = time.perf_counter()
        tasks = []
        for number in range(rate * seconds):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(send(client, url, number, took)))
        others = await asyncio.gather(*tasks)
    return took, sum(others)


async def as_fast_as_it_takes(url: str, seconds: int) -> tuple[list[float], int]:
    """As `evenly`."""
    took: list[float] = []
    until = time.monotonic() + seconds

    async def sender(client: aiohttp.ClientSession, first: int) -> int:
        others, number = 0, first
        while time.monotonic() < until:
            others += await send(client, url, number, took)
            number += CLIENTS
        return others

    async with session() as client:
        others = await asyncio.gather(*(sender(client, number) for number in range(CLIENTS)))
    return took, sum(others)


def session() -> aiohttp.ClientSession:
    """Connections enough."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256))


async def send(client: aiohttp.ClientSession, url: str, number: int, took: list[float]) -> int:
    """Send one; 1 if it was not taken."""
    body = group(alert(f"service-{number % 20}", number))
    began = time.perf_counter()
    async with client.post(f"{url}/v1/webhooks/alertmanager", json=body) as answer:
        await answer.read()
        if answer.status == _TAKEN:
            took.append(time.perf_counter() - began)
            return 0
        return 1


def milliseconds(values: list[float]) -> tuple[str, str, str]:
    """Median, 99th percentile, largest."""
    p99 = quantiles(values, n=100)[98]
    return f"{1000 * median(values):.1f}", f"{1000 * p99:.1f}", f"{1000 * max(values):.1f}"
