"""Workers that die by SIGKILL under load: what is published in the end is what the log says, field by field."""

import time
from pathlib import Path
from typing import Final

import pytest

from schemas.values import DAY, EventValue
from tests.support.builders.scrapes import numbers
from tests.support.load import load
from tests.support.servers.installation import Installation, Worker, assert_same, published, recompute
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

pytestmark = pytest.mark.proof

EVENTS: Final = 20_000
SERVICES: Final = 40
SMALL_BATCHES: Final = {"CANDORA_BATCH_RECORDS": "200"}
"""So that there are many moments at which a worker can be killed."""
BEGUN: Final = 600
"""Messages that a worker has read when it is killed: it has published, stored and committed some batches."""


def events() -> list[EventValue]:
    """Of ten days ago: nothing enters or leaves a window while the test runs."""
    return list(load(EVENTS, SERVICES, time.time_ns() // 1000 - 10 * DAY, seed=3))


def progress(worker: Worker) -> int:
    """How many messages a worker has taken up."""
    return sum(worker.held().values())


@pytest.mark.parametrize(
    ("victims", "disk"),
    [(("one",), ""), (("one",), "empty-"), (("one", "two"), "")],
    ids=["one comes back", "one comes back with an empty disk", "both come back"],
)
def test_a_killed_worker_changes_nothing(
    kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path, victims: tuple[str, ...], disk: str
) -> None:
    installation = Installation(kafka, unique, processes, tmp_path).create_topics()
    installation.start_workers("one", "two", **SMALL_BATCHES)
    serving = installation.start_serving()
    installation.produce_events(events())
    installation.await_that(
        lambda: all(progress(installation.workers[name]) > BEGUN for name in victims), "workers amid their work", 30
    )
    killed = {partition for name in victims for partition in installation.workers[name].held()}
    for name in victims:
        installation.workers.pop(name).process.kill()
    acknowledged, ends = installation.committed(), installation.ends("deploy_events")
    assert any(acknowledged[partition] for partition in killed)
    assert all(acknowledged[partition] < ends[partition] for partition in killed), "nothing was left to do"

    for name in victims:
        installation.start_worker(name, disk=f"{disk}{name}" if disk else "", **SMALL_BATCHES)
    installation.await_workers()
    installation.settle()
    text = installation.await_served(serving)
    installation.stop()
    recomputed = recompute(installation)
    assert not recomputed.refused
    records = published(installation)
    assert_same(records, recomputed.records)

    totals = {key: metrics["counters"]["deployments"] for key, metrics in records.metrics.items() if key[1]}
    assert len(totals) == SERVICES
    assert sum(totals.values()) > EVENTS // 20
    shown = numbers(text)
    for (service, env), total in totals.items():
        assert shown["deployments_total", (("env", env), ("service", service))] == total
    assert not any(metrics["counters"]["conflicting_events"] for metrics in records.metrics.values())
