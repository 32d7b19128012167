"""Read events from JSON lines, one at a time.

Reading once and keeping the encoded form has two merits: standard input works like a file, and what is sent is what
was checked, even if the file is being written to. Memory does not grow with the file.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, Final, NamedTuple

from producers.events.event_builder import BuiltEvent, event_from
from schemas.errors import ContractError, InvalidEvent

LONGEST_LINE: Final = 4 << 20
"""Bytes. No broker takes an event of that size."""


class BadLine(NamedTuple):
    """A line that is no valid event, and why."""

    line: int
    error: ContractError


def read_events(stream: BinaryIO, now: datetime) -> Iterator[tuple[int, BuiltEvent] | BadLine]:
    """Yield the number and event of each line, or a BadLine; empty lines are skipped."""
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
