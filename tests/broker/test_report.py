"""`candora report` reads the log itself: the same review as from a file of its events, and nothing joins it first."""

from pathlib import Path
from random import Random

import pytest

from streams.core.settings import MetricSettings
from tests.support.company_history import company_events
from tests.support.servers.installation import Installation
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

GOLDEN = Path(__file__).parents[1] / "unit" / "streams" / "report" / "golden" / "week.md"


@pytest.fixture
def place(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> Installation:
    return Installation(kafka, unique, processes, tmp_path, MetricSettings()).create_topics()


def test_the_log_in_any_order_and_told_twice(place: Installation, processes: Processes, tmp_path: Path) -> None:
    events = list(company_events())
    place.produce_events(Random(1).sample(events, len(events)))
    place.produce_events(events[:500])
    path = tmp_path / "review.md"
    arguments = ("report", "--week", "2026-W13", "--format", "markdown", "--output", str(path))
    told = processes.candora(*arguments, env=place.env)
    assert told.wait() == 0, told.tail()
    assert path.read_text("utf-8") == GOLDEN.read_text("utf-8")


def test_a_kafka_that_is_away_is_said_in_one_line(processes: Processes) -> None:
    told = processes.candora("report", env={"CANDORA_KAFKA_BOOTSTRAP_SERVERS": "localhost:1"})
    assert told.wait() == 3
    assert [line for line in told.tail().splitlines() if line.startswith("candora:")]
