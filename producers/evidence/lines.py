"""Represent executed lines by file, independent of the report format."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class FileLines:
    """The lines of one file that can run, and those that did."""

    executable: set[int] = field(default_factory=set)
    executed: set[int] = field(default_factory=set)


Files = dict[str, FileLines]
"""By path, as the report has it."""
