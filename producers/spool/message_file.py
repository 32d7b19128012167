"""The file format of a spooled message, with a checksum. Pure.

magic "CNDR", version 1, CRC-32 of all that follows, length of the head, length of the body: 17 bytes, big-endian
head: JSON with the topic, the event id, the key and what the body is
body: the bytes
"""

import json
import struct
from binascii import crc32
from typing import Final, Literal, NamedTuple

MAGIC: Final = b"CNDR"
VERSION: Final = 1
EVENTS: Final = "deploy_events"
DEAD_LETTERS: Final = "deploy_events_dead"

Body = Literal["avro", "json"]

_FIXED: Final = struct.Struct(">4sBIII")
_CHECKED: Final = struct.Struct(">II")
_TEXTS: Final = ("topic", "event_id", "key")
_BODIES: Final = ("avro", "json")


class DamagedMessageFile(Exception):
    """A file of the spool is not as it was written; the message says what is wrong."""


class SpooledMessage(NamedTuple):
    """A message that waits to be sent."""

    event_id: str
    """What it is known by: also the file is named after it."""
    key: str
    """The service, as text."""
    content: bytes
    body: Body = "avro"
    """avro: framed with its schema id, to be sent as it is. json: the id was not known yet; to be encoded first."""
    topic: str = EVENTS
    """Without the prefix of the installation."""


def pack(message: SpooledMessage) -> bytes:
    """Serialize a message to the bytes of its file."""
    head = json.dumps(
        {"topic": message.topic, "event_id": message.event_id, "key": message.key, "body": message.body}
    ).encode()
    rest = _CHECKED.pack(len(head), len(message.content)) + head + message.content
    return MAGIC + bytes([VERSION]) + crc32(rest).to_bytes(4) + rest


def unpack(data: bytes) -> SpooledMessage:
    """Parse the bytes of a file.

    Raises:
        DamagedMessageFile: the file was cut short, changed, or written by something else.
    """
    if len(data) < _FIXED.size:
        raise DamagedMessageFile(f"has {len(data)} bytes, less than any message")
    magic, version, checksum, head_size, body_size = _FIXED.unpack_from(data)
    if magic != MAGIC:
        raise DamagedMessageFile("is no file of a spool")
    if version != VERSION:
        raise DamagedMessageFile(
            f"is of version {version}, which this program does not know; drain it with the one that wrote it"
        )
    if len(data) != _FIXED.size + head_size + body_size:
        raise DamagedMessageFile(f"has {len(data)} bytes instead of {_FIXED.size + head_size + body_size}")
    if crc32(memoryview(data)[_FIXED.size - _CHECKED.size :]) != checksum:
        raise DamagedMessageFile("its checksum does not match: it was changed after it was written")
    head = json.loads(data[_FIXED.size : _FIXED.size + head_size])
    if not all(isinstance(head.get(name), str) for name in _TEXTS) or head.get("body") not in _BODIES:
        raise DamagedMessageFile("its head lacks the topic, the event id, the key or the kind of body")
    return SpooledMessage(head["event_id"], head["key"], data[_FIXED.size + head_size :], head["body"], head["topic"])
