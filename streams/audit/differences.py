"""Where a record that is published differs from what the log says. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple

from streams.audit.provenance import RecordProvenance

ABSENT: Final = "(absent)"
"""Stands where one of two records has nothing."""

Problem = Literal["missing", "extra", "stale", "different", "misplaced"]


class FieldDifference(NamedTuple):
    """One field: its path, as "windows[0].failed", and both of its values."""

    path: str
    published: Any
    recomputed: Any


@dataclass(frozen=True)
class Difference:
    """One record, dead letter or link that is not as it should be."""

    topic: str
    key: str
    problem: Problem
    fields: tuple[FieldDifference, ...] = ()
    behind: RecordProvenance = field(default=RecordProvenance())

    def with_events(self, behind: RecordProvenance | None) -> "Difference":
        """Return the same, with the events that the record is made of."""
        return self if behind is None else replace(self, behind=behind)

    def to_value(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "topic": self.topic,
            "key": self.key,
            "problem": self.problem,
            "fields": [{name: shown(value) for name, value in one._asdict().items()} for one in self.fields],
            "events": [one._asdict() for one in self.behind.events],
            "events_total": self.behind.total,
        }


def field_differences(published: Any, recomputed: Any, path: str = "") -> Iterator[FieldDifference]:
    """Yield every field in which two records differ, in the order of the fields."""
    if isinstance(published, Mapping) and isinstance(recomputed, Mapping):
        for name in {**recomputed, **published}:
            inner = f"{path}.{name}" if path else str(name)
            yield from field_differences(published.get(name, ABSENT), recomputed.get(name, ABSENT), inner)
    elif isinstance(published, list) and isinstance(recomputed, list):
        for index in range(max(len(published), len(recomputed))):
            one = published[index] if index < len(published) else ABSENT
            other = recomputed[index] if index < len(recomputed) else ABSENT
            yield from field_differences(one, other, f"{path}[{index}]")
    elif published != recomputed or type(published) is not type(recomputed):
        yield FieldDifference(path, published, recomputed)


def shown(value: Any) -> Any:
    """Return a value as JSON may hold it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {name: shown(one) for name, one in value.items()}
    return [shown(one) for one in value] if isinstance(value, list) else value
