"""What an audit says in the end, to people and to programs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from streams.audit.differences import Difference, FieldDifference, shown

MOST_FIELDS = 10
"""Of one record, no more than this are printed; JSON holds all."""
_WIDEST = 120

Verdict = Literal["equal", "different", "undecided"]
EXIT_CODES: dict[Verdict, int] = {"equal": 0, "different": 1, "undecided": 2}


@dataclass(frozen=True)
class AuditReport:
    """The answer, and what it rests on."""

    verdict: Verdict
    why: str | None = None
    """Why it could not be decided."""
    ends: dict[int, int] = field(default_factory=dict)
    """Up to where each partition of the log was audited."""
    messages: int = 0
    """How many messages that were."""
    beyond: int = 0
    """How many more were read, for records that were published since."""
    records: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    links: int = 0
    seconds: float = 0.0
    differences: tuple[Difference, ...] = ()
    """At most as many as were asked for."""
    differing: int = 0
    """How many there are."""

    @property
    def exit_code(self) -> int:
        """0 equal, 1 different, 2 undecided."""
        return EXIT_CODES[self.verdict]

    def to_json(self) -> str:
        """Return one object."""
        value: dict[str, Any] = {
            "verdict": self.verdict,
            "why": self.why,
            "ends": {str(partition): end for partition, end in self.ends.items()},
            "messages": self.messages,
            "beyond": self.beyond,
            "records": self.records,
            "refused": self.refused,
            "links": self.links,
            "seconds": round(self.seconds, 3),
            "differing": self.differing,
            "differences": [one.to_value() for one in self.differences],
        }
        return json.dumps(value, indent=1)

    def lines(self) -> Iterator[str]:
        """Yield what differs, and a line that sums up."""
        if self.verdict == "undecided":
            yield f"undecided: {self.why}"
            return
        for one in self.differences:
            yield from _lines(one)
        if self.differing > len(self.differences):
            yield f"... and {self.differing - len(self.differences)} more (--most)"
        counts = ", ".join(f"{count} {name}" for name, count in self.records.items())
        beyond = f" (and {self.beyond} beyond)" if self.beyond else ""
        said = "equal" if self.verdict == "equal" else f"different: {self.differing} of them"
        yield (
            f"{said}; recomputed {counts}, {self.refused} dead letters and {self.links} links "
            f"from {self.messages} messages{beyond} in {self.seconds:.1f} s"
        )


def _lines(one: Difference) -> Iterator[str]:
    yield f"{one.problem}: {one.topic} {one.key}"
    for each in one.fields[:MOST_FIELDS]:
        yield f"    {_field(each)}"
    if len(one.fields) > MOST_FIELDS:
        yield f"    ... and {len(one.fields) - MOST_FIELDS} more fields"
    events = [f"[{event.partition}]@{event.offset} {event.event_id}".rstrip() for event in one.behind.events]
    if events:
        which = "" if len(events) == one.behind.total else f" (the newest {len(events)} of {one.behind.total})"
        yield f"    events{which}: {', '.join(events)}"


def _field(one: FieldDifference) -> str:
    return f"{one.path or 'record'}: published {_text(one.published)}, recomputed {_text(one.recomputed)}"


def _text(value: Any) -> str:
    text = json.dumps(shown(value))
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}..."
