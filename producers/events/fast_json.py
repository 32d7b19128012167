"""Decode plain JSON events without loading the pydantic models of the contract.

Loading the models takes a tenth of a second, which a pipeline would pay for each event. This decodes by the Avro
schema, which is loaded anyway, and then applies the contract's rules. It rejects nothing itself: whatever is not plain
goes to the models, which accept every allowed notation and report errors.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from math import isfinite
from typing import Any, Final, cast

from schemas.codec.codec import load_schema
from schemas.errors import InvalidEvent
from schemas.rules import check_event
from schemas.values import EventValue

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)

_Read = Callable[[Any], Any]


class _NotPlainError(Exception):
    """The value needs the models."""


def plain_event(data: Mapping[str, Any]) -> EventValue | None:
    """Return the event of a JSON object as the codec writes it; None if the models must look at it."""
    try:
        value = cast("EventValue", _reader()(data))
        check_event(value)
    except (_NotPlainError, InvalidEvent):
        return None
    return value


@cache
def _reader() -> _Read:
    return _read_as(json.loads(load_schema("deploy_event").raw))


def _read_as(schema: Any) -> _Read:
    """Return what reads a JSON value of an Avro type, or raises _NotPlainError."""
    if isinstance(schema, list):
        return _read_nullable([_read_as(branch) for branch in schema if branch != "null"])
    if isinstance(schema, str):
        return _PRIMITIVES[schema]
    if schema.get("logicalType") == "timestamp-micros":
        return _read_time
    match schema["type"]:
        case "record":
            read = _read_record(schema["fields"])
        case "array":
            read = _read_array(_read_as(schema["items"]))
        case "map":
            read = _read_map(_read_as(schema["values"]))
        case "enum":
            read = _read_enum(frozenset(schema["symbols"]))
        case primitive:
            read = _PRIMITIVES[primitive]
    return read


def _read_record(fields: list[dict[str, Any]]) -> _Read:
    known = [(field["name"], _read_as(field["type"]), field.get("default", _NOT_GIVEN)) for field in fields]
    names = frozenset(name for name, _, _ in known)

    def read(data: Any) -> dict[str, Any]:
        if not isinstance(data, dict) or not data.keys() <= names:
            raise _NotPlainError
        return {
            name: read_field(data[name]) if name in data else _default(default) for name, read_field, default in known
        }

    return read


def _default(default: Any) -> Any:
    """Return the default of an absent field; a new list or map each time."""
    if default is _NOT_GIVEN:
        raise _NotPlainError
    return default.copy() if isinstance(default, list | dict) else default


def _read_nullable(branches: list[_Read]) -> _Read:
    [read_present] = branches
    return lambda data: None if data is None else read_present(data)


def _read_array(read_item: _Read) -> _Read:
    def read(data: Any) -> list[Any]:
        if not isinstance(data, list):
            raise _NotPlainError
        return [read_item(item) for item in data]

    return read


def _read_map(read_entry: _Read) -> _Read:
    def read(data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise _NotPlainError
        return {_read_text(name): read_entry(entry) for name, entry in data.items()}

    return read


def _read_enum(symbols: frozenset[str]) -> _Read:
    def read(data: Any) -> str:
        if not isinstance(data, str) or data not in symbols:
            raise _NotPlainError
        return data

    return read


def _read_text(data: Any) -> str:
    if not isinstance(data, str) or not (data.isascii() or data.isprintable()):
        raise _NotPlainError  # half a surrogate pair is not printable
    return data


def _read_exactly(kind: type) -> _Read:
    """Return what takes values of one type only: to Python, yes and no are numbers too."""

    def read(data: Any) -> Any:
        if type(data) is not kind:
            raise _NotPlainError
        return data

    return read


def _read_number(data: Any) -> float:
    if type(data) is not float or not isfinite(data):
        raise _NotPlainError
    return data


def _read_time(data: Any) -> int:
    if not isinstance(data, str) or not _TIME.fullmatch(data):
        raise _NotPlainError
    try:
        return (datetime.fromisoformat(data) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise _NotPlainError from None


_NOT_GIVEN: Final = object()
_PRIMITIVES: Final[Mapping[str, _Read]] = {
    "string": _read_text,
    "long": _read_exactly(int),
    "double": _read_number,
    "boolean": _read_exactly(bool),
}
