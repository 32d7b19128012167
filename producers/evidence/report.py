"""What every reader of a report is given and gives: bytes with a name, and what they say of an event."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from producers.errors import UsageError
from producers.events.event_builder import Assignment

MEBIBYTE: Final = 1024 * 1024
MAX_DEPTH: Final = 100
"""Of elements or objects in one another. Reports of real tools stay under twenty."""


class ReportFile(NamedTuple):
    """A report as a tool wrote it."""

    name: str
    """The file's name, for messages and for `--explain`."""
    data: bytes


def printable(text: str) -> str:
    """A text of a report without what would move a cursor, or begin a line that a CI system takes for a command."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


class EvidenceError(UsageError):
    """A report cannot be taken for what it should be. The message names the file, the place in it and what to do."""

    def __init__(self, report: str, problem: str, *, at: str = "", hint: str = "") -> None:
        place = f"{report}: {at}" if at else report
        super().__init__(printable(f"{place}: {problem}") + (f"; {hint}" if hint else ""))


@dataclass(frozen=True, slots=True)
class EvidenceReading:
    """What reports say."""

    assigned: Sequence[Assignment] = ()
    objections: Sequence[str] = field(default=())
    """Why the gate that they come from cannot have passed, for people."""
    defaults: Sequence[Assignment] = ()
    """What holds unless the caller says otherwise, such as the name of the tool."""


def origin(tool: str, reports: Sequence[ReportFile]) -> str:
    """Where values come from: "junit unit.xml", "junit unit.xml and 3 more"."""
    more = f" and {len(reports) - 1} more" if len(reports) > 1 else ""
    return f"{tool} {reports[0].name}{more}"
