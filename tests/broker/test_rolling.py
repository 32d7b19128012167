"""A rolling deploy stalls nobody but the worker that is exchanged, and that one for no longer than it must."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Process, Processes
from tests.support.servers.workers import Installation, commits, eventually

pytestmark = [pytest.mark.proof, pytest.mark.timeout(180)]

ASSIGNED: Final = "Executing _on_partitions_assigned"
"""What Faust logs whenever the group gives a worker its partitions."""


@pytest.fixture
def installation(kafka: KafkaBroker, unique: str, tmp_path: Path) -> Installation:
    return Installation.create(kafka, unique, tmp_path)


@contextmanager
def going_on(installation: Installation) -> Iterator[None]:
    """Some events in every partition, ten times a second."""
    done = threading.Event()

    def feed() -> None:
        while not done.wait(0.1):
            installation.send(commits(40))

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        done.set()
        feeder.join()


def assignments(worker: Process) -> int:
    """How often it was given its partitions."""
    return worker.tail(100_000).count(ASSIGNED)


def moved(installation: Installation, places: dict[int, int]) -> set[int]:
    """The partitions of which more is committed than this."""
    return {number for number, offset in installation.committed().items() if offset > places[number]}


def test_the_others_go_on_while_a_worker_with_a_lasting_name_is_exchanged(
    installation: Installation, processes: Processes
) -> None:
    """No rebalance: the others are asked for nothing, and the successor gets the partitions of its predecessor."""
    with going_on(installation):
        workers = {name: installation.process(processes, name) for name in ("a", "b")}
        eventually(lambda: min(installation.committed().values()) > 0, "commits in every partition")
        eventually(lambda: all(map(assignments, workers.values())), "a share for each")
        for name, other in (("a", "b"), ("b", "a")):
            before = assignments(workers[other])
            assert workers[name].terminate(20) == 0
            left = installation.committed()
            eventually(lambda left=left: len(moved(installation, left)) == 2, "the other's partitions going on")  # type: ignore[misc]
            workers[name] = installation.process(processes, name)
            eventually(lambda left=left: len(moved(installation, left)) == 4, "all partitions going on")  # type: ignore[misc]
            assert assignments(workers[other]) == before
            assert assignments(workers[name]) == 1
    eventually(installation.all_committed, "all commits")
    assert installation.counts() == installation.sent


def test_a_worker_without_a_lasting_name_hands_over_at_once(installation: Installation, processes: Processes) -> None:
    """It leaves the group when it stops. Nobody waits for its session to end, which would take ten minutes here."""
    nameless = {"CANDORA_INSTANCE_ID": "none", "CANDORA_SESSION_TIMEOUT": "10m"}
    with going_on(installation):
        workers = [installation.process(processes, name, **nameless) for name in ("a", "b")]
        eventually(lambda: installation.members() == 2 and all(map(assignments, workers)), "a group of two")
        eventually(lambda: min(installation.committed().values()) > 0, "commits in every partition")
        assert workers[0].terminate(20) == 0
        left = installation.committed()
        eventually(lambda: len(moved(installation, left)) == 4, "all partitions going on")
    eventually(installation.all_committed, "all commits")
    assert installation.counts() == installation.sent
