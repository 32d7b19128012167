"""Read JSON reports; errors name the file, the place in it and what was expected."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from producers.evidence.report import EvidenceError, ReportFile
from schemas.rules import LARGEST

MAX_ITEMS: Final = 1_000_000
"""Maximum entries of one list."""


class JsonNode:
    """A value in a report, with its path."""

    def __init__(self, value: Any, report: str, place: str = "") -> None:
        self.value: Final = value
        self.report: Final = report
        self.place: Final = place

    def error(self, problem: str, hint: str = "") -> EvidenceError:
        """Build the error to raise about this value."""
        return EvidenceError(self.report, problem, at=self.place, hint=hint)

    def has(self, name: str) -> bool:
        """Check that this is an object with a non-null field of that name."""
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def child(self, name: str) -> "JsonNode":
        """Return the field of an object; its value is None if it is missing."""
        return JsonNode(self._object().get(name), self.report, f"{self.place}.{name}" if self.place else name)

    def text(self, name: str) -> str:
        """Return a text field. Raises EvidenceError: it is missing, or not text."""
        text = self.optional_text(name)
        if text is None:
            raise self.child(name).error("is missing")
        return text

    def optional_text(self, name: str) -> str | None:
        """Return a text field; None if it is missing, null or empty."""
        child = self.child(name)
        if child.value is None or isinstance(child.value, str):
            return child.value or None
        raise child.error("is not text")

    def count(self, name: str) -> int:
        """Return a field that is a non-negative integer."""
        child = self.child(name)
        if type(child.value) is not int or not 0 <= child.value <= LARGEST:
            raise child.error("is not a number from 0 up")
        return child.value

    def optional_count(self, name: str) -> int | None:
        """Return the same as `count`; None if it is missing or null."""
        return self.count(name) if self.has(name) else None

    def time(self, name: str) -> datetime | None:
        """Return a time with a zone, to the microsecond; None if it is missing or Go's zero time (year 1)."""
        text = self.optional_text(name)
        if text is None:
            return None
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise self.child(name).error("is not a time as in ISO 8601") from None
        if time.tzinfo is None:
            raise self.child(name).error("is a time without a zone")
        return None if time.year <= 1 else time.astimezone(UTC)

    def items(self, name: str | None = None) -> Iterator["JsonNode"]:
        """Iterate over the list in a field, or over this list itself; nothing if it is missing or null."""
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
        """Iterate over names and values of the object in a field; nothing if it is missing or null."""
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
    """Parse a report in JSON (UTF-8, or UTF-16 as PowerShell redirects it).

    Raises:
        EvidenceError: it is not JSON. `tool` and `hint` name what was expected and how to produce it.
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
