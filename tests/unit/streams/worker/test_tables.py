from collections.abc import Iterable
from typing import Any

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.publisher import OutgoingMessage, PublishError
from streams.worker.tables import StateError, StateTable, decode_row, encode_row, row_key, start_position

leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary()
rows = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=12)


def as_lists(value: Any) -> Any:
    return [as_lists(each) for each in value] if isinstance(value, tuple) else value


@given(st.lists(rows, max_size=5).map(tuple))
def test_a_row_comes_back_as_lists_of_the_same(value: tuple[Any, ...]) -> None:
    stored = encode_row(value)
    assert stored is not None
    assert decode_row("key", stored) == as_lists(value)


def test_a_deleted_row_is_a_tombstone() -> None:
    assert encode_row(None) is None


@pytest.mark.parametrize("data", [b"", b"\x02\x90", b"\x00"])
def test_another_version_is_refused_with_what_to_do(data: bytes) -> None:
    with pytest.raises(StateError, match=r"row 'k'.*reads version 1.*CANDORA_APP_ID.*candora topics create"):
        decode_row("k", data)


def test_a_damaged_row_says_so() -> None:
    with pytest.raises(StateError, match=r"'k' is damaged.*CANDORA_DATA_DIR"):
        decode_row("k", b"\x01\xc1")


class FakeStore:
    def __init__(self) -> None:
        self.data: dict[bytes, bytes] = {}


class FakeTable:
    changelog_topic_name = "changelog"

    def __init__(self) -> None:
        self.data = FakeStore()
        self.applied: list[tuple[bytes, bytes | None, int, int]] = []

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        for event in batch:
            message = event.message
            self.applied.append((event.key, event.value, message.partition, message.offset))
            assert message.tp == TP("changelog", message.partition)
            self.data.data[message.key] = message.value


class FakePublisher:
    def __init__(self, error: PublishError | None = None) -> None:
        self.sent: list[OutgoingMessage] = []
        self.error = error

    async def publish(self, messages: Iterable[OutgoingMessage]) -> int:
        self.sent.extend(messages)
        if self.error is not None:
            raise self.error
        return 40 + len(self.sent)


async def test_rows_go_to_the_changelog_in_order_and_then_into_the_store() -> None:
    table, publisher = FakeTable(), FakePublisher()
    await StateTable(table, publisher).write(3, [("b", (1,)), ("a", (2,)), ("partition", (9,))])  # type: ignore[arg-type]  # a fake
    assert [(each.topic, each.key, each.partition) for each in publisher.sent] == [
        ("changelog", b"3/b", 3),
        ("changelog", b"3/a", 3),
        ("changelog", b"3/partition", 3),
    ]
    assert [(key, offset) for key, _, _, offset in table.applied] == [
        (b"3/b", 43),
        (b"3/a", 43),
        (b"3/partition", 43),
    ]


async def test_what_the_changelog_does_not_have_never_reaches_the_store() -> None:
    table = FakeTable()
    state = StateTable(table, FakePublisher(PublishError("no")))  # type: ignore[arg-type]  # a fake
    with pytest.raises(PublishError):
        await state.write(0, [("a", (1,))])
    assert table.applied == []


async def test_no_rows_no_message() -> None:
    publisher = FakePublisher()
    await StateTable(FakeTable(), publisher).write(0, [])  # type: ignore[arg-type]  # a fake
    assert publisher.sent == []


async def test_the_rows_of_a_partition_are_its_own() -> None:
    table = FakeTable()
    state = StateTable(table, FakePublisher())  # type: ignore[arg-type]  # a fake
    await state.write(1, [("a", (1,)), ("b c", (2, (3,)))])
    await state.write(11, [("a", (5,))])
    assert dict(state.rows(1)) == {"a": [1], "b c": [2, [3]]}
    assert dict(state.rows(11)) == {"a": [5]}
    assert dict(state.rows(2)) == {}


def test_a_row_of_another_partition_in_a_partition_s_database_is_refused() -> None:
    class Rocks:
        partition_path = None

        def _db_for_partition(self, partition: int) -> int:
            return partition

        def _visible_items(self, db: int) -> list[tuple[bytes, bytes]]:
            return [(row_key(db + 1, "a"), b"\x01\x90")]

    table = FakeTable()
    table.data = Rocks()  # type: ignore[assignment]  # a fake
    state = StateTable(table, FakePublisher())  # type: ignore[arg-type]  # a fake
    with pytest.raises(StateError, match="number of partitions was changed"):
        list(state.rows(1))


@pytest.mark.parametrize(
    ("committed", "known", "first", "position"),
    [
        (None, -1, 0, 0),
        (None, -1, 30, 30),
        (50, 49, 0, 50),
        (50, 79, 0, 50),
        (50, 19, 0, 20),
        (50, -1, 0, 0),
        (None, 19, 0, 20),
        (10, 9, 30, 30),
    ],
)
def test_reading_begins_where_the_state_or_the_commit_ends_whichever_is_first(
    committed: int | None, known: int, first: int, position: int
) -> None:
    assert start_position(TP("t", 0), committed, known, first, 100) == position


def test_a_state_that_knows_more_than_the_log_is_refused() -> None:
    with pytest.raises(StateError, match="deleted and created anew"):
        start_position(TP("t", 0), 5, 10, 0, 10)
