"""Microseconds of each step of the worker and each type of event, in one process and without Kafka.

`BENCH_EVENTS` (200,000) events in batches as the worker takes them, each read at the clock of its own event time, so
that verdicts and windows settle on the way; with the worker's own thresholds of the garbage collector.
"""

import gc
import time
from collections.abc import Iterator

import pytest

from streams.worker.run import GC_THRESHOLDS
from tests.bench.budget import EDGES, GARBAGE, spend
from tests.bench.installation import PARTITIONS
from tests.bench.machine import setting, show
from tests.support.load import encoded_load

pytestmark = pytest.mark.timeout(1800)

SERVICES = 400


@pytest.fixture
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    yield
    gc.set_threshold(*before)


def test_microseconds_per_event(thresholds: None) -> None:
    messages = list(encoded_load(setting("BENCH_EVENTS", 200_000), SERVICES, time.time_ns() // 1000))
    gc.freeze()  # what was made here is not the worker's
    watch = spend(messages, PARTITIONS)
    gc.unfreeze()
    of_events = ("decode", "check", "PartitionState.take")
    of_batches = (EDGES, "PartitionState.collect", "encode the outputs", "encode the state")
    rows = [
        (kind, f"{count:,}", *(f"{watch.micros(step, kind):.1f}" for step in of_events))
        for kind, count in watch.events.most_common()
    ]
    rows.append(("all", f"{watch.events.total():,}", *(f"{watch.micros(step):.1f}" for step in of_events)))
    show(f"One event, {len(messages):,} events of {SERVICES} services", None, ("µs", "events", *of_events), rows)
    per_batch = [(step, f"{watch.micros(step):.1f}") for step in (*of_events, *of_batches)]
    whole = sum(watch.micros(step) for step in (*of_events, *of_batches))
    per_batch += [("all of it", f"{whole:.1f}"), (GARBAGE, f"{watch.micros(GARBAGE):.1f}")]
    show("The whole way of an event but for Kafka, mean over all types", None, ("", "µs per event"), per_batch)
