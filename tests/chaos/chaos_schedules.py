"""`make chaos`: after every schedule the audit says equal, and no scrape ever saw a counter fall or a part of them."""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.conftest import Tell
from tests.chaos.run import run_schedule
from tests.chaos.schedule import plan
from tests.support.servers.kafka import KafkaBroker

SEED: Final = int(os.environ.get("CHAOS_SEED") or 1)
SCHEDULES: Final = int(os.environ.get("CHAOS_SCHEDULES") or 50)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("seed", range(SEED, SEED + SCHEDULES))
def test_nothing_is_lost_and_nothing_is_counted_twice(
    kafka: KafkaBroker, tmp_path: Path, tell: Tell, seed: int
) -> None:
    outcome = run_schedule(kafka, tmp_path, plan(seed))
    tell("\n".join([outcome.line(), *outcome.problems[:3]]))
    problems = "\n".join(outcome.problems)
    assert not outcome.problems, f"make chaos SCHEDULES=1 SEED={seed}\n{problems}\nended: {outcome.ended}"
