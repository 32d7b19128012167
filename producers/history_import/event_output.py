"""Write imported events to a file, ordered by time without repeats, or to Kafka with a record of delivered ids."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from glob import escape
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

from typing_extensions import override

from producers.delivery.publisher import DeliveryFailure, Message, Outcome, Publisher
from producers.errors import UsageError
from producers.events.event_builder import BuiltEvent
from producers.events.jsonl import BadLine, read_events
from producers.history_import.imported_events import ImportedEvents
from producers.terminal.progress import Show, no_progress, with_progress

_ID: Final = 36
"""Characters of an event's id."""


class MergeSummary(NamedTuple):
    """What stands in the file now, and how it came there."""

    events: list[BuiltEvent]
    new: int
    known: int
    changed: int
    """Of the known: told otherwise today than when they were written. They stay as they were."""
    mended: bool
    """The last line of the file was cut off in the middle, and is made anew."""


class EventFileIndex(NamedTuple):
    """What stands in the file, by ids."""

    events: dict[str, BuiltEvent]
    cut_off: bool
    """Its last line ends in the middle."""


def merge(file: EventFileIndex, found: ImportedEvents) -> MergeSummary:
    """Merge imported events with those of the file, without writing it."""
    held = file.events
    new = {name: built for name, built in found.events.items() if name not in held}
    known = found.events.keys() - new.keys()
    changed = sum(held[name].as_json() != found.events[name].as_json() for name in known)
    events = in_order([*held.values(), *new.values()])
    return MergeSummary(events, len(new), len(known), changed, file.cut_off)


def in_order(events: Iterable[BuiltEvent]) -> list[BuiltEvent]:
    """Sort by time, then by id, so that every run writes the same."""
    return sorted(events, key=lambda built: (built.value["occurred_at"], built.value["event_id"]))


def as_lines(events: Iterable[BuiltEvent]) -> Iterator[bytes]:
    """The events as a file has them."""
    return (f"{built.as_json()}\n".encode() for built in events)


def write(path: Path, events: Sequence[BuiltEvent], progress: Show = no_progress) -> None:
    """Write the file, whole or not at all: whoever interrupts it finds it as it was.

    Raises:
        UsageError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _remove_drafts(path)
        with draft.open("wb") as file:
            file.writelines(as_lines(with_progress(progress, f"lines into {path}", events)))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"--output {path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def _remove_drafts(path: Path) -> None:
    """Remove temporary files of runs that were killed while writing."""
    for draft in path.parent.glob(f".{escape(path.name)}.*"):
        pid = draft.suffix.removeprefix(".")
        if pid.isdecimal() and not Path("/proc", pid).exists():
            draft.unlink(missing_ok=True)


def read_output(path: Path, now: datetime, progress: Show = no_progress) -> EventFileIndex:
    """What the file has; nothing if there is none yet.

    Raises:
        UsageError: a line of the file is no event, so this is none of our files.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return EventFileIndex({}, cut_off=False)
    except OSError as error:
        raise UsageError(f"--output {path}: {error.strerror}") from error
    held: dict[str, BuiltEvent] = {}
    last = text.count(b"\n") + 1
    for done, read in enumerate(read_events(BytesIO(text), now), 1):
        progress(f"lines that {path} has", done, last - 1)
        if isinstance(read, BadLine):
            if read.line == last:
                return EventFileIndex(held, cut_off=True)
            raise UsageError(f"--output {path}:{read.line}: {read.error}: the file has other things than events")
        held[read[1].value["event_id"]] = read[1]
    return EventFileIndex(held, cut_off=False)


class DeliveredIds:
    """The ids of the events that have arrived, a line each, in a file that only grows.

    Raises:
        UsageError: the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("a+b") as file:
                file.seek(0)
                lines = file.read().split(b"\n")
                if lines[-1]:  # cut off: it is sent again, which is harmless
                    file.write(b"\n")
        except OSError as error:
            raise UsageError(f"--state {path}: {error.strerror}") from error
        self.arrived: Final = {line.decode("ascii", "replace") for line in lines[:-1] if len(line) == _ID}

    def remembering(self, publisher: Publisher) -> Publisher:
        """The publisher, noting what arrives."""
        return _Remembering(publisher, self._path)


class _Remembering(Publisher):
    def __init__(self, publisher: Publisher, path: Path) -> None:
        self._publisher, self._path = publisher, path

    @override
    def publish(self, messages: Iterable[Message], report: Callable[[Message, Outcome], None]) -> None:
        with self._path.open("ab", buffering=0) as file:

            def note(message: Message, outcome: Outcome) -> None:
                if not isinstance(outcome, DeliveryFailure):
                    file.write(message.event_id.encode() + b"\n")
                report(message, outcome)

            self._publisher.publish(messages, note)

    @override
    def close(self) -> None:
        self._publisher.close()


def counts(merged: MergeSummary) -> Mapping[str, int]:
    """What happened to the file, for people and programs."""
    return {"events": len(merged.events), "new": merged.new, "known": merged.known, "changed": merged.changed}
