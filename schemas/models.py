"""What the models of events and records have in common: frozen, exact about types, times always with a zone."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Generic, Self, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Strict, ValidationInfo
from pydantic_core import PydanticCustomError

from schemas.values import Micros

Value = TypeVar("Value", bound=Mapping[str, Any])
Item = TypeVar("Item")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FROM_AVRO: Final = {"times": "microseconds"}

# datetime.fromisoformat also reads dates alone, weeks and times without separators.
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r" ?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)


def to_micros(time: datetime) -> Micros:
    """Return an aware time as microseconds since 1970 UTC."""
    return (time - EPOCH) // _MICROSECOND


def from_micros(time: Micros) -> datetime:
    """Return microseconds since 1970 UTC as a time in UTC; OverflowError outside the years 1 to 9999."""
    return EPOCH + timedelta(microseconds=time)


def parse_time(text: str) -> datetime:
    """Return the time of an RFC 3339 text, in UTC and cut to microseconds; ValueError if it is none or naive."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("is not a time such as 2026-01-05T09:00:00Z")
    return _in_utc(datetime.fromisoformat(text.upper()))


def _in_utc(time: datetime) -> datetime:
    if time.utcoffset() is None:
        raise ValueError("has no time zone; add Z or an offset such as +01:00")
    return time.astimezone(UTC)


def _instant(value: object, info: ValidationInfo) -> datetime:
    try:
        if isinstance(value, str):
            return parse_time(value)
        if isinstance(value, datetime):
            return _in_utc(value)
        if info.context is _FROM_AVRO and isinstance(value, int):
            return from_micros(value)
    except (ValueError, OverflowError) as error:
        raise PydanticCustomError("time", "{problem}", {"problem": str(error)}) from error
    raise PydanticCustomError("time", "is not a time such as 2026-01-05T09:00:00Z")


Instant = Annotated[datetime, BeforeValidator(_instant)]
"""A moment, in UTC. Read from RFC 3339 text or an aware datetime; a naive one is refused."""

Items = Annotated[tuple[Item, ...], Strict(strict=False)]
"""A list that cannot change."""


class Model(BaseModel):
    """A part of an event or record. Unknown fields, wrong types and numbers that are none are refused."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )


class Record(Model, Generic[Value]):
    """A whole Avro record, which knows its shape on the hot path."""

    @classmethod
    def from_value(cls, value: Value) -> Self:
        """Return the model of a decoded record; pydantic's ValidationError if it is not of that shape."""
        return cls.model_validate(value, context=_FROM_AVRO)

    def to_value(self) -> Value:
        """Return the record as the codec writes it: plain dicts and lists, times in microseconds."""
        return cast("Value", _plain(self))


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return {name: _plain(part) for name, part in value}
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, datetime):
        return to_micros(value)
    return str(value) if isinstance(value, StrEnum | UUID) else value
