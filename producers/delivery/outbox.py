"""Hold encoded messages until all input is checked: in memory up to a limit, then in a temporary file."""

import struct
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Final, Self

from producers.delivery.publisher import Message

IN_MEMORY: Final = 8 << 20
"""Bytes of encoded events that are kept in memory before a temporary file is used."""


_LENGTHS: Final = struct.Struct(">QHII")


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
        """Append a message."""
        parts = (message.event_id.encode(), message.key, message.value)
        self._file.write(_LENGTHS.pack(message.line, *map(len, parts)) + b"".join(parts))
        self.count += 1

    def __iter__(self) -> Iterator[Message]:
        self._file.seek(0)
        while head := self._file.read(_LENGTHS.size):
            line, *lengths = _LENGTHS.unpack(head)
            event_id, key, value = (self._file.read(length) for length in lengths)
            yield Message(event_id.decode(), key, value, line)
