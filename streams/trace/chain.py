"""The records that hang together with what was asked for, joined by the workers' core. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

from schemas.values import AsOfValue, EventValue, Micros
from streams.core.change import ChangeState
from streams.core.claims import Claimant, LinkedIncidentClaim
from streams.core.deployment import DeploymentState
from streams.core.incident import IncidentState
from streams.core.joins import Counted
from streams.core.outputs import change_value, deployment_value
from streams.core.service_state import ServiceState
from streams.trace.name_search import NamedRecord

Books = Mapping[str, ServiceState]
"""By service."""

NOWHERE: Final[AsOfValue] = {"partition": 0, "offset": 0}
"""For records that are made here, not published."""

_Kind = TypeVar("_Kind", ChangeState, DeploymentState, IncidentState)


class CommitNotes:
    """What events say of a commit that no record keeps; `listen` hears them while they pass by."""

    def __init__(self) -> None:
        self.commits: dict[tuple[str, str], tuple[Micros, str | None]] = {}
        """By service and SHA: when it was made, and by whom."""
        self.digests: dict[tuple[str, str], str] = {}
        """By service and SHA: what was built of it."""

    def listen(self, events: Iterable[EventValue]) -> Iterator[EventValue]:
        """The same events. Of several that say something of one commit, the first counts."""
        for event in events:
            key = (event["service"], event["commit_sha"] or "")
            if event["event_type"] == "commit_created":
                commit = event["commit"]
                at, author = self.commits.get(key, (event["occurred_at"], None))
                self.commits[key] = (at, author or (commit["author"] if commit else None))
            elif event["event_type"] == "artifact_built" and event["artifact_digest"]:
                self.digests.setdefault(key, event["artifact_digest"])
            yield event


class TraceChain(NamedTuple):
    """What was found, and the records that hang together with it: each with its book, in the order of time."""

    found: tuple[NamedRecord, ...]
    changes: list[tuple[ServiceState, ChangeState]]
    deployments: list[tuple[ServiceState, DeploymentState]]
    incidents: list[tuple[ServiceState, IncidentState]]


def chain(books: Books, found: tuple[NamedRecord, ...]) -> TraceChain:
    """From a commit or change to its deployments and their incidents; from an incident to its deployment's changes."""
    kept = _Kept(books)
    for kind, name, service in found:
        book = books[service]
        match kind:
            case "commit":
                kept.commit(book, name)
            case "change":
                kept.change(book, name)
            case "deployment":
                kept.deployment_named(book, name)
            case "incident":
                kept.incident(book, name)
    return TraceChain(found, kept.of(ChangeState), kept.of(DeploymentState), kept.of(IncidentState))


def blamed(books: Books, book: ServiceState, incident: IncidentState) -> tuple[ServiceState, DeploymentState] | None:
    """The deployment that an incident is put on, and its book: that of another service where a cause was followed."""
    claimant: object = incident
    if incident.link is not None:
        origin, book = book.service, books[incident.link[0]]
        claimant = book.joins.entities.get(f"l/{origin} {incident.name}")
    target = claimant.target if isinstance(claimant, Claimant) else None
    return None if target is None else (book, target)


def gates_of(book: ServiceState, sha: str) -> dict[str, Micros]:
    """Which stages passed for a commit that was deployed, and when: those of the others with it say nothing of it."""
    change = book.joins.entities.get(f"c/{book.joins.commits.change_of(sha) or sha}")
    stages = change_value(book, change, NOWHERE)["stages"] if isinstance(change, ChangeState) else []
    return {stage["stage"]: stage["occurred_at"] for stage in stages if stage["commit_sha"] == sha}


class _Kept:
    """Records, as they are found; the methods are named by what one starts from."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._kept: dict[tuple[str, str], tuple[ServiceState, Counted]] = {}

    def of(self, kind: type[_Kind]) -> list[tuple[ServiceState, _Kind]]:
        """The records of one kind, by when they began, then by name."""
        kept = [(book, one) for book, one in self._kept.values() if isinstance(one, kind)]
        return sorted(kept, key=lambda held: (_began(*held), held[0].service, held[1].key))

    def commit(self, book: ServiceState, sha: str) -> None:
        change = book.joins.commits.change_of(sha)
        # A commit that does not count, or that only its gates tell of, is in no change: show where it was reported.
        held = (one for one in book.joins.entities.values() if isinstance(one, ChangeState))
        for name in [change] if change else [one.name for one in held if sha in one.shas()]:
            self.change(book, name)
        self._holding(book, sha, {sha})
        self._naming(book, sha)

    def change(self, book: ServiceState, name: str) -> None:
        self._keep(book, f"c/{name}")
        self._holding(book, name, book.joins.commits.members(name))

    def _holding(self, book: ServiceState, name: str, shas: set[str]) -> None:
        for one in _deployments(book):
            if name in one.carried or not shas.isdisjoint(one.shas):
                self._deployment(book, one)

    def deployment_named(self, book: ServiceState, name: str) -> None:
        for one in _deployments(book):
            if one.name == name:
                self._deployment(book, one)
                self._changes(book, one)
        self._naming(book, name)

    def incident(self, book: ServiceState, name: str) -> None:
        incident = self._keep(book, f"i/{name}")
        found = blamed(self._books, book, incident) if isinstance(incident, IncidentState) else None
        if found is not None:
            self._keep(found[0], found[1].key)
            self._changes(*found)

    def _deployment(self, book: ServiceState, deployment: DeploymentState) -> None:
        self._keep(book, deployment.key)
        for claimant in deployment.incidents:
            self._claimant(book, claimant)

    def _changes(self, book: ServiceState, deployment: DeploymentState) -> None:
        for name in deployment_value(book, deployment, NOWHERE)["changes"]:
            self._keep(book, f"c/{name}")

    def _naming(self, book: ServiceState, name: str) -> None:
        """Incidents that name it, also where that puts them on nothing."""
        for one in book.joins.entities.values():
            if isinstance(one, Claimant) and one.claim and name in (one.claim.deployment_id, one.claim.sha):
                self._claimant(book, one)

    def _claimant(self, book: ServiceState, claimant: Claimant) -> None:
        if isinstance(claimant, LinkedIncidentClaim):
            link = claimant.facts[0].body
            self._keep(self._books[link.origin], f"i/{link.incident_id}")
        else:
            self._keep(book, claimant.key)

    def _keep(self, book: ServiceState, key: str) -> Counted | None:
        entity = book.joins.entities.get(key)
        if not isinstance(entity, (ChangeState, DeploymentState, IncidentState)):
            return None
        self._kept[book.service, key] = (book, entity)
        return entity


def _deployments(book: ServiceState) -> Iterator[DeploymentState]:
    return (one for one in book.joins.entities.values() if isinstance(one, DeploymentState))


def _began(book: ServiceState, one: Counted) -> Micros:
    if isinstance(one, ChangeState):
        first = book.joins.commits.first_of(one.name)
        return first.at if first else 0
    return one.at if isinstance(one, IncidentState) else one.begun_at or 0
