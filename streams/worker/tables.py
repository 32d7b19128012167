"""The stored state: one Faust table of small rows, each prefixed with its format version."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from faust.types import TP

from streams.errors import SetupError
from streams.worker.faust_patches.recovery import ChangelogEvent
from streams.worker.publisher import OutgoingMessage, OutputPublisher

log: Final = logging.getLogger(__name__)

STORED_VERSION: Final = 1
"""Format version of the stored rows. Increase it with every change that an older program would misread."""

TABLE: Final = "state"

ROCKSDB_OPTIONS: Final = {
    "block_cache_size": 4 * 1024 * 1024,
    "write_buffer_size": 4 * 1024 * 1024,
    "max_write_buffer_number": 2,
    "target_file_size_base": 16 * 1024 * 1024,
    "max_open_files": 64,
}
"""Limits per partition, each of which is a database: about 12 MiB. Faust's own defaults allow over 2 GiB."""

Row = tuple[str, Sequence[Any] | None]
"""Key and value of a row; None deletes it."""

_VERSION_BYTE: Final = bytes([STORED_VERSION])
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


class StateError(SetupError):
    """The stored state cannot be used by this program. No message is at fault, so the worker must stop."""


def encode_row(value: Sequence[Any] | None) -> bytes | None:
    """Encode a row for storage; None, a tombstone, for None."""
    return None if value is None else _VERSION_BYTE + _encode(value)


def decode_row(key: str, data: bytes) -> Sequence[Any]:
    """Decode a stored row, tuples as lists. Raises StateError if it is damaged or has another format version."""
    if data[:1] != _VERSION_BYTE:
        found = f"version {data[0]}" if data else "no version"
        raise StateError(
            f"the stored state has {found} (row {key!r}), this program reads version {STORED_VERSION}. Nothing is "
            "lost, the state can be rebuilt from deploy_events: either run the program that wrote it, and beside it "
            "this one's `candora rebuild`, or set a new CANDORA_APP_ID, create its topics (`candora topics create`) "
            "and let this one read deploy_events again"
        )
    try:
        row: Sequence[Any] = _decode(memoryview(data)[1:])
    except msgspec.DecodeError as error:
        raise StateError(
            f"the stored row {key!r} is damaged ({error}): stop the worker, delete its CANDORA_DATA_DIR and start it "
            "again; it will restore the state from its changelog"
        ) from error
    return row


def start_position(tp: TP, committed: int | None, known: int, first: int, end: int) -> int:
    """Return the offset to start at: messages missing from the state are read again, even if committed.

    `known` is the last offset in the state, -1 for none. Raises StateError if the log ends before it.
    """
    if known >= end:
        raise StateError(
            f"the stored state has read {tp.topic}, partition {tp.partition}, up to offset {known}, but the log ends "
            f"at {end}: the topic was deleted and created anew, and the state is of the old one; set a new "
            "CANDORA_APP_ID and create its topics (`candora topics create`)"
        )
    position = known + 1 if committed is None else min(committed, known + 1)
    if committed is not None and position < committed:
        log.warning(
            "%s: offset %d is committed, but the last message in the state is %d: reading again from there (what lies "
            "between was lost with the state, or is only markers of transactions)",
            tp,
            committed,
            known,
        )
    return max(position, first)


def row_key(partition: int, key: str) -> bytes:
    """Return the table key of a row: prefixed, as the memory store keeps all partitions in one dictionary."""
    return b"%d/%b" % (partition, key.encode())


class StateTable:
    """The rows of the state, written to the changelog first and to the local store once the broker has confirmed them.

    So the store is never ahead of the changelog, and its changelog offset is exact. Faust writes the other way round,
    with a future per row, and loses track of which partition a row of the memory store belongs to.
    """

    def __init__(self, table: Any, publisher: OutputPublisher) -> None:
        self._table = table
        self._publisher = publisher
        self._changelog: str = self._table.changelog_topic_name

    async def write(self, partition: int, rows: Iterable[Row]) -> None:
        """Write rows in the order given and wait for the broker's confirmation. Raises PublishError."""
        encoded = [(row_key(partition, key), encode_row(value)) for key, value in rows]
        if not encoded:
            return
        offset = await self._publisher.publish(
            OutgoingMessage(self._changelog, key, row, partition) for key, row in encoded
        )
        tp = TP(self._changelog, partition)
        self._table.apply_changelog_batch([ChangelogEvent(key, row, partition, offset, tp) for key, row in encoded])

    def rows(self, partition: int) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yield key and value of the recovered rows of a partition. Raises StateError."""
        prefix = row_key(partition, "")
        for stored, data in self._items(partition, prefix):
            if not stored.startswith(prefix):
                raise StateError(
                    f"row {stored!r} is not one of partition {partition}: the changelog {self._changelog} is another "
                    "program's, or its number of partitions was changed, which it must never be"
                )
            key = stored[len(prefix) :].decode()
            yield key, decode_row(key, data)

    def _items(self, partition: int, prefix: bytes) -> Iterable[tuple[bytes, bytes]]:
        store = self._table.data
        if hasattr(store, "partition_path"):  # RocksDB: a database for each partition
            items: Iterable[tuple[bytes, bytes]] = store._visible_items(store._db_for_partition(partition))  # noqa: SLF001
            return items
        return [(key, data) for key, data in list(store.data.items()) if key.startswith(prefix)]
