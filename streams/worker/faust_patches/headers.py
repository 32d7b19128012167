"""Headers whose names are not UTF-8: aiokafka cannot read their message, nor any behind it in the partition.

Kafka does not look at header names, and clients in C and Go write any bytes there. One such message would end every
worker that comes to it. Here its headers get names that can be read, and the message goes the way of all others.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from aiokafka.errors import CorruptRecordException  # type: ignore[import-untyped]
from aiokafka.record.default_records import _DefaultRecordBatchPy  # type: ignore[import-untyped]
from aiokafka.record.memory_records import MemoryRecords  # type: ignore[import-untyped]
from typing_extensions import override

_OVERHEAD: Final = struct.calcsize(">qi")
"""Base offset and length of a batch, which the length does not count."""

_LENGTH: Final = struct.Struct(">i")


class _Text(bytes):
    @override
    def decode(self, *_how: str, **_more: str) -> str:
        return super().decode("utf-8", "backslashreplace")


class _Buffer(bytearray):
    """Bytes whose parts, asked for their text, always have one."""

    @override
    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Text(found) if isinstance(place, slice) else found


class _Batch:
    """A batch of aiokafka that is read with care if it cannot be read as it is."""

    def __init__(self, batch: Any, data: bytes) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except (UnicodeDecodeError, CorruptRecordException):
            careful = _DefaultRecordBatchPy(self._data)
            careful._maybe_uncompress()  # noqa: SLF001 - its reader is all we need of it
            careful._buffer = _Buffer(careful._buffer)  # noqa: SLF001 - as above
            return iter(list(careful))


class LenientRecords:
    """Stands in for aiokafka's reader of what a fetch brought."""

    def __init__(self, data: bytes) -> None:
        self._records = MemoryRecords(data)
        self._data = data
        self._at = 0

    def has_next(self) -> bool:
        """Whether there is another whole batch."""
        return bool(self._records.has_next())

    def size_in_bytes(self) -> int:
        """How many bytes the fetch brought."""
        return int(self._records.size_in_bytes())

    def next_batch(self) -> _Batch | None:
        """The next batch."""
        batch = self._records.next_batch()
        begin = self._at
        if batch is None:
            return None
        self._at += _OVERHEAD + _LENGTH.unpack_from(self._data, begin + _OVERHEAD - _LENGTH.size)[0]
        return _Batch(batch, self._data[begin : self._at])


def read_headers_with_care() -> None:
    """Let aiokafka's consumers read every message. Only what they cannot read at all is read otherwise."""
    fetcher.MemoryRecords = LenientRecords
