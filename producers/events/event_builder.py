"""Build an event of the contract from assignments to its fields. Pure: the time is an argument."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from producers.events.event_id import derived_id, natural_key
from producers.events.event_json import event_json
from producers.events.fast_json import plain_event
from schemas.duration import format_duration
from schemas.errors import FutureTimestamp, InvalidEvent
from schemas.rules import check_time
from schemas.values import MINUTE, EventTypeName, EventValue, Micros

MAX_FUTURE: Final[Micros] = 5 * MINUTE
"""As the worker's default: it refuses an event that happened later than this after its arrival."""

INTERNAL: Final[frozenset[EventTypeName]] = frozenset({"clock_tick", "cause_linked"})
"""Types that the worker writes for itself; from outside they would only confuse it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"


class Assignment(NamedTuple):
    """A value for a field, and where it comes from: "--sha", "environment CANDORA_SHA", "default"."""

    path: str
    value: object
    """As JSON has it: text, number, boolean, list or object."""
    origin: str


@dataclass(frozen=True, slots=True)
class BuiltEvent:
    """A valid event, as the codec writes it, and the origins of its values."""

    value: EventValue
    origins: Mapping[str, str]

    def as_json(self) -> str:
        """Return the event on one line, as `--file` reads it, without the fields that are null."""
        return json.dumps(event_json(self.value), ensure_ascii=False, separators=(",", ":"))

    def explained(self) -> Iterable[tuple[str, object, str]]:
        """Yield each field that has a value: its path, the value as in JSON, its origin."""
        for path, value in _leaves(json.loads(self.as_json()), ""):
            yield path, value, self._origin(path)

    def _origin(self, path: str) -> str:
        known = (o for at, o in self.origins.items() if path == at or path.startswith((f"{at}.", f"{at}[")))
        return next(known, "default of the contract")


def build_event(assigned: Sequence[Assignment], now: datetime) -> BuiltEvent:
    """Build the event that the assignments describe.

    Raises:
        InvalidEvent: the contract refuses it, or two assignments are for one field. The path names the field.
    """
    return event_from(_tree(assigned), now, {entry.path: entry.origin for entry in assigned})


def event_from(data: Mapping[str, Any], now: datetime, origins: Mapping[str, str] | None = None) -> BuiltEvent:
    """Build the event of a JSON object; a missing `event_id` is derived from its content.

    Raises:
        InvalidEvent: the contract refuses it. The path names the field.
        FutureTimestamp: a time in it is still to come.
    """
    origins = dict(origins or {})
    derive = data.get("event_id") is None
    value = _value({**data, "event_id": _NO_ID} if derive else data)
    if value["event_type"] in INTERNAL:
        raise InvalidEvent(
            f"{value['event_type']} is written by the worker only", path="event_type", hint="leave the event out"
        )
    try:
        check_time(value, (now - _EPOCH) // _MICROSECOND, MAX_FUTURE)
    except FutureTimestamp as error:
        raise FutureTimestamp(
            f"is more than {format_duration(MAX_FUTURE)} ahead of this machine's clock, and would be refused",
            path=error.path,
            hint="check the time and its zone",
        ) from error
    if derive:
        key = natural_key(value)
        origins["event_id"] = f"derived from {key}"
        value["event_id"] = derived_id(key)
    return BuiltEvent(value, origins)


def _value(data: Mapping[str, Any]) -> EventValue:
    value = plain_event(data)
    if value is not None:
        return value
    from schemas.events import parse_event  # noqa: PLC0415 - loading the models is what `plain_event` saves

    # As JSON text, for what JSON cannot say (half a surrogate pair) is refused there.
    return parse_event(json.dumps(data)).to_value()


def _tree(assigned: Iterable[Assignment]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    owners: dict[str, str] = {}
    for path, value, origin in assigned:
        *parents, name = _names(path)
        node, at = root, ""
        for parent in parents:
            at = f"{at}.{parent}" if at else parent
            if at in owners:
                raise _set_twice(path, owners[at], origin)
            node = node.setdefault(parent, {})
        if name in node:
            raise _set_twice(path, owners.get(path, "one of its parts"), origin)
        node[name] = value
        owners[path] = origin
    return root


def _names(path: str) -> list[str]:
    """Return the names on the way to a field. The name of an attribute may have dots itself."""
    head, _, rest = path.partition(".")
    return [head, rest] if head == "attributes" and rest else path.split(".")


def _set_twice(path: str, first: str, second: str) -> InvalidEvent:
    return InvalidEvent(f"is set twice: by {first} and by {second}", path=path, hint="leave one out")


def _leaves(node: object, path: str) -> Iterable[tuple[str, object]]:
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from _leaves(value, f"{path}.{name}" if path else str(name))
    else:
        yield path, node
