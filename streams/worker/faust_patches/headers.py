"""Tolerate header names that are not UTF-8: aiokafka can read neither their message nor any after it.

Kafka does not check header names, and C and Go clients write any bytes. One such message would crash every worker that
reaches it. Here, invalid bytes in header names are escaped, and the message is processed like any other.
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
"""Size of the base offset and length fields, which the length of a batch excludes."""

_LENGTH: Final = struct.Struct(">i")


class _Text(bytes):
    @override
    def decode(self, *_args: str, **_kwargs: str) -> str:
        return super().decode("utf-8", "backslashreplace")


class _Buffer(bytearray):
    """Bytes whose slices decode without errors."""

    @override
    def __getitem__(self, index: Any) -> Any:
        item = super().__getitem__(index)
        return _Text(item) if isinstance(index, slice) else item


class _LenientBatch:
    """A record batch that is parsed again, leniently, if aiokafka's parser fails."""

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
            lenient = _DefaultRecordBatchPy(self._data)
            lenient._maybe_uncompress()  # noqa: SLF001 - needed before the buffer is replaced
            lenient._buffer = _Buffer(lenient._buffer)  # noqa: SLF001 - as above
            return iter(list(lenient))


class LenientRecords:
    """Replacement for aiokafka's `MemoryRecords`, the parser of a fetch response."""

    def __init__(self, data: bytes) -> None:
        self._records = MemoryRecords(data)
        self._data = data
        self._position = 0

    def has_next(self) -> bool:
        """Return whether there is another complete batch."""
        return bool(self._records.has_next())

    def size_in_bytes(self) -> int:
        """Return the size of the fetched data in bytes."""
        return int(self._records.size_in_bytes())

    def next_batch(self) -> _LenientBatch | None:
        """Return the next batch; None if there is none."""
        batch = self._records.next_batch()
        start = self._position
        if batch is None:
            return None
        self._position += _OVERHEAD + _LENGTH.unpack_from(self._data, start + _OVERHEAD - _LENGTH.size)[0]
        return _LenientBatch(batch, self._data[start : self._position])


def tolerate_invalid_headers() -> None:
    """Install the lenient parser in aiokafka. It only affects batches that the original parser cannot read."""
    fetcher.MemoryRecords = LenientRecords
