"""Seconds until a worker has its state again, and until a group works again of which one worker was restarted.

`BENCH_DEPLOYMENTS` (100,000) live deployments with all their events are read by one worker, which then starts anew:
with its RocksDB, and with an empty disk, so that everything comes from the changelog as it was written (nothing of it
compacted yet). From the start of the process, Python and its libraries included, until it is ready.

Then two workers share the log, events come all the time in every partition, and one worker is sent SIGTERM:
`BENCH_RUNS` (3) times each, restarted at once under its name as in a rolling deploy, and gone for good without a
lasting name. From SIGTERM until of every partition a message is committed that was appended after it; half a second of
that may be the commit interval.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.partitioner import partition_of
from schemas.values import EventValue
from tests.bench.bare_partition_state import STEP
from tests.bench.installation import PARTITIONS, PATIENCE, Installation, Worker
from tests.bench.machine import setting, show, spread
from tests.support import events
from tests.support.load import load
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

pytestmark = pytest.mark.timeout(3600)

SERVICES: Final = 1_000
EVENTS_EACH: Final = 9.1
SETTINGS: Final = {"CANDORA_TRUST_CREATE_TIME": "true"}
_LOOK_EVERY: Final = 0.02


def test_recovery_and_rolling_deploy(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> None:
    live, runs = setting("BENCH_DEPLOYMENTS", 100_000), setting("BENCH_RUNS", 3)
    count = int(live * EVENTS_EACH)
    place, app_id = Installation(kafka, unique), f"{unique}worker"
    place.create(app_id, broker_time=False)

    def start(name: str, disk: str, **more: str) -> Worker:
        more = {"CANDORA_INSTANCE_ID": name, **more}
        return Worker(processes, place, app_id, tmp_path / disk, {**SETTINGS, **more})

    place.append(load(count, SERVICES, time.time_ns() // 1000, step=STEP))
    first = start("one", "one")
    read = first.catch_up().seconds
    stop(first)
    local = timed(start, ["one"] * runs)
    empty = [f"empty-{run}" for run in range(runs)]
    changelog, disk = timed(start, empty), empty[-1]
    show(
        f"Recovery of {live:,} live deployments ({count:,} events, {SERVICES:,} services, {PARTITIONS} partitions), "
        f"one worker, median of {runs}",
        kafka,
        ("from the start of the process until ready", "seconds"),
        [
            ("from its RocksDB", spread(local, 1)),
            ("from the changelog alone, nothing compacted", spread(changelog, 1)),
            ("for comparison: reading the log again", spread([read], 1)),
        ],
    )
    with going_on(place):
        rows = [
            ("restarted at once under its name", spread(rolling(place, app_id, start, disk, runs), 1)),
            ("gone for good, without a lasting name", spread(leaving(place, app_id, start, disk, runs), 1)),
        ]
    show(
        f"One of two workers ends by SIGTERM, {live:,} live deployments, median of {runs}",
        kafka,
        ("from SIGTERM until every partition is committed beyond it", "seconds"),
        rows,
    )


Start = Callable[..., Worker]


def timed(start: Start, disks: Sequence[str]) -> list[float]:
    """Seconds until a worker is ready, with each of these disks."""
    took: list[float] = []
    for disk in disks:
        began = perf_counter()
        worker = start("one", disk).ready()
        took.append(perf_counter() - began)
        stop(worker)
    return took


def rolling(place: Installation, app_id: str, start: Start, disk: str, runs: int) -> list[float]:
    """SIGTERM to one of two with lasting names; as soon as it has ended, its successor starts with its disk."""
    took: list[float] = []
    one, two = start("one", disk).ready(), start("two", "two").ready()
    work_on(place, app_id)
    for _ in range(runs):
        ends, began = place.ends(), perf_counter()
        one.process.popen.terminate()
        assert one.process.wait(60) == 0
        one = start("one", disk)
        work_on(place, app_id, ends)
        took.append(perf_counter() - began)
        one.ready()
    stop(one, two)
    return took


def leaving(place: Installation, app_id: str, start: Start, disk: str, runs: int) -> list[float]:
    """SIGTERM to one of two without lasting names: the other takes its partitions, and has their state on its disk."""
    took: list[float] = []
    nameless = {"CANDORA_INSTANCE_ID": "none", "CANDORA_SESSION_TIMEOUT": "10s"}
    stays = start("", disk, **nameless).ready()
    for run in range(runs):
        goes = start("", f"goes-{run}", **nameless).ready()
        work_on(place, app_id)
        ends, began = place.ends(), perf_counter()
        goes.process.popen.terminate()
        work_on(place, app_id, ends)
        took.append(perf_counter() - began)
        assert goes.process.wait(60) == 0
    stop(stays)
    return took


def work_on(place: Installation, app_id: str, ends: dict[int, int] | None = None) -> None:
    """Wait until something of every partition is committed that lies beyond these ends, or beyond the present ones."""
    ends = ends if ends is not None else place.ends()
    places = [TopicPartition(place.events_topic, each) for each in ends]
    group = Consumer({"bootstrap.servers": place.kafka.bootstrap, "group.id": app_id, "log_level": 0})
    deadline = time.monotonic() + PATIENCE
    try:
        while any(at.offset <= ends[at.partition] for at in group.committed(places, 10)):
            assert time.monotonic() < deadline, f"the group does not go on beyond {ends}"
            time.sleep(_LOOK_EVERY)
    finally:
        group.close()


@contextmanager
def going_on(place: Installation) -> Iterator[None]:
    """An event in every partition, twenty times a second."""
    done = threading.Event()

    def feed() -> None:
        while not done.wait(0.05):
            place.append(one_each())

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        done.set()
        feeder.join()


def one_each() -> Iterator[EventValue]:
    """A commit now, of one service in each partition."""
    now = time.time_ns() // 1000
    for service in HOMES:
        yield events.commit(f"c-{now}", now, service=service)


def stop(*workers: Worker) -> None:
    """End them in good order."""
    for worker in workers:
        assert worker.process.terminate(120) == 0


def _homes() -> tuple[str, ...]:
    """A service in each partition."""
    found: dict[int, str] = {}
    for number in range(1_000):
        found.setdefault(partition_of(f"live-{number}".encode(), PARTITIONS), f"live-{number}")
    return tuple(found[partition] for partition in range(PARTITIONS))


HOMES: Final = _homes()
