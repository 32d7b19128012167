"""JSON that comes from tools: every surprise is an error that says which file, where in it, and what was expected."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from producers.evidence.report import EvidenceError, ReportFile
from schemas.rules import LARGEST

MAX_ITEMS: Final = 1_000_000
"""Entries of one list."""


class JsonNode:
    """A value in a report, and its place there."""

    def __init__(self, value: Any, report: str, place: str = "") -> None:
        self.value: Final = value
        self.report: Final = report
        self.place: Final = place

    def error(self, problem: str, hint: str = "") -> EvidenceError:
        """What to raise about this value."""
        return EvidenceError(self.report, problem, at=self.place, hint=hint)

    def has(self, name: str) -> bool:
        """Whether this is an object with a field of that name that is not null."""
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def child(self, name: str) -> "JsonNode":
        """The field of an object; its value is None where there is none."""
        return JsonNode(self._object().get(name), self.report, f"{self.place}.{name}" if self.place else name)

    def text(self, name: str) -> str:
        """A field that is text. Raises EvidenceError: it is missing, or something else."""
        found = self.optional_text(name)
        if found is None:
            raise self.child(name).error("is missing")
        return found

    def optional_text(self, name: str) -> str | None:
        """A field that is text; None if it is missing, null or empty."""
        child = self.child(name)
        if child.value is None or isinstance(child.value, str):
            return child.value or None
        raise child.error("is not text")

    def count(self, name: str) -> int:
        """A field that is a whole number from 0 up."""
        child = self.child(name)
        if type(child.value) is not int or not 0 <= child.value <= LARGEST:
            raise child.error("is not a number from 0 up")
        return child.value

    def optional_count(self, name: str) -> int | None:
        """As `count`; None if it is missing or null."""
        return self.count(name) if self.has(name) else None

    def time(self, name: str) -> datetime | None:
        """A field that is a time with a zone, to the microsecond; None if missing, or in the year 1: Go's zero."""
        text = self.optional_text(name)
        if text is None:
            return None
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise self.child(name).error("is not a time as in ISO 8601") from None
        if found.tzinfo is None:
            raise self.child(name).error("is a time without a zone")
        return None if found.year <= 1 else found.astimezone(UTC)

    def items(self, name: str | None = None) -> Iterator["JsonNode"]:
        """The entries of the list in a field, or of this list itself; none if it is missing or null."""
        node = self if name is None else self.child(name)
        if node.value is None:
            return
        if not isinstance(node.value, list):
            raise node.error("is not a list")
        if len(node.value) > MAX_ITEMS:
            raise node.error(f"has {len(node.value)} entries, more than {MAX_ITEMS}")
        for position, entry in enumerate(node.value):
            yield JsonNode(entry, self.report, f"{node.place}[{position}]")

    def fields(self, name: str) -> Iterator[tuple[str, "JsonNode"]]:
        """The names and values of the object in a field; none if it is missing or null."""
        node = self.child(name)
        if node.value is None:
            return
        if not isinstance(node.value, dict):
            raise node.error("is not an object")
        for key in node.value:
            yield key, node.child(key)

    def _object(self) -> Mapping[str, Any]:
        if not isinstance(self.value, dict):
            raise self.error("is not an object")
        return self.value


def read_json(report: ReportFile, tool: str, hint: str) -> JsonNode:
    """The value of a report in JSON (UTF-8, or UTF-16 as PowerShell redirects it).

    Raises:
        EvidenceError: it is none. `tool` and `hint` say what was expected, and how it is made.
    """
    return JsonNode(_parsed(report, report.data, json.loads, tool, hint), report.name)


def _parsed(report: ReportFile, data: bytes, parse: Callable[[bytes], Any], tool: str, hint: str) -> Any:
    if not data.strip():
        raise EvidenceError(report.name, "is empty", hint=hint)
    try:
        value = parse(data)
    except UnicodeDecodeError:
        raise EvidenceError(report.name, "is not text in UTF-8", hint=hint) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise EvidenceError(report.name, f"is not {tool} in JSON: {error.msg}", at=where, hint=hint) from None
    except ValueError:
        raise EvidenceError(report.name, "holds a number that is too long", hint=hint) from None
    except RecursionError:
        raise EvidenceError(report.name, "is nested too deep", hint=hint) from None
    return value
