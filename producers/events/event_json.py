"""Write an event as the contract's JSON, by its Avro schema and without loading the pydantic models."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from schemas.codec.codec import load_schema
from schemas.values import EventValue

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_Write = Callable[[Any], Any]


def event_json(value: EventValue) -> dict[str, Any]:
    """Return the JSON object of an event: times as text, and without the fields that are null."""
    written: dict[str, Any] = _writer()(value)
    return written


@cache
def _writer() -> _Write:
    return _write_as(json.loads(load_schema("deploy_event").raw))


def _write_as(schema: Any) -> _Write:
    """Return the writer of an Avro type."""
    if isinstance(schema, list):
        [present] = [branch for branch in schema if branch != "null"]
        return _write_as(present)
    if isinstance(schema, str):
        return _as_it_is
    if schema.get("logicalType") == "timestamp-micros":
        return _time
    match schema["type"]:
        case "record":
            return _record({field["name"]: _write_as(field["type"]) for field in schema["fields"]})
        case "array":
            item = _write_as(schema["items"])
            return lambda values: [item(value) for value in values]
        case _:
            return _as_it_is


def _record(fields: dict[str, _Write]) -> _Write:
    return lambda value: {name: write(value[name]) for name, write in fields.items() if value[name] is not None}


def _as_it_is(value: Any) -> Any:
    return value


def _time(value: int) -> str:
    return (_EPOCH + timedelta(microseconds=value)).isoformat().replace("+00:00", "Z")
