import io
import json
from datetime import UTC, datetime

import pytest

from producers.delivery.outbox import IN_MEMORY, Outbox
from producers.delivery.publisher import Message
from producers.events.event_builder import BuiltEvent
from producers.events.jsonl import LONGEST_LINE, BadLine, read_events
from tests.support.events import sha

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
EVENT = {
    "event_type": "commit_created",
    "service": "shop",
    "commit_sha": sha("c1"),
    "occurred_at": "2026-01-05T09:00:00Z",
}
GOOD = json.dumps(EVENT).encode()


def _read(data: bytes) -> list[tuple[int, BuiltEvent] | BadLine]:
    return list(read_events(io.BytesIO(data), NOW))


def test_each_line_is_an_event_and_empty_lines_are_passed_over() -> None:
    read = _read(b"\xef\xbb\xbf" + GOOD + b"\r\n\n  \n" + GOOD)

    assert [line for line, _ in read] == [1, 4]
    assert all(isinstance(built, BuiltEvent) for _, built in read)


@pytest.mark.parametrize(
    ("line", "path", "problem"),
    [
        (b"{", None, "not JSON"),
        (b"\xff{}", None, "not UTF-8, at byte 1"),
        (b"[]", None, "not a JSON object"),
        (b"7", None, "not a JSON object"),
        (b"[" * 100_000, None, "not JSON"),
        (json.dumps(EVENT | {"commit_sha": "abc"}).encode(), "commit_sha", "hash"),
        (json.dumps(EVENT | {"bogus": 1}).encode(), "bogus", "not a field"),
        (json.dumps({**EVENT, "occurred_at": None}).encode(), "occurred_at", "not a time"),
        (json.dumps({**EVENT, "emitted_at": "2026-01-05"}).encode(), "emitted_at", "not a time"),
        (json.dumps(EVENT | {"occurred_at": "2027-01-05T09:00:00Z"}).encode(), "occurred_at", "ahead of"),
    ],
)
def test_a_bad_line_is_named_by_its_number_and_field_and_the_rest_is_read(
    line: bytes, path: str | None, problem: str
) -> None:
    first, bad, last = _read(GOOD + b"\n" + line + b"\n" + GOOD)

    assert isinstance(bad, BadLine)
    assert bad.line == 2
    assert bad.error.path == path
    assert problem in str(bad.error)
    assert not isinstance(first, BadLine)
    assert not isinstance(last, BadLine)


def test_a_line_beyond_all_measure_is_refused_without_being_held_in_memory() -> None:
    too_long, good = _read(b"x" * (2 * LONGEST_LINE + 10) + b"\n" + GOOD)

    assert isinstance(too_long, BadLine)
    assert "bytes" in str(too_long.error)
    assert good[0] == 2


def test_messages_leave_the_outbox_as_they_went_in() -> None:
    messages = [Message(f"id-{n}", b"shop", bytes([n]) * n, n) for n in range(100)]

    with Outbox() as outbox:
        for message in messages:
            outbox.add(message)

        assert outbox.count == 100
        assert list(outbox) == messages
        assert list(outbox) == messages


def test_an_outbox_larger_than_memory_allows_goes_to_disk() -> None:
    value = bytes(IN_MEMORY // 4)
    with Outbox() as outbox:
        for number in range(6):
            outbox.add(Message(str(number), b"shop", value, number))

        assert outbox._file._rolled  # type: ignore[attr-defined]
        assert [message.event_id for message in outbox] == list("012345")
