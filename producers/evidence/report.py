"""Define the input and output of every report reader: named bytes in, assignments and objections out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from producers.errors import UsageError
from producers.events.event_builder import Assignment

MEBIBYTE: Final = 1024 * 1024
MAX_DEPTH: Final = 100
"""Maximum nesting of elements or objects. Reports of real tools stay under twenty."""


class ReportFile(NamedTuple):
    """A report as a tool wrote it."""

    name: str
    """The file's name, for messages and for `--explain`."""
    data: bytes


def printable(text: str) -> str:
    """Replace unprintable characters, which could move a cursor or start a line that a CI system runs as a command."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


class EvidenceError(UsageError):
    """A report is not of the expected form. The message names the file, the place in it and the remedy."""

    def __init__(self, report: str, problem: str, *, at: str = "", hint: str = "") -> None:
        place = f"{report}: {at}" if at else report
        super().__init__(printable(f"{place}: {problem}") + (f"; {hint}" if hint else ""))


@dataclass(frozen=True, slots=True)
class EvidenceReading:
    """The values that reports contribute to an event."""

    assigned: Sequence[Assignment] = ()
    objections: Sequence[str] = field(default=())
    """Reasons, in words, why the gate cannot have passed."""
    defaults: Sequence[Assignment] = ()
    """Values that the caller can override, such as the name of the tool."""


def origin(tool: str, reports: Sequence[ReportFile]) -> str:
    """Describe where values come from: "junit unit.xml", "junit unit.xml and 3 more"."""
    more = f" and {len(reports) - 1} more" if len(reports) > 1 else ""
    return f"{tool} {reports[0].name}{more}"
