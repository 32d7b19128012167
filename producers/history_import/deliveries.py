"""What a forge exports, told as its webhook would have told it, so that one reading makes the same events of both."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from producers.events.event_builder import Assignment
from producers.history_import.exports import ExportObject
from producers.history_import.graph import BranchStep, CommitGraph, CommitSequence
from producers.history_import.imported_events import UNTOLD, ImportedEvents
from producers.sidecar.webhooks import fields
from producers.sidecar.webhooks.reading import (
    DeliveryIgnored,
    DeliveryUnmappable,
    NameResolver,
    Webhook,
    WebhookDelivery,
)
from schemas.rules import MAX_INCLUDED

_ROLLOUTS: Final = ("canary_started", "canary_promoted")
_INCLUDED: Final = "canary.included_shas"
_NUMBER: Final = re.compile(r"[#!]?\b[0-9]+\b")


class DeliverySimulator(NamedTuple):
    """Tells one source's deliveries to `found`."""

    read: Webhook
    names: NameResolver
    found: ImportedEvents

    def tell(
        self,
        body: Mapping[str, Any],
        place: str,
        headers: Mapping[str, str] | None = None,
        included: Sequence[str] | None = None,
    ) -> None:
        """Take the events of a delivery. One without a time of its own is refused: an import has no other to give.

        `included` are the commits that a deployment brought, for one that does not say so itself.
        """
        reading = self.read(WebhookDelivery(headers or {}, body, UNTOLD), self.names)
        for assigned in reading.events:
            when = next((entry.value for entry in assigned if entry.path == "occurred_at"), None)
            if when == fields.written(UNTOLD):
                self.found.refuse(place, "occurred_at: the export does not say when it happened")
            else:
                self.found.add([*assigned, *_carried(assigned, included)], place)
        if reading.refused:
            self.found.refuse(place, reading.refused)
        if reading.ignored:
            self.found.ignored[_NUMBER.sub("…", reading.ignored)] += 1


def _carried(assigned: Sequence[Assignment], included: Sequence[str] | None) -> list[Assignment]:
    said = {entry.path: entry.value for entry in assigned}
    if included is None or said.get("event_type") not in _ROLLOUTS or _INCLUDED in said:
        return []
    return [Assignment(_INCLUDED, list(included), "the commits of the export")]


Kinds = Mapping[str, Sequence[str]]
"""By the name of each kind of object the fields that it has and no kind before it."""


def kind_of(value: Any, kinds: Kinds) -> tuple[str, str | None]:
    """What an object is, or why it is nothing that is known."""
    if not isinstance(value, dict):
        return "", f"is no object, but {fields.shown(value)}"
    for kind, needed in kinds.items():
        if all(name in value for name in needed):
            return kind, None
    if "message" in value or "error" in value:
        return "", f"is an error that the API answered: {fields.shown(value.get('message') or value.get('error'))}"
    return "", f"is none of these: {', '.join(kinds)}"


class ExportedObjects:
    """Objects by their names. Of one that was exported twice, as where pages shift, the version changed last counts,

    else the one that says more: GitLab lists the commits of a request without their parents.
    """

    def __init__(self) -> None:
        self._held: dict[str, ExportObject] = {}

    def add(self, name: str, entry: ExportObject) -> None:
        """Take an object."""
        other = self._held.get(name)
        if other is None or _version(entry) > _version(other):
            self._held[name] = entry

    def get(self, name: str | None) -> ExportObject | None:
        """The object of this name."""
        return self._held.get(name) if name is not None else None

    def __iter__(self) -> Iterator[tuple[str, ExportObject]]:
        return iter(sorted(self._held.items()))

    def __len__(self) -> int:
        return len(self._held)


def _version(entry: ExportObject) -> tuple[str, int, str]:
    said = sum(bool(value) for value in entry.value.values())
    return fields.time(fields.at(entry.value, "updated_at")) or "", said, json.dumps(entry.value, sort_keys=True)


class ForgeExport(ABC):
    """The objects of an export by their kinds; what is of none is refused."""

    def __init__(self, entries: Iterable[ExportObject], kinds: Kinds, found: ImportedEvents) -> None:
        self.of = {kind: ExportedObjects() for kind in kinds}
        for entry in entries:
            kind, problem = kind_of(entry.value, kinds)
            problem = problem or self.take(kind, entry)
            if problem is not None:
                found.refuse(entry.place, problem)

    @abstractmethod
    def take(self, kind: str, entry: ExportObject) -> str | None:
        """Take an object of a kind; why it cannot be taken, if it cannot."""


class ImportedPromotion(NamedTuple):
    """A deployment that was finished: what of its environment came before it is found by these."""

    env: str
    at: str
    name: str
    sha: str | None
    rollback: bool = False


def included_by_name(promotions: Iterable[ImportedPromotion], graph: CommitGraph) -> dict[str, list[str]]:
    """The commits that each deployment brought to its environment, where those that are exported tell.

    The first of an environment has none: what it had before is not known. What follows a rollback is told from the
    commit that was rolled back to.
    """
    found: dict[str, list[str]] = {}
    series: dict[str, CommitSequence] = {}
    for one in sorted(promotions, key=lambda one: (one.at, one.name)):
        shas = series.setdefault(one.env, CommitSequence(graph)).brings(one.sha)
        if shas and len(shas) <= MAX_INCLUDED and not one.rollback:
            found.setdefault(one.name, sorted(shas))
    return found


def branch_steps(graph: CommitGraph, heads: Collection[str], merged: Iterable[str]) -> list[BranchStep]:
    """What was pushed to the default branch, one commit or one merge at a time.

    Its tip is not named in an export of commits. It is no head of a request, but for one that was merged as it is.
    """
    on_branch = set(merged)
    return graph.steps(tip for tip in graph.tips() if tip not in heads or tip in on_branch)


class SideCommit(NamedTuple):
    """A commit of a request that did not come to the branch itself, as with a squash."""

    sha: str
    at: Any
    author: str | None
    parents: Sequence[str]
    place: str


def tell_side(
    teller: DeliverySimulator,
    source: str,
    facts: Mapping[str, str],
    request: Mapping[str, str | None],
    commits: list[SideCommit],
) -> None:
    """Tell the commits of a merged request as its own CI job reports them. `request` are the fields that they share."""
    for commit in commits:
        try:
            place = teller.names.place(source, facts)
        except DeliveryUnmappable as reason:
            teller.found.refuse(commit.place, str(reason))
            continue
        except DeliveryIgnored as reason:
            teller.found.ignored[str(reason)] += 1
            continue
        told = {
            "event_type": "commit_created",
            "service": place.service,
            "source.system": source,
            "occurred_at": commit.at,
            "commit_sha": commit.sha,
            "commit.author": commit.author,
            "commit.parents": list(commit.parents) or None,
            **request,
        }
        assigned = [Assignment(path, value, "commit") for path, value in told.items() if value is not None]
        teller.found.add(assigned, commit.place)


def seconds_of(value: Any) -> str | None:
    """A time cut to whole seconds, as GitLab's webhooks have it where its API has milliseconds."""
    told = fields.time(value)
    return None if told is None else fields.written(datetime.fromisoformat(told).astimezone(UTC).replace(microsecond=0))
