"""Events from a file: JSON lines in, encoded messages on disk, so that nothing is sent before all is checked.

Reading once and keeping the encoded form has two merits: standard input works like a file, and what is sent is what
was checked, even if the file is being written to. Memory does not grow with the file.
"""

import json
import struct
from collections.abc import Iterator
from datetime import datetime
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple, Self

from producers.build_event import Built, event_from
from producers.publisher import Message
from schemas.errors import ContractError, InvalidEvent

LONGEST_LINE: Final = 4 << 20
"""Bytes. No broker takes an event of that size."""
IN_MEMORY: Final = 8 << 20
"""Bytes of encoded events that are kept in memory before a temporary file is used."""

_LENGTHS: Final = struct.Struct(">QHII")


class BadLine(NamedTuple):
    """A line that is no event, and why."""

    line: int
    error: ContractError


def read_events(stream: BinaryIO, now: datetime) -> Iterator[tuple[int, Built] | BadLine]:
    """Each line's number with its event or its fault; empty lines are passed over."""
    for number, line in enumerate(_lines(stream), 1):
        if not line.strip():
            continue
        try:
            yield number, event_from(_object(line), now)
        except ContractError as error:
            yield BadLine(number, error)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(LONGEST_LINE):
        yield line
        while len(line) == LONGEST_LINE and not line.endswith(b"\n"):  # refused as a whole: pass over the rest of it
            line = stream.readline(LONGEST_LINE)


def _object(line: bytes) -> dict[str, object]:
    if len(line) >= LONGEST_LINE:
        raise InvalidEvent(f"the line has {LONGEST_LINE} bytes or more")
    try:
        data = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"the line is not UTF-8, at byte {error.start + 1}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"the line is not JSON: {error}", hint="write one event per line") from error
    if not isinstance(data, dict):
        raise InvalidEvent("the line is not a JSON object", hint="write one event per line")
    return data


class Outbox:
    """Encoded messages waiting to be sent, in order."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - this class is the context manager
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, message: Message) -> None:
        """Put a message at the end."""
        parts = (message.event_id.encode(), message.key, message.value)
        self._file.write(_LENGTHS.pack(message.line, *map(len, parts)) + b"".join(parts))
        self.count += 1

    def __iter__(self) -> Iterator[Message]:
        self._file.seek(0)
        while head := self._file.read(_LENGTHS.size):
            line, *lengths = _LENGTHS.unpack(head)
            event_id, key, value = (self._file.read(length) for length in lengths)
            yield Message(event_id.decode(), key, value, line)
