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
from typing import Any, Final, NamedTuple, Protocol, Self

from confluent_kafka import Message

from schemas.codec import EventDecoder, Schema
from schemas.ids import pinned_decoder
from schemas.registry import RegistryClient, RegistryError
from streams.audit.behind import Behind, behind
from streams.audit.cluster import open_consumer, read_messages
from streams.audit.kinds import Place, Undecided, kinds
from streams.audit.replay import Reading, Replay
from streams.core.settings import Settings
from streams.worker.intake import Intake
from streams.worker.records import RawRecord, WrongTimestampsError

WORTH_A_PROCESS: Final = 20_000
"""Messages for which it pays to start another process."""

_NOT_FOUND: Final = 404


@dataclass(frozen=True)
class Job:
    """What every process is told."""

    client: Mapping[str, str]
    topic: str
    partitions: int
    settings: Settings
    trust_create_time: bool
    registry_url: str | None
    unknown: frozenset[Place] = frozenset()
    """Messages to be refused for their schema: see `Replay`."""


class Span(NamedTuple):
    """Read a partition from here and stop before there; take stock after each of the messages at `stops`."""

    begin: int
    end: int
    stops: frozenset[int] = frozenset()


class Subject(NamedTuple):
    """A record whose events are asked for."""

    kind: int
    key: bytes
    service: str
    partition: int


Request = dict[int, Span] | list[Subject]


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


class Crew:
    """Processes that read the log side by side: `with Crew(job, groups) as crew: ...`."""

    def __init__(self, job: Job, groups: Iterable[Iterable[int]]) -> None:
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
        """How many messages have been read."""
        return sum(count.value for _, _, count, _ in self._members)

    def read(self, spans: Mapping[int, Span]) -> None:
        """Begin to read; ask `readings` for what was found."""
        for _, connection, _, group in self._members:
            connection.send({partition: span for partition, span in spans.items() if partition in group})

    def readings(self, tick: Callable[[], None]) -> list[Reading]:
        """What each process found, once all have; `tick` is called meanwhile."""
        return self._answers(tick)

    def behind(self, subjects: Iterable[Subject]) -> dict[tuple[int, bytes], Behind]:
        """The events that records are made of."""
        asked = list(subjects)
        for _, connection, _, group in self._members:
            connection.send([subject for subject in asked if subject.partition in group])
        answers: list[dict[tuple[int, bytes], Behind]] = self._answers(lambda: None)
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
            raise Undecided(f"a process that recomputed has ended with exit code {process.exitcode}") from error
        if isinstance(answer, Undecided):
            raise answer
        return answer


# --- in the process ---------------------------------------------------------------------------------------------------


def _work(job: Job, group: tuple[int, ...], connection: Connection, count: Any) -> None:
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
        except Undecided as undecided:
            answer = undecided
        except WrongTimestampsError as wrong:
            answer = Undecided(str(wrong))
        connection.send(answer)


class _Member:
    """The replay of a group of partitions, and its consumer."""

    def __init__(self, job: Job, group: tuple[int, ...], count: Any) -> None:
        decoder: EventDecoder = pinned_decoder("deploy_event")
        intake = Intake(decoder, job.partitions, job.settings.max_future, trust_create_time=job.trust_create_time)
        learn = Learner(decoder, RegistryClient(job.registry_url) if job.registry_url else None)
        self._topic = job.topic
        self._replay = Replay(group, job.settings, intake, decoder, learn=learn, unknown=job.unknown)
        self._consumer = open_consumer(job.client)
        self._count = count

    def answer(self, request: Request) -> Any:
        if isinstance(request, dict):
            return self._read(request)
        return {(one.kind, one.key): self._behind(one) for one in request}

    def _read(self, spans: Mapping[int, Span]) -> Reading:
        places = {(self._topic, partition): (span.begin, span.end) for partition, span in spans.items()}
        stops = {(partition, stop) for partition, span in spans.items() for stop in span.stops}
        read, topic = self._replay.read, self._topic
        found = Reading([], [], [], [])
        for message in read_messages(self._consumer, places, self._tick):
            kind, timestamp = message.timestamp()
            partition, offset = message.partition() or 0, message.offset() or 0
            # librdkafka counts the kinds of timestamps from 1, Kafka from 0.
            record = RawRecord(topic, partition, offset, timestamp, kind - 1, message.key(), message.value())
            read(record, partial(_headers, message))
            if stops and (partition, offset) in stops:
                _extend(found, self._replay.take())
        _extend(found, self._replay.take())
        return found

    def _tick(self, more: int) -> None:
        self._count.value += more

    def _behind(self, subject: Subject) -> Behind:
        book = self._replay.shelves[subject.partition].books.get(subject.service)
        return Behind() if book is None else behind(kinds()[subject.kind], subject.key, book, subject.partition)


class SchemaSource(Protocol):
    """A registry."""

    def schema_by_id(self, schema_id: int, /) -> Schema:
        """The schema with this id; RegistryError."""


class Learner:
    """Asks the registry for schemas that this program was not shipped with."""

    def __init__(self, decoder: EventDecoder, registry: SchemaSource | None) -> None:
        self._decoder = decoder
        self._registry = registry
        self._unknown: set[int] = set()

    def __call__(self, schema_id: int) -> bool:
        """Learn a schema; False if there is none of that id, or no registry."""
        if self._registry is None or schema_id in self._unknown:
            return False
        try:
            schema = self._registry.schema_by_id(schema_id)
        except RegistryError as error:
            if error.status != _NOT_FOUND:
                raise Undecided(f"the schema registry does not say what schema {schema_id} is: {error}") from error
            self._unknown.add(schema_id)
            return False
        self._decoder.add_writer(schema_id, schema)
        return True


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    headers: Any = message.headers()
    return list(headers or ())


def _extend(found: Reading, more: Reading) -> None:
    found.records.extend(more.records)
    found.refused.extend(more.refused)
    found.due.extend(more.due)
    found.linked.extend(more.linked)
