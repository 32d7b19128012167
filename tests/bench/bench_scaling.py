"""Events per second of 1, 2 and 4 workers, on 4 and on 8 partitions: what a worker more is worth.

`BENCH_EVENTS` (200,000) events for each line. The workers start on an empty log, have their partitions, and are then
stopped (SIGSTOP) while it is filled, so that all begin at the same moment and nothing else runs beside them but the
broker. What is timed: from SIGCONT until the group has committed the end of the log. In their favour nothing; against
them up to half a second (the commit interval).

Events keep the times at which they happened ("as it grew", see bench_throughput). Beside the events per second of the
group, what its processes took of the machine: more than the cores that there are cannot be had, and the broker needs
one as well.
"""

import time
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

import pytest

from tests.bench.installation import Installation, Timing, Worker, await_end
from tests.bench.machine import cpu_seconds, setting, show
from tests.support.load import load
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

pytestmark = pytest.mark.timeout(3600)

SERVICES: Final = 400
SETTINGS: Final = {
    "CANDORA_TRUST_CREATE_TIME": "true",
    "CANDORA_SESSION_TIMEOUT": "10m",  # nobody may take a stopped worker for dead
}


class Shape(NamedTuple):
    """How many workers share how many partitions."""

    partitions: int
    workers: int


SHAPES: Final = tuple(Shape(partitions, workers) for partitions in (4, 8) for workers in (1, 2, 4))


def test_workers_share_the_work(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> None:
    count = setting("BENCH_EVENTS", 200_000)
    timings = {
        shape: measure(Installation(kafka, f"{unique}{shape.partitions}-{shape.workers}-", shape.partitions), *parts)
        for shape in SHAPES
        for parts in [(shape.workers, count, processes, tmp_path / f"{shape.partitions}-{shape.workers}")]
    }
    show(
        f"Scaling: {count:,} events of {SERVICES} services",
        kafka,
        ("partitions", "workers", "events/s", "times one worker", "cores of the workers", "µs CPU per event"),
        [
            (
                shape.partitions,
                shape.workers,
                f"{count / timing.seconds:,.0f}",
                f"{timings[Shape(shape.partitions, 1)].seconds / timing.seconds:.2f}",
                f"{timing.cpu / timing.seconds:.1f}",
                f"{1e6 * timing.cpu / count:.1f}",
            )
            for shape, timing in timings.items()
        ],
    )


def measure(place: Installation, workers: int, count: int, processes: Processes, folder: Path) -> Timing:
    """Let so many new workers read a new log."""
    app_id = f"{place.prefix}worker"
    place.create(app_id, broker_time=False)
    group = [
        Worker(processes, place, app_id, folder / str(number), {**SETTINGS, "CANDORA_INSTANCE_ID": f"worker-{number}"})
        for number in range(workers)
    ]
    share = place.partitions // workers
    for worker in group:
        worker.process.wait_until(lambda worker=worker: worker.held() == share or None, "its share of the partitions")  # type: ignore[misc]
    for worker in group:
        worker.process.pause()
    place.append(load(count, SERVICES, time.time_ns() // 1000))
    pids = [worker.process.pid for worker in group]
    began, cpu = perf_counter(), sum(map(cpu_seconds, pids))
    for worker in group:
        worker.process.resume()
    await_end(place, app_id, group[0].process)
    timing = Timing(perf_counter() - began, sum(map(cpu_seconds, pids)) - cpu)
    for worker in group:
        assert worker.process.terminate(120) == 0
    return timing
