"""Read the files that the report flags name, by name or pattern, within limits."""

from collections.abc import Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import Any, Final

from producers.errors import UsageError
from producers.events.event_builder import Assignment
from producers.evidence.flags import ReportFlag
from producers.evidence.gate_evidence import ReportArguments, collect
from producers.evidence.report import MEBIBYTE, ReportFile

MAX_FILES: Final = 10_000
TOTAL: Final = 4
"""Limit for all files of one flag together, as a multiple of the limit for one."""


def from_reports(event_type: str, arguments: Mapping[str, Any], found: Sequence[Assignment]) -> list[Assignment]:
    """Read the reports that a command line names; `found` holds the assignments of its other flags.

    Raises:
        UsageError: a flag does not go with the event, a report cannot be read, or one says that the gate did not pass.
    """
    return collect(event_type, ReportArguments(arguments), found, read_files)


def read_files(flag: ReportFlag, patterns: Sequence[str], max_bytes: int) -> list[ReportFile]:
    """Read the reports that the patterns name, each file once, in the order of the patterns and then of names.

    Raises:
        UsageError: a pattern names no file, or a file cannot be read or is too large.
    """
    paths = list(dict.fromkeys(path for pattern in patterns for path in _named(flag, pattern)))
    if len(paths) > MAX_FILES:
        raise UsageError(f"{flag.name}: {len(paths)} files are more than {MAX_FILES}")
    reports, left = [], TOTAL * max_bytes
    for path in paths:
        data = _content(flag, path, min(max_bytes, left))
        left -= len(data)
        reports.append(ReportFile(path, data))
    return reports


def _named(flag: ReportFlag, pattern: str) -> list[str]:
    if not any(character in pattern for character in "*?[") or Path(pattern).exists():
        return [pattern]
    found = sorted(path for path in glob(pattern, recursive=True) if not Path(path).is_dir())  # noqa: PTH207 - keeps names as given
    if not found:
        raise UsageError(f"{flag.name} {pattern}: no file is named so; did the step that writes it run?")
    return found


def _content(flag: ReportFlag, path: str, limit: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else "is no name of a file"
        raise UsageError(f"{flag.name} {path}: {problem}") from error
    if len(data) > limit:
        raise UsageError(f"{flag.name} {path}: has more than {limit / MEBIBYTE:g} MiB; give a smaller report")
    return data
