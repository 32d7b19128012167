"""`candora audit` after each way in which events may come: equal, and still able to see one false snapshot."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

import pytest
from confluent_kafka import Producer

from schemas.duration import format_duration
from schemas.ids import pinned_encoder
from schemas.values import MINUTE, SECOND, EventValue, Micros
from streams.core.settings import MetricSettings
from tests.support.load import load
from tests.support.servers.installation import Installation, published, put
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

pytestmark = [pytest.mark.proof, pytest.mark.timeout(200)]

SETTINGS: Final = MetricSettings(failure_window=5 * SECOND, lateness=2 * SECOND)
COUNT: Final = 1_500
SERVICES: Final = 20
LIVE_STEP: Final[Micros] = SECOND // 100
AT_A_TIME: Final = 10


def past(seed: int) -> list[EventValue]:
    """Two weeks of events, each in its time."""
    return list(load(COUNT, SERVICES, time.time_ns() // 1000, seed=seed, step=14 * MINUTE))


def live(place: Installation) -> None:
    """Every event is sent within a tenth of a second after it happens."""
    place.start_workers("one", "two", **judging())
    events = list(load(COUNT, SERVICES, time.time_ns() // 1000 + COUNT * LIVE_STEP, seed=1, step=LIVE_STEP))
    for begin in range(0, COUNT, AT_A_TIME):
        together = events[begin : begin + AT_A_TIME]
        time.sleep(max(0.0, together[-1]["occurred_at"] / SECOND - time.time()))
        place.produce_events(together)


def backfilled(place: Installation) -> None:
    """Everything is there before the first worker starts."""
    place.produce_events(past(2))
    place.start_workers("one", "two", **judging())


def shuffled(place: Installation) -> None:
    """In no order at all, while the workers run."""
    place.start_workers("one", "two", **judging())
    place.produce_events(Random(3).sample(events := past(3), len(events)))


def tripled(place: Installation) -> None:
    """Each three times, in no order, while the workers run."""
    place.start_workers("one", "two", **judging())
    place.produce_events(Random(4).sample(events := past(4) * 3, len(events)))


def in_transactions(place: Installation) -> None:
    """By a producer that takes every other of its transactions back, and says it again."""
    place.start_workers("one", "two", **judging())
    producer = Producer(
        {
            "bootstrap.servers": place.bootstrap,
            "transactional.id": place.prefix,
            "partitioner": "murmur2_random",
        }
    )
    producer.init_transactions(20)
    encode, events = pinned_encoder("deploy_event").encode, past(5)
    for begin in range(0, COUNT, COUNT // 5):
        for end in (producer.abort_transaction, producer.commit_transaction):
            producer.begin_transaction()
            for event in events[begin : begin + COUNT // 5]:
                producer.produce(place.topic("deploy_events"), encode(event), event["service"].encode())
            assert producer.flush(20) == 0
            end(20)


WAYS: Final[tuple[Callable[[Installation], None], ...]] = (live, backfilled, shuffled, tripled, in_transactions)


def judging() -> dict[str, str]:
    """What workers and audit are told beside what every installation tells them."""
    return {"CANDORA_FAILURE_WINDOW": format_duration(SETTINGS.failure_window)}


@pytest.fixture
def installation(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> Iterator[Installation]:
    place = Installation(kafka, unique, processes, tmp_path, SETTINGS).create_topics()
    yield place
    place.stop()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_equal_however_events_come_and_different_when_one_number_is_false(
    installation: Installation, way: Callable[[Installation], None]
) -> None:
    way(installation)
    installation.await_that(lambda: not pending(installation), "a verdict on every deployment that ended", 40)
    installation.settle()
    audited(installation, 0)
    (service, env), snapshot = next(
        item for item in published(installation).metrics.items() if item[1]["counters"]["deployments"]
    )
    counters = {**snapshot["counters"], "deployments": snapshot["counters"]["deployments"] - 1}
    put(installation, "delivery_metrics", f"{service}/{env}", {**snapshot, "counters": counters})
    assert f"different: delivery_metrics {service}/{env}" in audited(installation, 1)


def pending(place: Installation) -> bool:
    """Whether a deployment waits for its verdict: the worker would soon write a true snapshot over a false one."""
    records = published(place).deployments.values()
    return not records or any(one["finished_at"] and one["verdict"] == "pending" for one in records)


def audited(place: Installation, code: int) -> str:
    """What `candora audit` says, once it has ended with this exit code."""
    numbers = {
        "CANDORA_LATENESS": format_duration(SETTINGS.lateness),
        "CANDORA_WINDOWS": ",".join(map(format_duration, SETTINGS.windows)),
    }
    audit = place.processes.candora("audit", env={**place.env, **numbers, **judging()})
    assert audit.wait(90) == code, audit.tail()
    return audit.tail()
