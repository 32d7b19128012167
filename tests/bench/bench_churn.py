"""Memory over a year of churn: services and deployments come and go, and what is past must go with them.

`BENCH_EVENTS` (1,000,000) events through one partition, spread over 400 days of append times, a tick every 15 minutes
and a batch of a thousand messages at a time, as a worker reads them. About fifty services live at any time, each for
thirty days. Ten times on the way the process's memory, the objects of the core, and the rows that would be stored.

Whatever is older than the longest window is closed, so the records rise for the first months and then stay level: at
no later time may there be a quarter more of them than there was after half of the year. What a service that is gone
was counted for is never forgotten, so memory as a whole may still rise, but by no more than half.
"""

import gc
import hashlib
import random
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

import msgspec
import pytest

from schemas.values import DAY, HOUR, MINUTE, EventTypeName, EventValue, Micros
from streams.core.partition_state import PartitionState
from streams.core.settings import MetricSettings
from tests.bench.machine import memory, setting, show
from tests.support import events

pytestmark = pytest.mark.timeout(3600)

DAYS: Final = 400
LIFE_DAYS: Final = 30
ALIVE: Final = 50
BATCH: Final = 1_000
LOOKS: Final = 10
STAGES: Final[tuple[EventTypeName, ...]] = ("artifact_built", "tests_passed", "security_scanned", "policy_passed")
RECORDS: Final = ("DeploymentState", "ChangeState", "IncidentState", "RollbackClaim")
TYPES: Final = ("ServiceState", "EnvironmentState", *RECORDS)


class Look(NamedTuple):
    """What there was at one moment of the run."""

    events: int
    day: int
    rss: int
    objects: int
    rows: int
    row_bytes: int
    of: Counter[str]

    @property
    def records(self) -> int:
        """How many records the core holds."""
        return sum(self.of[name] for name in RECORDS)


def delivery(number: int, service: str, at: Micros, chance: random.Random) -> Iterator[EventValue]:
    """A change on its way to production, about one in six of which goes wrong."""
    sha = hashlib.sha1(f"{service} {number}".encode(), usedforsecurity=False).hexdigest()
    name, request = f"D{number}", f"{service}#{number}"
    yield events.commit(sha, at, service=service, change=request)
    for minutes, stage in enumerate(STAGES, 5):
        yield events.stage(stage, sha, at + minutes * MINUTE, service=service, change_id=request)
    yield events.started(name, at + HOUR, sha=sha, service=service)
    if chance.random() < 0.05:
        yield events.rollback(at + 2 * HOUR, deployment=name, service=service)
        return
    yield events.promoted(name, at + 2 * HOUR, sha=sha, service=service)
    if chance.random() < 0.1:
        yield events.opened(f"I{number}", at + 3 * HOUR, service=service)
        yield events.resolved(f"I{number}", at + 4 * HOUR, service=service)


def year(count: int) -> Iterator[EventValue]:
    """So many events, spread evenly; the deliveries of different services overlap."""
    chance = random.Random(20_26)
    deliveries = count // 7 + 1  # of at least seven events each
    step = DAYS * DAY // deliveries
    waiting: list[tuple[Micros, int, EventValue]] = []
    for number in range(deliveries):
        at = events.DAY_1 + number * step
        slot = chance.randrange(ALIVE)
        generation = (number * step // DAY + slot) // LIFE_DAYS
        service = f"service-{slot}-{generation}"
        waiting += [(one["occurred_at"], number, one) for one in delivery(number, service, at, chance)]
        if number % 100 == 0:
            waiting.sort(key=lambda entry: entry[:2])
            while waiting and waiting[0][0] <= at:
                yield waiting.pop(0)[2]
    yield from (event for _, _, event in sorted(waiting, key=lambda entry: entry[:2]))


def look(count: int, clock: Micros, stored: dict[str, int]) -> Look:
    """Count what is there."""
    gc.collect()
    objects = gc.get_objects()
    of = Counter(type(one).__name__ for one in objects)
    day = (clock - events.DAY_1) // DAY
    return Look(count, day, memory(), len(objects), len(stored), sum(stored.values()), of)


def test_memory_stays_level_while_services_and_deployments_come_and_go() -> None:
    count = setting("BENCH_EVENTS", 1_000_000)
    partition_state, stored, looks = PartitionState(0, MetricSettings()), dict[str, int](), list[Look]()
    offset = read = 0
    clock = events.DAY_1
    began = time.perf_counter()
    for event in islice(year(count), count):
        while event["occurred_at"] > clock + 15 * MINUTE:
            clock += 15 * MINUTE
            partition_state.read(None, clock, offset)
            offset += 1
        clock = max(clock, event["occurred_at"])
        partition_state.read(event, clock, offset)
        offset, read = offset + 1, read + 1
        if read % BATCH == 0:
            store(partition_state, stored)
        if read % (count // LOOKS) == 0:
            store(partition_state, stored)
            looks.append(look(read, clock, stored))
    table(looks, read / (time.perf_counter() - began))
    half = looks[len(looks) // 2 - 1]
    for later in looks[len(looks) // 2 :]:
        assert later.records <= half.records * 1.25
        assert later.objects <= half.objects * 1.5
        assert later.row_bytes <= half.row_bytes * 1.5
        assert later.rss <= half.rss * 1.5


def store(partition_state: PartitionState, stored: dict[str, int]) -> None:
    """Remember how long each row is; a row of None is deleted."""
    for key, row in partition_state.collect().rows:
        if row is None:
            stored.pop(key, None)
        else:
            stored[key] = len(msgspec.msgpack.encode(row))


def table(looks: list[Look], rate: float) -> None:
    """Print what was seen on the way."""
    header = ("events", "day", "RSS", "objects", "rows", "in the rows", *TYPES)
    rows = [
        (
            f"{one.events:,}",
            one.day,
            f"{one.rss / 2**20:,.0f} MiB",
            f"{one.objects:,}",
            f"{one.rows:,}",
            f"{one.row_bytes / 2**20:,.1f} MiB",
            *(f"{one.of[name]:,}" for name in TYPES),
        )
        for one in looks
    ]
    show(f"Churn: {ALIVE} services alive, each for {LIFE_DAYS} days; {rate:,.0f} events/s", None, header, rows)
