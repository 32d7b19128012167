"""Short schedules of `make chaos`, one of each world, in `make proof`."""

from pathlib import Path

import pytest

from tests.chaos.run import run_schedule
from tests.chaos.schedule import quick_plan
from tests.support.servers.kafka import KafkaBroker

pytestmark = pytest.mark.proof


@pytest.mark.parametrize("seed", [4, 5])
def test_a_short_schedule_changes_nothing(kafka: KafkaBroker, tmp_path: Path, seed: int) -> None:
    outcome = run_schedule(kafka, tmp_path, quick_plan(seed))
    assert not outcome.problems, "\n".join(outcome.problems)
