"""Whether two events with one id say the same: eight bytes of their content."""

from hashlib import blake2b
from typing import Any, Final

import msgspec

from schemas.values import EventValue

SIZE: Final = 8
_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_NOT_CONTENT: Final = frozenset({"event_id", "emitted_at"})


def fingerprint(event: EventValue) -> bytes:
    """Return a hash of all an event says, but its id and when it was emitted: a retry has the same.

    Nulls and empty maps are left out, so a field that a later contract adds does not change the hash of an event
    without it. The hash is kept in the stored state: another encoding would make every redelivery a conflict.
    """
    content = {
        name: value if isinstance(value, str) else _dense_part(value)
        for name, value in event.items()
        if value and name not in _NOT_CONTENT
    }
    return blake2b(_encode(content), digest_size=SIZE).digest()


def _dense(value: dict[str, Any]) -> dict[str, Any]:
    return {name: _dense_part(part) for name, part in value.items() if part is not None}


def _dense_part(part: Any) -> Any:
    if isinstance(part, dict):
        return _dense(part)
    if isinstance(part, list) and part and isinstance(part[0], dict):
        return [_dense(entry) for entry in part]
    return part
