"""Events per second on one log: a bare consumer, a stock Faust agent, and the worker with its state.

`BENCH_EVENTS` (200,000) events, `BENCH_RUNS` (3) times each, taking turns so that all suffer alike from the others on
this machine. What is timed: the two that only decode, from the first event to the last; the worker, from ready (it has
its partitions, nothing read yet) until it has committed the end of the log, which it does when all outputs and state
are confirmed by the broker. In its favour nothing, against it up to half a second (its commit interval).

Append times decide what a worker has to do. In the log "as it grew" every event was appended when it happened, so that
the worker, like one that reads weeks again, settles verdicts and moves windows all the way. In the log "all at once"
everything was appended within seconds, like a first backfill: nothing is due before the lateness is over.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.bench.installation import PARTITIONS, PATIENCE, Installation, Timing, Worker
from tests.bench.machine import setting, show, spread
from tests.support.load import load
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes, packages_env

pytestmark = pytest.mark.timeout(3600)

SERVICES: Final = 400
PROGRAMS: Final = Path(__file__).parent

Measure = Callable[[int], Timing]


def test_events_per_second(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> None:
    count, runs = setting("BENCH_EVENTS", 200_000), setting("BENCH_RUNS", 3)
    grown, at_once = Installation(kafka, f"{unique}grown-"), Installation(kafka, f"{unique}once-")
    now = time.time_ns() // 1000
    for place in (grown, at_once):
        place.create(f"{place.prefix}none", broker_time=place is at_once)
        place.append(load(count, SERVICES, now))

    def consumer(run: int) -> Timing:
        return program(processes, "bare_consumer.py", count, grown, str(PARTITIONS))

    def stock(run: int) -> Timing:
        return program(processes, "bare_faust.py", count, grown, f"{unique}faust-{run}", str(tmp_path / f"faust-{run}"))

    def worker(place: Installation, store: str) -> Measure:
        return lambda run: caught_up(processes, place, f"{place.prefix}{store}-{run}", tmp_path, store)

    measures: dict[str, Measure] = {
        "confluent-kafka consumer, decodes": consumer,
        "stock Faust agent, decodes": stock,
        "worker, RocksDB, log as it grew": worker(grown, "rocksdb"),
        "worker, memory, log as it grew": worker(grown, "memory"),
        "worker, RocksDB, log all at once": worker(at_once, "rocksdb"),
    }
    timings: dict[str, list[Timing]] = {name: [] for name in measures}
    for run in range(runs):
        for name, measure in measures.items():
            timings[name].append(measure(run))
    show(
        f"Throughput: {count:,} events of {SERVICES} services, {PARTITIONS} partitions, median of {runs}",
        kafka,
        ("", "events/s", "µs CPU per event"),
        [
            (
                name,
                spread([count / each.seconds for each in taken]),
                spread([1e6 * each.cpu / count for each in taken], 1),
            )
            for name, taken in timings.items()
        ],
    )


def program(processes: Processes, file: str, count: int, place: Installation, *args: str) -> Timing:
    """What one of the programs beside this file says of itself."""
    answer = processes.folder / "answer.json"
    answer.unlink(missing_ok=True)
    command = sys.executable, str(PROGRAMS / file), place.kafka.bootstrap, place.events_topic, *args
    process = processes.start(*command, str(count), str(answer), env=packages_env(), name=file)
    process.wait_until(lambda: answer if answer.exists() and answer.read_text("utf-8") else None, "an answer", PATIENCE)
    process.kill()
    return Timing(*json.loads(answer.read_text("utf-8")))


def caught_up(processes: Processes, place: Installation, app_id: str, folder: Path, store: str) -> Timing:
    """A new worker reads the whole log."""
    place.create(app_id)
    trust = {"CANDORA_TRUST_CREATE_TIME": "true", "CANDORA_STORE": store}
    worker = Worker(processes, place, app_id, folder / app_id, trust)
    timing = worker.catch_up()
    assert worker.process.terminate(60) == 0
    return timing
