"""The events of a file, one JSON object a line."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from schemas.errors import InvalidEvent
from schemas.events import parse_event
from schemas.values import EventValue
from streams.replay.loop import event_time


def read_events(lines: Iterable[str]) -> Iterator[EventValue]:
    """Yield the event of every line; blank lines are skipped.

    Raises:
        InvalidEvent: with the number of the line and the path of the field.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield parse_event(line).to_value()
            except InvalidEvent as error:
                where = f"line {number}" if error.path is None else f"line {number}, {error.path}"
                raise InvalidEvent(error.problem, path=where, hint=error.hint) from error


def read_event_file(name: str) -> Iterator[EventValue]:
    """Yield the events of the file of this name, of standard input for "-", in their order there.

    Raises:
        InvalidEvent: a line is no event.
        UnicodeDecodeError: the file is not UTF-8.
        OSError: the file cannot be read.
    """
    if name == "-":
        yield from read_events(sys.stdin)
    else:
        with Path(name).open(encoding="utf-8-sig") as lines:
            yield from read_events(lines)


def events_in_order(name: str) -> list[EventValue]:
    """Return the events of a file by `event_time`. Raises as `read_event_file`."""
    return sorted(read_event_file(name), key=event_time)
