"""A log of two partitions, what its workers publish of it, and an audit of that without a broker."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Final

from schemas.ids import pinned_decoder, pinned_encoder
from schemas.partitioner import partition_of
from schemas.values import DAY, HOUR, MINUTE, EventValue, Micros
from streams.audit.comparison import AuditComparison, RecomputedOutputs
from streams.audit.differences import Difference
from streams.audit.process_pool import OffsetSpan
from streams.audit.published_outputs import DeadLetters, PublishedMessage, PublishedOutputs
from streams.audit.recompute import LogReplay
from streams.audit.record_types import Place, kinds
from streams.core.settings import MetricSettings
from streams.event_log.event_reader import EventReader
from streams.event_log.raw_record import RawRecord
from streams.event_log.validator import LOG_APPEND_TIME, EventValidator
from tests.support.events import DAY_1, cause, commit, opened, promoted, resolved, rollback, stage, started

PARTITIONS: Final = 2
OUT_PARTITIONS: Final = 3
SETTINGS: Final = MetricSettings()
KINDS: Final = {kind.topic: number for number, kind in enumerate(kinds())}


def home(service: str) -> int:
    return partition_of(service.encode(), PARTITIONS)


BANK: Final = next(name for name in ("bank", "cart", "mail", "auth") if home(name) != home("shop"))
Ends = Mapping[int, int]
"""How far each partition is read."""


@dataclass
class Log:
    """The messages of both partitions; links that they breed are added behind them."""

    messages: tuple[list[RawRecord], ...] = field(default_factory=lambda: ([], []))

    def add(self, event: EventValue, at: Micros, partition: int | None = None) -> None:
        self.add_raw(event["service"].encode(), pinned_encoder("deploy_event").encode(event), at, partition)

    def add_raw(self, key: bytes | None, value: bytes | None, at: Micros, partition: int | None = None) -> None:
        place = partition_of(key or b"", PARTITIONS) if partition is None else partition
        held = self.messages[place]
        headers = [("trace", b"\x01")]
        held.append(RawRecord("deploy_events", place, len(held), at // 1000, LOG_APPEND_TIME, key, value, headers))

    @property
    def ends(self) -> dict[int, int]:
        return {partition: len(held) for partition, held in enumerate(self.messages)}


def replay(unknown: Collection[Place] = (), learn: Collection[int] = ()) -> LogReplay:
    decoder = pinned_decoder("deploy_event")
    validator = EventValidator(decoder, PARTITIONS, SETTINGS.max_future)
    schemas = SimpleNamespace(learn=lambda one: one in learn)
    reader = EventReader(decoder, validator, schemas)  # type: ignore[arg-type]  # a fake
    return LogReplay(range(PARTITIONS), SETTINGS, reader, unknown=unknown)


def read(reader: LogReplay, log: Log, begin: Ends, end: Ends) -> None:
    for partition, stop in end.items():
        for record in log.messages[partition][begin.get(partition, 0) : stop]:
            reader.read(record._replace(headers=()), lambda record=record: list(record.headers))  # type: ignore[misc]


def story() -> Log:
    """A bit of everything: judged deployments, revisions, a link, refused messages; then days that only pass."""
    log = Log()
    now: Micros = DAY_1
    events = [
        commit("c1", "09:00", change="shop#7"),
        commit("c2", "10:00", change="shop#7"),
        stage("tests_passed", "c2", "10:30"),
        started("D1", "11:00", sha="c2"),
        promoted("D1", "12:00", sha="c2"),
        commit("b1", "09:30", service=BANK),
        promoted("B1", "12:10", sha="b1", service=BANK),
        opened("i1", "13:00", severity="sev2"),
        opened("i2", "13:05", severity="sev1", cause=cause(service=BANK, deployment="B1")),
        resolved("i1", "13:40"),
        started("D2", "14:00", sha="c3"),
        rollback("14:10", deployment="D2"),
        commit("b0", "08:30", service=BANK, merge="b1"),
        resolved("i2", "15:00"),
    ]
    for event in events:
        now = max(now, event["occurred_at"]) + MINUTE
        log.add(event, now)
    log.add_raw(b"shop", b"no event", now)
    log.add_raw(b"shop", None, now)
    log.add(promoted("D9", "15:00"), now, partition=home(BANK))
    breed(log, now)
    for hours in range(6, 60, 6):
        for partition in range(PARTITIONS):
            log.add(tick(now + hours * HOUR), now + hours * HOUR, partition)
    log.add(opened("i3", "13:10", severity="sev1"), now + 3 * DAY)
    log.add(commit("c0", "07:00", change="shop#7"), now + 3 * DAY + HOUR)
    log.add(tick(now + 5 * DAY), now + 5 * DAY, home("shop"))
    log.add(tick(now + 5 * DAY), now + 5 * DAY, home(BANK))
    return log


def tick(at: Micros) -> EventValue:
    return {**commit("tick", at), "event_type": "clock_tick", "service": "", "commit_sha": None}


def breed(log: Log, at: Micros) -> None:
    """Append the links that are due of the messages so far."""
    reader = replay()
    read(reader, log, {}, log.ends)
    for _, link in reader.take().due:
        log.add(link, at)


def published(log: Log, ends: Ends) -> PublishedOutputs:
    """What workers that have read up to `ends` have published."""
    found = RecomputedOutputs(ends)
    reader = replay()
    read(reader, log, {}, ends)
    found.add([reader.take()])
    records = tuple(
        {key: PublishedMessage(partition_of(key, OUT_PARTITIONS), 0, data) for key, data in held.items()}
        for held in found.records
    )
    letters = DeadLetters([found.refused[place] for place in sorted(found.refused)], [], gone=False)
    return PublishedOutputs(records, (OUT_PARTITIONS,) * len(records), letters)


def judged(
    log: Log,
    outputs: PublishedOutputs,
    ends: Ends | None = None,
    unknown: Collection[Place] = (),
    learn: Collection[int] = (),
) -> AuditComparison:
    """An audit up to `ends` of a log that goes on, ready to say what differs."""
    audited = log.ends if ends is None else ends
    reader = replay(unknown, learn)
    read(reader, log, {}, audited)
    found = RecomputedOutputs(audited)
    found.add([reader.take()])
    judge = AuditComparison(found, outputs, log.ends)
    for partition, span in judge.beyond().items():
        read_on(reader, found, log, partition, span)
    return judge


def read_on(reader: LogReplay, found: RecomputedOutputs, log: Log, partition: int, span: OffsetSpan) -> None:
    """As a process of the crew does it."""
    for offset in range(span.begin, span.end):
        read(reader, log, {partition: offset}, {partition: offset + 1})
        if offset in span.stops:
            found.add_later([reader.take()])
    found.add_later([reader.take()])


def differences(log: Log, outputs: PublishedOutputs, ends: Ends | None = None) -> list[Difference]:
    return judged(log, outputs, ends).differences()


def change(outputs: PublishedOutputs, topic: str, key: str, value: Mapping[str, Any] | None) -> PublishedOutputs:
    """The same, with one record replaced or taken away."""
    kind, name = KINDS[topic], key.encode()
    records = [dict(held) for held in outputs.records]
    if value is None:
        del records[kind][name]
    else:
        data = pinned_encoder(kinds()[kind].record).encode(dict(value))
        records[kind][name] = PublishedMessage(partition_of(name, OUT_PARTITIONS), 1, data)
    return replace(outputs, records=tuple(records))


def record(outputs: PublishedOutputs, topic: str, key: str) -> dict[str, Any]:
    kind = KINDS[topic]
    value: dict[str, Any] = pinned_decoder(kinds()[kind].record).decode(outputs.records[kind][key.encode()].data)
    return value
