"""What must hold of the core whatever it reads: it never fails, and whatever it publishes follows the contract."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from schemas.errors import ContractError, FutureTimestamp, InvalidEvent
from schemas.events import DeployEvent, parse_event
from schemas.fingerprint import fingerprint
from schemas.ids import pinned_decoder, pinned_encoder
from schemas.partitioner import partition_of
from schemas.records import ChangeRecord, DeliveryMetrics, DeploymentRecord, IncidentRecord
from schemas.rules import check_time
from schemas.values import CountersValue, EventValue, Micros
from streams.core.partition_state import PartitionChanges, PartitionState
from streams.core.settings import MetricSettings
from streams.event_log.raw_record import RawRecord
from streams.event_log.validator import LOG_APPEND_TIME, EventValidator

SETTINGS: Final = MetricSettings()
PARTITIONS: Final = 4
EVENTS: Final = pinned_encoder("deploy_event")
EVENT_DECODER: Final = pinned_decoder("deploy_event")
MODELS: Final = {
    "deployment": DeploymentRecord,
    "incident": IncidentRecord,
    "change": ChangeRecord,
    "delivery_metrics": DeliveryMetrics,
}
ENCODERS: Final = {name: pinned_encoder(name) for name in MODELS}
DECODERS: Final = {name: pinned_decoder(name) for name in MODELS}


class Line(NamedTuple):
    """One message of a partition; without an event it only carries the time."""

    event: EventValue | None
    append_time: Micros


def new_intake(partitions: int = PARTITIONS) -> EventValidator:
    """An intake as the worker makes it."""
    return EventValidator(pinned_decoder("deploy_event"), partitions, SETTINGS.max_future)


def message(value: bytes | None, key: bytes | None, append_time: Micros, partition: int = 0) -> RawRecord:
    """A message as the Kafka client gives it."""
    return RawRecord("deploy_events", partition, 0, append_time // 1000, LOG_APPEND_TIME, key, value)


def check_error(error: ContractError) -> None:
    """A refusal says why, in one line, however odd what it speaks of is."""
    assert error.reason
    assert len(str(error).splitlines()) == 1


def take_in(intake: EventValidator, record: RawRecord) -> EventValue | None:
    """What the intake makes of a message, None if it refuses it; any other error than the contract's gets out."""
    try:
        return intake.read(record)
    except ContractError as error:
        check_error(error)
        return None


def check_json(source: Mapping[str, Any] | str | bytes) -> None:
    """Whatever is given as an event is refused when read or when written, or can be told apart and read again."""
    try:
        event = parse_event(source)
        value = event.to_value()
        written = EVENTS.encode(value)
    except InvalidEvent as error:
        check_error(error)
        return
    assert EVENT_DECODER.decode(written) == value
    assert fingerprint(value) == fingerprint(DeployEvent.model_validate_json(event.model_dump_json()).to_value())
    assert DeployEvent.from_value(value) == event


def home_of(event: EventValue) -> int:
    """The partition where a service belongs."""
    return partition_of(event["service"].encode(), PARTITIONS)


def run_log(lines: Sequence[Line], batch: int) -> None:
    """Read a log and stop after every batch: nothing may fail, all that is published must follow the contract.

    After each batch a second partition state is restored from the stored rows; what it counts must be the same.
    """
    partition_state = PartitionState(0, SETTINGS)
    stored: dict[str, bytes] = {}
    links: list[EventValue] = []
    for start in range(0, len(lines), batch):
        for offset, (event, append_time) in enumerate(lines[start : start + batch], start):
            partition_state.read(event, append_time, offset)
        changes = partition_state.collect()
        check_published(changes)
        links += changes.links
        store(stored, changes)
        check_restored(partition_state, stored)
    check_links(links)


def store(stored: dict[str, bytes], changes: PartitionChanges) -> None:
    """Keep the rows as a table does: a row of None deletes its key."""
    for key, row in changes.rows:
        if row is None:
            stored.pop(key, None)
        else:
            stored[key] = msgspec.msgpack.encode(row)


def check_published(changes: PartitionChanges) -> None:
    """Every record is of its schema, is read back as it was written, and is what people may see as JSON."""
    records: list[Sequence[Any]] = [changes.deployments, changes.incidents, changes.changes, changes.metrics]
    for name, values in zip(MODELS, records, strict=True):
        for value in values:
            assert DECODERS[name].decode(ENCODERS[name].encode(value)) == value
            model: Any = MODELS[name]
            shown = model.from_value(value)
            assert shown.to_value() == value
            assert model.model_validate_json(shown.model_dump_json()) == shown


def check_links(links: Iterable[EventValue]) -> None:
    """What one service state tells another is an event like any other."""
    intake = new_intake()
    for link in links:
        record = message(EVENTS.encode(link), link["service"].encode(), link["occurred_at"] + 999, home_of(link))
        assert intake.read(record) == link


def check_restored(partition_state: PartitionState, stored: Mapping[str, bytes]) -> None:
    """A partition state restored from the rows, given backwards, stores and counts the same."""
    again = PartitionState(0, SETTINGS)
    again.restore([(key, msgspec.msgpack.decode(row)) for key, row in reversed(list(stored.items()))])
    assert counted(again) == counted(partition_state)
    assert (again.clock, again.offset) == (partition_state.clock, partition_state.offset)
    assert again.collect() == ([], [], [], [], [], [])


def counted(partition_state: PartitionState) -> dict[tuple[str, str], CountersValue]:
    """The counters of every service and env in which anything was counted."""
    found = {
        (service, name): environment.counters.to_value()
        for service, state in partition_state.services.items()
        for name, environment in state.environments.items()
    }
    return {key: counters for key, counters in found.items() if not _is_nothing(counters)}


def _is_nothing(counters: CountersValue) -> bool:
    return not any(
        any(value["counts"]) if isinstance(value, dict) and "counts" in value else bool(value)
        for value in counters.values()
    )


def in_time(event: EventValue, append_time: Micros) -> bool:
    """Whether an event could have been appended then."""
    try:
        check_time(event, append_time, SETTINGS.max_future)
    except FutureTimestamp:
        return False
    return True
