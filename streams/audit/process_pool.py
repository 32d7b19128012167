"""The processes that recompute, each a group of partitions: the core is what costs, and Python has one lock."""

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final, NamedTuple, Self

from confluent_kafka import Message

from streams.audit.provenance import RecordProvenance, behind
from streams.audit.recompute import LogReplay, ReplayOutput
from streams.audit.record_types import Place, kinds
from streams.core.settings import MetricSettings
from streams.errors import Inconclusive
from streams.event_log.event_reader import EventReader
from streams.event_log.raw_record import WrongTimestampsError, record_of
from streams.kafka.cluster import open_consumer, read_messages

WORTH_A_PROCESS: Final = 20_000
"""Messages for which it pays to start another process."""


@dataclass(frozen=True)
class ReplayJob:
    """What every process gets."""

    client: Mapping[str, str]
    topic: str
    partitions: int
    settings: MetricSettings
    trust_create_time: bool
    registry_url: str | None
    unknown: frozenset[Place] = frozenset()
    """Messages to be refused for their schema: see `LogReplay`."""


class OffsetSpan(NamedTuple):
    """Read a partition from here and stop before there; take stock after each of the messages at `stops`."""

    begin: int
    end: int
    stops: frozenset[int] = frozenset()


class RecordQuery(NamedTuple):
    """A record whose events are asked for."""

    kind: int
    key: bytes
    service: str
    partition: int


Request = dict[int, OffsetSpan] | list[RecordQuery]


def groups_of(sizes: Mapping[int, int], processes: int) -> list[list[int]]:
    """Share partitions out evenly by their sizes, among no more processes than it pays to start."""
    worth = -(-sum(sizes.values()) // WORTH_A_PROCESS)
    groups: list[list[int]] = [[] for _ in range(max(1, min(processes, worth, len(sizes))))]
    loads = [0] * len(groups)
    for partition in sorted(sizes, key=lambda one: -sizes[one]):
        lightest = loads.index(min(loads))
        groups[lightest].append(partition)
        loads[lightest] += sizes[partition]
    return groups


class ReplayPool:
    """Processes that read the log side by side: `with ReplayPool(job, groups) as pool: ...`."""

    def __init__(self, job: ReplayJob, groups: Iterable[Iterable[int]]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._members: list[tuple[SpawnProcess, Connection, Any, frozenset[int]]] = []
        for group in groups:
            ours, theirs = spawn.Pipe()
            count = spawn.Value("q", 0, lock=False)
            process = spawn.Process(target=_work, args=(job, tuple(group), theirs, count), daemon=True)
            process.start()
            theirs.close()
            self._members.append((process, ours, count, frozenset(group)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for process, connection, _, _ in self._members:
            connection.close()
            process.terminate()
            process.join()

    @property
    def count(self) -> int:
        """Return how many messages have been read."""
        return sum(count.value for _, _, count, _ in self._members)

    def read(self, spans: Mapping[int, OffsetSpan]) -> None:
        """Begin to read; ask `readings` for what was found."""
        for _, connection, _, group in self._members:
            connection.send({partition: span for partition, span in spans.items() if partition in group})

    def readings(self, tick: Callable[[], None]) -> list[ReplayOutput]:
        """Return what each process found, once all have; `tick` is called meanwhile."""
        return self._answers(tick)

    def behind(self, subjects: Iterable[RecordQuery]) -> dict[tuple[int, bytes], RecordProvenance]:
        """Return the events that records are made of."""
        asked = list(subjects)
        for _, connection, _, group in self._members:
            connection.send([subject for subject in asked if subject.partition in group])
        answers: list[dict[tuple[int, bytes], RecordProvenance]] = self._answers(lambda: None)
        return {key: found for answer in answers for key, found in answer.items()}

    def _answers(self, tick: Callable[[], None]) -> list[Any]:
        answers: dict[int, Any] = {}
        while len(answers) < len(self._members):
            waiting = {one[1]: place for place, one in enumerate(self._members) if place not in answers}
            for ready in wait(list(waiting), 0.2):
                place = waiting[ready]  # type: ignore[index]
                answers[place] = self._answer(place)
            tick()
        return list(answers.values())

    def _answer(self, place: int) -> Any:
        process, connection, _, _ = self._members[place]
        try:
            answer = connection.recv()
        except EOFError as error:
            process.join()
            raise Inconclusive(f"a process that recomputed has ended with exit code {process.exitcode}") from error
        if isinstance(answer, Inconclusive):
            raise answer
        return answer


# --- in the process ---------------------------------------------------------------------------------------------------


def _work(job: ReplayJob, group: tuple[int, ...], connection: Connection, count: Any) -> None:
    """Answer requests until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks ends it
    gc.disable()  # the core makes no cycles that it does not break, and looking for some costs a fifth of the speed
    member = _Member(job, group, count)
    while True:
        try:
            request = connection.recv()
        except EOFError:
            os._exit(0)  # taking a million small objects apart one by one would take seconds
        try:
            answer: Any = member.answer(request)
        except Inconclusive as error:
            answer = error
        except WrongTimestampsError as wrong:
            answer = Inconclusive(str(wrong))
        connection.send(answer)


class _Member:
    """The replay of a group of partitions, and its consumer."""

    def __init__(self, job: ReplayJob, group: tuple[int, ...], count: Any) -> None:
        events = EventReader.open(
            job.partitions, job.settings.max_future, job.registry_url, trust_create_time=job.trust_create_time
        )
        self._topic = job.topic
        self._replay = LogReplay(group, job.settings, events, unknown=job.unknown)
        self._consumer = open_consumer(job.client)
        self._count = count

    def answer(self, request: Request) -> Any:
        if isinstance(request, dict):
            return self._read(request)
        return {(one.kind, one.key): self._behind(one) for one in request}

    def _read(self, spans: Mapping[int, OffsetSpan]) -> ReplayOutput:
        places = {(self._topic, partition): (span.begin, span.end) for partition, span in spans.items()}
        stops = {(partition, stop) for partition, span in spans.items() for stop in span.stops}
        read, topic = self._replay.read, self._topic
        found = ReplayOutput([], [], [], [])
        for message in read_messages(self._consumer, places, self._tick):
            record = record_of(topic, message)
            read(record, partial(_headers, message))
            if stops and (record.partition, record.offset) in stops:
                _extend(found, self._replay.take())
        _extend(found, self._replay.take())
        return found

    def _tick(self, more: int) -> None:
        self._count.value += more

    def _behind(self, subject: RecordQuery) -> RecordProvenance:
        state = self._replay.partition_states[subject.partition].services.get(subject.service)
        return (
            RecordProvenance()
            if state is None
            else behind(kinds()[subject.kind], subject.key, state, subject.partition)
        )


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    headers: Any = message.headers()
    return list(headers or ())


def _extend(found: ReplayOutput, more: ReplayOutput) -> None:
    found.records.extend(more.records)
    found.refused.extend(more.refused)
    found.due.extend(more.due)
    found.linked.extend(more.linked)
