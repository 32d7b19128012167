"""Summarise an import: counts, what could not be joined, and why."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from producers.events.event_builder import BuiltEvent
from producers.history_import.imported_events import ImportedEvents
from schemas.models import from_micros
from schemas.values import EventValue

SHOWN: Final = 20
"""Refusals, and examples of each gap, that are told one by one to people. Programs are told all of them."""
_EXAMPLES: Final = 3

GAPS: Final[Mapping[str, str]] = {
    "deployments_without_sha": "deployments that name no commit, and so give no lead time",
    "deployments_of_unknown_commits": "deployments of commits that nothing here tells of: no lead time",
    "commits_without_change": "commits of no request, of which each begins a lead time of its own",
    "incidents_still_open": "incidents that were not resolved: no time to restore",
    "resolutions_without_opening": "resolutions of incidents that nothing here opens: not counted",
    "incidents_without_severity": "incidents without a severity: they fail no deployment",
}
"""What could not be joined, by name, and what comes of it."""


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Of the events that stand where they went, and of the import that brought some of them."""

    became: Mapping[str, int]
    """Number of events, and how many of them are new."""
    events: Sequence[EventValue]
    found: ImportedEvents

    def gaps(self) -> dict[str, list[str]]:
        """What could not be joined: each entry by its names."""
        return {name: sorted(entries) for name, entries in _gaps(self.events).items() if entries}

    def as_json(self) -> str:
        """Render the summary as one line for programs."""
        return json.dumps(
            {
                **self.became,
                "first": _day(self.events[:1]),
                "last": _day(self.events[-1:]),
                "by_type": dict(sorted(Counter(event["event_type"] for event in self.events).items())),
                "by_service": dict(sorted(Counter(event["service"] for event in self.events).items())),
                "unjoined": self.gaps(),
                "refused": [one._asdict() for one in self.found.refused],
                "ignored": dict(sorted(self.found.ignored.items())),
                "outside": self.found.outside,
                "notes": list(dict.fromkeys(self.found.notes)),
            },
            ensure_ascii=False,
        )

    def lines(self) -> Iterator[str]:
        """Render the summary for people."""
        told = ", ".join(f"{number:,} {name}" for name, number in self.became.items())
        span = f", {_day(self.events[:1])} to {_day(self.events[-1:])}" if self.events else ""
        yield f"{told}{span}"
        by_type = Counter(event["event_type"] for event in self.events)
        services = {event["service"] for event in self.events}
        yield from (f"  {kind}: {number:,}" for kind, number in sorted(by_type.items()))
        if services:
            yield f"  services: {_few(sorted(services))}"
        for name, entries in self.gaps().items():
            yield f"  {GAPS[name]}: {_few(entries)}"
        for reason, number in sorted(self.found.ignored.items()):
            if number:
                yield f"  left out: {number:,}: {reason}"
        if self.found.outside:
            yield f"  left out: {self.found.outside:,}: outside of --since and --until"
        yield from (f"  note: {note}" for note in _most(dict.fromkeys(self.found.notes)))


def _few(names: Sequence[str]) -> str:
    """How many there are, and some of them."""
    more = ", ..." if len(names) > _EXAMPLES else ""
    return f"{len(names):,} ({', '.join(names[:_EXAMPLES])}{more})"


def refusals(found: ImportedEvents) -> Iterator[str]:
    """List refusals, one per line."""
    yield from _most(f"{place}: {problem}" for place, problem in found.refused)


def values_of(events: Iterable[BuiltEvent]) -> list[EventValue]:
    """Encode the events with the codec."""
    return [built.value for built in events]


def _most(lines: Iterable[str]) -> Iterator[str]:
    told = list(lines)
    yield from told[:SHOWN]
    if len(told) > SHOWN:
        yield f"... and {len(told) - SHOWN:,} more; --json tells all"


def _gaps(events: Iterable[EventValue]) -> dict[str, set[str]]:
    commits: dict[tuple[str, str], bool] = {}
    deployed: dict[str, list[tuple[str, str]] | None] = {}
    opened: dict[str, bool] = {}
    moves: dict[str, tuple[int, str]] = {}
    for event in events:
        service, sha, kind = event["service"], event["commit_sha"], event["event_type"]
        if kind == "commit_created" and sha:
            commits[service, sha] = commits.get((service, sha), False) or event["change_id"] is not None
            merge = (event["commit"] or _NONE)["merge_sha"]
            if merge:
                commits[service, merge] = True
        elif kind == "canary_promoted":
            name = f"{service}/{event['env']}/{event['deployment_id'] or sha}"
            listed = (event["canary"] or _NONE)["included_shas"] or []
            shas = [(service, each) for each in (sha, *listed) if each]
            deployed[name] = (deployed.get(name) or []) + shas or None
        elif kind in ("incident_opened", "incident_resolved"):
            name = f"{service}/{event['incident_id']}"
            moves[name] = max(moves.get(name, (0, "")), (event["occurred_at"], kind))
            severe = bool((event["incident"] or _NONE)["severity"])
            if kind == "incident_opened":
                opened[name] = opened.get(name, False) or severe
            elif name in opened:
                opened[name] = opened[name] or severe
    return {
        "deployments_without_sha": {name for name, shas in deployed.items() if shas is None},
        "deployments_of_unknown_commits": {
            name for name, shas in deployed.items() if shas and not any(one in commits for one in shas)
        },
        "commits_without_change": {f"{service}/{sha[:12]}" for (service, sha), known in commits.items() if not known},
        "incidents_still_open": {name for name in opened if moves[name][1] == "incident_opened"},
        "resolutions_without_opening": moves.keys() - opened.keys(),
        "incidents_without_severity": {name for name, severe in opened.items() if not severe},
    }


class _Nothing(dict[str, Any]):
    """Details that an event does not have."""

    def __missing__(self, name: str) -> None:
        return None


_NONE: Final = _Nothing()


def _day(events: Sequence[EventValue]) -> str | None:
    return from_micros(events[0]["occurred_at"]).isoformat().replace("+00:00", "Z") if events else None
