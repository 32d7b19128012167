"""Each protection, once broken on purpose, is missed: the chaos of the other file would say so."""

from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.chaos.conftest import Tell
from tests.chaos.program import BREAKS
from tests.chaos.run import run_schedule
from tests.chaos.schedule import SESSION, SHORT_RETENTION, USUAL, Fault, Schedule, World
from tests.support.servers.kafka import KafkaBroker

TRIES: Final = 4
"""Schedules until a fault must have come at the wrong moment."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Mutation(NamedTuple):
    """What is broken, what provokes it, and who must notice."""

    broken: str
    faults: tuple[Fault, ...]
    finder: str
    world: World = USUAL
    gap: tuple[float, float] = (0.7, 1.5)


KILLS: Final = tuple(Fault("kill", name) for name in ("one", "two", "three"))
PAUSE: Final = Fault("pause", "one", SESSION * 2)
"""So long that another has its partitions, and has read on in them, when it wakes."""
MUTATIONS: Final = (
    Mutation("acknowledge-early", KILLS, "audit: exit code 1"),
    Mutation("commit-past-holes", KILLS, "audit: exit code 1"),
    Mutation("store-first", KILLS, "audit: exit code 1"),
    Mutation("forget-folds", KILLS, "audit: exit code 1", SHORT_RETENTION, (2.5, 3.5)),
    Mutation("outlive-session", (PAUSE,), "audit: exit code 1", gap=(1.5, 2.5)),
    Mutation("serve-early", (Fault("serving killed"),) * 3, "sampler: ", gap=(3.0, 4.0)),
)


def test_every_break_is_tried() -> None:
    assert {mutation.broken for mutation in MUTATIONS} == set(BREAKS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.broken)
def test_a_broken_protection_is_found(kafka: KafkaBroker, tmp_path: Path, tell: Tell, mutation: Mutation) -> None:
    found: list[str] = []
    for seed in range(1, TRIES + 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        schedule = Schedule(seed, mutation.faults, mutation.world, gap=mutation.gap, foreign=False)
        outcome = run_schedule(kafka, folder, schedule, mutation.broken)
        found += outcome.problems
        if any(problem.startswith(mutation.finder) for problem in outcome.problems):
            tell(f"{mutation.broken}: found with seed {seed} after {outcome.seconds:.0f} s: {outcome.verdict}")
            return
    problems = "\n".join(found) or "all schedules ended equal"
    pytest.fail(f"{mutation.broken} was not found within {TRIES} schedules:\n{problems}")
