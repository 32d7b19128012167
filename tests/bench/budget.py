"""Where the time of one event goes in a worker, step by step and without Kafka."""

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter_ns
from typing import Any, Final, ParamSpec, TypeVar

from schemas.ids import pinned_decoder
from schemas.partitioner import partition_of
from schemas.rules import check_event
from streams.core.partition_state import PartitionState
from streams.settings.installation import WorkerSettings
from streams.worker.outputs import OutputEncoder
from streams.worker.tables import encode_row, row_key

P = ParamSpec("P")
T = TypeVar("T")

BATCH: Final = WorkerSettings.model_fields["batch_records"].default
EDGES: Final = "PartitionState.begin and finish"
GARBAGE: Final = "garbage collection (within the others)"


class Stopwatch:
    """Nanoseconds by step and kind of event. It adds about a tenth of a microsecond to what it measures."""

    def __init__(self) -> None:
        self.spent: Counter[tuple[str, str]] = Counter()
        self.events: Counter[str] = Counter()
        self._collecting = 0

    def time(self, step: str, kind: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call, and add the time to a step."""
        began = perf_counter_ns()
        result = call(*args, **kwargs)
        self.spent[step, kind] += perf_counter_ns() - began
        return result

    def watch_garbage(self, phase: str, _: object) -> None:
        """To be told by the garbage collector."""
        if phase == "start":
            self._collecting = perf_counter_ns()
        else:
            self.spent[GARBAGE, ""] += perf_counter_ns() - self._collecting

    def micros(self, step: str, kind: str | None = None) -> float:
        """Microseconds for each event, of one kind or of all."""
        spent = sum(nanos for (name, of), nanos in self.spent.items() if name == step and kind in (None, of))
        return spent / 1000 / (self.events.total() if kind is None else self.events[kind])


def spend(messages: Iterable[tuple[bytes, bytes]], partitions: int) -> Stopwatch:
    """Do with framed events (key and value) what a worker does, in batches, and take the time."""
    watch, settings = Stopwatch(), WorkerSettings()
    decode, outputs = pinned_decoder("deploy_event").decode, OutputEncoder(settings)
    partition_states = [PartitionState(each, settings.core()) for each in range(partitions)]
    waiting: list[list[tuple[bytes, bytes]]] = [[] for _ in range(partitions)]
    offsets = [0] * partitions

    def read(partition: int) -> None:
        partition_state, messages, first = partition_states[partition], waiting[partition], offsets[partition]
        known = [(event["event_type"], event["occurred_at"]) for event in (decode(value) for _, value in messages)]
        moments = [(occurred_at, first + at) for at, (_, occurred_at) in enumerate(known)]
        start = 0
        while start < len(messages):
            end = start + watch.time(EDGES, "", partition_state.begin, moments[start:])
            for at in sorted(range(start, end), key=lambda at: messages[at][0]):
                kind = known[at][0]
                watch.events[kind] += 1
                event = watch.time("decode", kind, decode, messages[at][1])
                watch.time("check", kind, check_event, event)
                watch.time("PartitionState.take", kind, partition_state.take, event, at - start)
            watch.time(EDGES, "", partition_state.finish)
            start = end
        offsets[partition] += len(messages)
        changes = watch.time("PartitionState.collect", "", partition_state.collect)
        watch.time("encode the outputs", "", list, outputs.messages(changes, ()))
        watch.time("encode the state", "", _encode_rows, partition, changes.rows)
        messages.clear()

    gc.callbacks.append(watch.watch_garbage)
    try:
        for key, value in messages:
            partition = partition_of(key, partitions)
            waiting[partition].append((key, value))
            if len(waiting[partition]) == BATCH:
                read(partition)
        for partition in range(partitions):
            read(partition)
    finally:
        gc.callbacks.remove(watch.watch_garbage)
    return watch


def _encode_rows(partition: int, rows: Sequence[tuple[str, Any]]) -> None:
    for key, row in rows:
        row_key(partition, key)
        encode_row(row)
