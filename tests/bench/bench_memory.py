"""Bytes of memory for each live deployment: in a bare partition state, in a worker, in a worker that was restored.

`BENCH_DEPLOYMENTS` (100,000) deployments with all their events (three commits, four gates, a start and an end, now and
then an incident), all younger than the longest window, so all of them live. Resident memory (RSS) of the process, less
what it had before: with a worker, when it was ready and had read nothing.
"""

import json
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from tests.bench.bare_partition_state import STEP
from tests.bench.installation import PATIENCE, Installation, Worker
from tests.bench.machine import memory, setting, show
from tests.support.load import load
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes, packages_env

pytestmark = pytest.mark.timeout(3600)

SERVICES: Final = 1_000
EVENTS_EACH: Final = 9.1
MB: Final = 1024 * 1024


def test_bytes_per_live_deployment(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> None:
    count = int(setting("BENCH_DEPLOYMENTS", 100_000) * EVENTS_EACH)
    before, after, deployments = bare_partition_state(processes, count)
    rows = [row("a partition's state alone", before, after, deployments, None)]

    place, app_id = Installation(kafka, unique), f"{unique}worker"
    place.create(app_id, broker_time=False)
    trust = {"CANDORA_TRUST_CREATE_TIME": "true"}
    first = Worker(processes, place, app_id, tmp_path / app_id, trust).ready()
    empty = memory(first.process.pid)
    place.append(load(count, SERVICES, time.time_ns() // 1000, step=STEP))
    taken = first.catch_up()
    rows.append(row("a worker that has read them", empty, memory(first.process.pid), deployments, taken.seconds))
    assert first.process.terminate(120) == 0

    began = time.perf_counter()
    again = Worker(processes, place, app_id, tmp_path / app_id, trust).ready()
    took = time.perf_counter() - began
    rows.append(row("a worker that came back to its RocksDB", empty, memory(again.process.pid), deployments, took))
    assert again.process.terminate(120) == 0
    show(
        f"Memory of {deployments:,} live deployments ({count:,} events, {SERVICES:,} services)",
        kafka,
        ("", "before, MB", "after, MB", "bytes per deployment", "seconds until there"),
        rows,
    )


def bare_partition_state(processes: Processes, count: int) -> tuple[int, int, int]:
    """What the program of that name says: bytes before, bytes after, deployments."""
    answer = processes.folder / "partition_state.json"
    program = str(Path(__file__).with_name("bare_partition_state.py"))
    process = processes.start(sys.executable, program, str(count), str(SERVICES), str(answer), env=packages_env())
    assert process.wait(PATIENCE) == 0
    before, after, deployments = json.loads(answer.read_text("utf-8"))
    return before, after, deployments


def row(name: str, before: int, after: int, deployments: int, seconds: float | None) -> tuple[str, ...]:
    """A line of the table."""
    each = (after - before) / deployments
    return (
        name,
        f"{before / MB:,.0f}",
        f"{after / MB:,.0f}",
        f"{each:,.0f}",
        "" if seconds is None else f"{seconds:.1f}",
    )
