"""`make peers`: the worker beside Quix Streams and Bytewax, on one log, in one run, each with its durable state.

`BENCH_EVENTS` (200,000) events, `BENCH_RUNS` (3) times each, taking turns. All programs are one process and decode with
the same code; the peers run `plain_join`, which does less than the worker (its head says what is missing), with their
own defaults but for the checkpoints, which come every second. Before anything is printed, what they count is compared
with what was sent, and what the worker publishes is, too.

What is timed: the programs beside this file, from the first event until state, counters and offsets are
confirmed; the worker, from ready until it has committed the end of the log. In favour of the peers: their clock starts
when the first event is there. Neither of them is stopped or killed here.
"""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.ids import pinned_decoder
from schemas.values import EventValue
from tests.bench.bench_throughput import caught_up, program
from tests.bench.installation import PARTITIONS, PATIENCE, Installation, Timing
from tests.bench.machine import setting, show, spread
from tests.bench.peers.plain_join import ZERO
from tests.support.load import load
from tests.support.missing import not_run
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

pytestmark = pytest.mark.timeout(3600)

SERVICES: Final = 400
PROGRAMS: Final = Path(__file__).parent
ROOT: Final = PROGRAMS.parents[2]
PYTHON: Final = os.environ.get("PEERS_PYTHON", "")

Counts = Mapping[str, Mapping[str, int]]
"""By service, what `plain_join` counts."""


def test_the_same_join_in_other_frameworks(
    kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path
) -> None:
    if not PYTHON:
        not_run("a Python with Quix Streams and Bytewax", "Run `make peers`, which makes one.")
    count, runs = setting("BENCH_EVENTS", 200_000), setting("BENCH_RUNS", 3)
    grown, at_once = Installation(kafka, f"{unique}grown-"), Installation(kafka, f"{unique}once-")
    events = list(load(count, SERVICES, time.time_ns() // 1000))
    for place in (grown, at_once):
        place.create(f"{place.prefix}none", broker_time=place is at_once)
        place.append(events)
    truth = counts_of(events)

    def peer(file: str) -> Timing:
        name = f"{unique}{file.removesuffix('.py')}-{len(timings[file])}"
        kafka.create_topic(f"{at_once.prefix}{name}", PARTITIONS)
        timing = run_peer(processes, file, at_once, name, tmp_path / name, count)
        assert counted_by(at_once, name) == truth, f"{file} counts otherwise"
        return timing

    def worker(place: Installation, what: str) -> Timing:
        app_id = f"{place.prefix}worker-{len(timings[what])}"
        timing = caught_up(processes, place, app_id, tmp_path, "rocksdb")
        assert published_by(place) == {service: _shared(counts) for service, counts in truth.items()}
        return timing

    timings: dict[str, list[Timing]] = defaultdict(list)
    bare, once, all_the_way = "confluent-kafka consumer, decodes", "worker, log all at once", "worker, log as it grew"
    for _ in range(runs):
        timings[bare].append(program(processes, "bare_consumer.py", count, at_once, str(PARTITIONS)))
        timings[once].append(worker(at_once, once))
        timings[all_the_way].append(worker(grown, all_the_way))
        timings["with_quix.py"].append(peer("with_quix.py"))
        timings["with_bytewax.py"].append(peer("with_bytewax.py"))
    show(
        f"Peers: {count:,} events of {SERVICES} services, {PARTITIONS} partitions, one process each, median of {runs}",
        kafka,
        ("durable state", "events/s", "µs CPU per event"),
        [_row(TITLES.get(name, name), taken, count) for name, taken in timings.items()],
    )


TITLES: Final = {
    "with_quix.py": "Quix Streams 3.28, plain join, RocksDB and changelog",
    "with_bytewax.py": "Bytewax 0.21, plain join, recovery store",
}


def _row(title: str, taken: Sequence[Timing], count: int) -> tuple[str, str, str]:
    seconds, cpu = [count / each.seconds for each in taken], [1e6 * each.cpu / count for each in taken]
    return title, spread(seconds), spread(cpu, 1)


def run_peer(processes: Processes, file: str, place: Installation, target: str, folder: Path, count: int) -> Timing:
    """What a program beside this file says of itself."""
    answer = processes.folder / "answer.json"
    answer.unlink(missing_ok=True)
    where = place.kafka.bootstrap, place.events_topic, place.prefix + target, target, str(folder)
    command = PYTHON, str(PROGRAMS / file), *where, str(count), str(answer)
    process = processes.start(*command, env={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}, name=file)
    process.wait_until(lambda: answer if answer.exists() and answer.read_text("utf-8") else None, "an answer", PATIENCE)
    assert process.wait(30) == 0, process.tail()
    return Timing(*json.loads(answer.read_text("utf-8")))


# --- what is right ----------------------------------------------------------------------------------------------------


def counts_of(events: Iterable[EventValue]) -> Counts:
    """What was sent, counted in another way than `plain_join` does: event by event, from the load's own plan."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict(ZERO))
    began: dict[tuple[str, str | None], int] = {}
    opened: dict[str | None, int] = {}
    for event in events:
        of, at = counts[event["service"]], event["occurred_at"]
        match event["event_type"]:
            case "commit_created":
                began.setdefault((event["service"], event["change_id"]), at)
            case "rollback_triggered":
                of["deployments"] += 1
                of["failed"] += 1
            case "canary_promoted":
                run = str(event["deployment_id"]).rpartition("-")[2]
                of["deployments"] += 1
                of["lead_times"] += 1
                of["lead_time_sum"] += at - began[event["service"], f"{event['service']}#{run}"]
            case "incident_opened":
                of["failed"] += 1
                opened[event["incident_id"]] = at
            case "incident_resolved":
                of["restores"] += 1
                of["restore_sum"] += at - opened[event["incident_id"]]
    return {service: of for service, of in counts.items() if any(of.values())}


def counted_by(place: Installation, base: str) -> Counts:
    """The last counters of every service in the topic of a peer."""
    found = {service: json.loads(value) for service, value, _ in place.messages(base)}
    return {service: counts for service, counts in found.items() if any(counts.values())}


def _shared(counts: Mapping[str, int]) -> Mapping[str, int]:
    """What the worker's records hold as well, whatever it waits for."""
    return {name: counts[name] for name in ("deployments", "failed", "lead_times", "lead_time_sum")}


def published_by(place: Installation) -> Counts:
    """The same from the worker's deployments and changes."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict(_shared(ZERO)))
    for record in _last(place, "deployments", "deployment"):
        counts[record["service"]]["deployments"] += record["finished_at"] is not None
        counts[record["service"]]["failed"] += record["failing"] or record["verdict"] == "failed"
    for record in _last(place, "changes", "change"):
        for promotion in record["promotions"]:
            counts[record["service"]]["lead_times"] += 1
            counts[record["service"]]["lead_time_sum"] += promotion["promoted_at"] - record["first_commit_at"]
    return {service: of for service, of in counts.items() if any(of.values())}


def _last(place: Installation, base: str, record: str) -> list[dict[str, Any]]:
    decode = pinned_decoder(record).decode
    return [decode(value) for value in {key: value for key, value, _ in place.messages(base)}.values()]
