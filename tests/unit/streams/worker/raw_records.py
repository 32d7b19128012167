"""Raw messages for the tests of the worker."""

from typing import Any

from schemas.ids import pinned_encoder
from schemas.values import EventValue
from streams.event_log.raw_record import RawRecord
from tests.support import events

PARTITIONS = 4
HOME = 0
"""The partition of the key "shop" among four."""

APPENDED = events.when("12:00")


def record(value: bytes | None, **fields: Any) -> RawRecord:
    """A message as it should stand in the log, but for the fields given."""
    given: dict[str, Any] = {
        "topic": "deploy_events",
        "partition": HOME,
        "offset": 7,
        "timestamp": APPENDED // 1000,
        "timestamp_type": 1,
        "key": b"shop",
        "headers": (),
    }
    return RawRecord(value=value, **(given | fields))


def encoded(event: EventValue, **fields: Any) -> RawRecord:
    """A message that holds an event."""
    return record(pinned_encoder("deploy_event").encode(event), **fields)
