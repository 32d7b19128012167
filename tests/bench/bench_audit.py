"""How fast `candora audit` reads a log, beside a bare consumer that only decodes.

`BENCH_AUDIT_EVENTS` (1,000,000: an audit that takes a second is mostly Python's start) events in a log "as it grew",
which a worker has read to its end. `BENCH_RUNS` (3) times each, in turns: the bare consumer, from the first event to
the last; the audit in one process, and in as many as there are processors, from its first question to Kafka to its
answer: the log recomputed, all outputs read and compared. Processor time is that of the whole command, with Python's
start and all processes.
"""

import json
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.bench.bench_throughput import program
from tests.bench.installation import PARTITIONS, PATIENCE, Installation, Timing, Worker
from tests.bench.machine import setting, show, spread
from tests.support.load import load
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

pytestmark = pytest.mark.timeout(3600)

SERVICES: Final = 400
TRUST: Final[Mapping[str, str]] = {"CANDORA_TRUST_CREATE_TIME": "true"}


def test_audit_against_a_bare_consumer(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> None:
    count, runs = setting("BENCH_AUDIT_EVENTS", 1_000_000), setting("BENCH_RUNS", 3)
    place, app_id = Installation(kafka, unique), f"{unique}worker"
    place.create(app_id, broker_time=False)
    place.append(load(count, SERVICES, time.time_ns() // 1000))
    worker = Worker(processes, place, app_id, tmp_path / "worker", TRUST)
    worker.catch_up()
    assert worker.process.terminate(60) == 0
    timings: dict[str, list[Timing]] = {}
    for _ in range(runs):
        bare = program(processes, "bare_consumer.py", count, place, str(PARTITIONS))
        timings.setdefault("bare consumer, decodes", []).append(bare)
        for name, args in (("one process", ("--processes", "1")), ("a process per processor", ())):
            cpu = ended_cpu()
            answer = audit(processes, place, app_id, *args)
            assert answer["messages"] == count
            timing = Timing(answer["seconds"], ended_cpu() - cpu)
            timings.setdefault(f"audit, {name}", []).append(timing)
    best = min(one.seconds for one in timings["bare consumer, decodes"])
    show(
        f"Audit: {count:,} events of {SERVICES} services, {PARTITIONS} partitions, median of {runs}",
        kafka,
        ("", "events/s", "% of the bare consumer's best", "µs CPU per event"),
        [
            (
                name,
                spread([count / one.seconds for one in taken]),
                spread([100 * best / one.seconds for one in taken]),
                spread([1e6 * one.cpu / count for one in taken], 1),
            )
            for name, taken in timings.items()
        ],
    )


def ended_cpu() -> float:
    """Processor time of all processes that were started here and have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def audit(processes: Processes, place: Installation, app_id: str, *args: str) -> dict[str, Any]:
    """The answer of `candora audit`, which must be that all is equal."""
    process = processes.candora(
        "audit",
        "--json",
        *args,
        env={
            "CANDORA_KAFKA_BOOTSTRAP_SERVERS": place.kafka.bootstrap,
            "CANDORA_TOPIC_PREFIX": place.prefix,
            "CANDORA_APP_ID": app_id,
            **TRUST,
        },
    )
    assert process.wait(PATIENCE) == 0, process.tail()
    answer: dict[str, Any] = json.loads(process.tail(10_000))
    return answer
