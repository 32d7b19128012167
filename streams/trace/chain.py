"""The records that hang together with what was asked for, joined by the workers' core. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

from schemas.values import AsOfValue, EventValue, Micros
from streams.core.change import ChangeState
from streams.core.claims import Claimant, LinkedIncidentClaim
from streams.core.deployment import DeploymentState
from streams.core.incident import IncidentState
from streams.core.joins import Counted
from streams.core.outputs import change_value, deployment_value
from streams.core.record_key import RecordKey, change_key, incident_key
from streams.core.service_state import ServiceState
from streams.replay.known_states import ServiceStates
from streams.trace.name_search import NamedRecord

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
        """Yield the same events. Of several that say something of one commit, the first counts."""
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
    """What was found, and the records that hang together with it: each with its service state, in the order of time."""

    found: tuple[NamedRecord, ...]
    changes: list[tuple[ServiceState, ChangeState]]
    deployments: list[tuple[ServiceState, DeploymentState]]
    incidents: list[tuple[ServiceState, IncidentState]]


def chain(services: ServiceStates, found: tuple[NamedRecord, ...]) -> TraceChain:
    """Follow a commit or change to its deployments and incidents, an incident to its deployment's changes."""
    kept = _Kept(services)
    for kind, name, service in found:
        state = services[service]
        match kind:
            case "commit":
                kept.commit(state, name)
            case "change":
                kept.change(state, name)
            case "deployment":
                kept.deployment_named(state, name)
            case "incident":
                kept.incident(state, name)
    return TraceChain(found, kept.of(ChangeState), kept.of(DeploymentState), kept.of(IncidentState))


def blamed(
    services: ServiceStates, state: ServiceState, incident: IncidentState
) -> tuple[ServiceState, DeploymentState] | None:
    """Find the deployment that an incident is attributed to, and its service, which may be another one."""
    claimant: object = incident
    if incident.link is not None:
        origin, state = state.service, services[incident.link[0]]
        claimant = state.linked_incident(origin, incident.name)
    target = claimant.target if isinstance(claimant, Claimant) else None
    return None if target is None else (state, target)


def gates_of(state: ServiceState, sha: str) -> dict[str, Micros]:
    """Return which stages passed for a commit that was deployed, and when; those of other commits do not count."""
    change = state.change(state.commits.change_of(sha) or sha)
    stages = change_value(state, change, NOWHERE)["stages"] if change is not None else []
    return {stage["stage"]: stage["occurred_at"] for stage in stages if stage["commit_sha"] == sha}


class _Kept:
    """Records, as they are found; the methods are named by what one starts from."""

    def __init__(self, services: ServiceStates) -> None:
        self._services = services
        self._kept: dict[tuple[str, str], tuple[ServiceState, Counted]] = {}

    def of(self, kind: type[_Kind]) -> list[tuple[ServiceState, _Kind]]:
        """Return the records of one kind, by when they began, then by name."""
        kept = [(state, one) for state, one in self._kept.values() if isinstance(one, kind)]
        return sorted(kept, key=lambda held: (_began(*held), held[0].service, held[1].key))

    def commit(self, state: ServiceState, sha: str) -> None:
        change = state.commits.change_of(sha)
        # A commit that does not count, or that only its gates tell of, is in no change: show where it was reported.
        for name in [change] if change else [one.name for one in state.changes() if sha in one.shas()]:
            self.change(state, name)
        self._holding(state, sha, {sha})
        self._naming(state, sha)

    def change(self, state: ServiceState, name: str) -> None:
        self._keep(state, change_key(name))
        self._holding(state, name, state.commits.members(name))

    def _holding(self, state: ServiceState, name: str, shas: set[str]) -> None:
        for one in state.deployments():
            if name in one.carried or not shas.isdisjoint(one.shas):
                self._deployment(state, one)

    def deployment_named(self, state: ServiceState, name: str) -> None:
        for one in state.deployments():
            if one.name == name:
                self._deployment(state, one)
                self._changes(state, one)
        self._naming(state, name)

    def incident(self, state: ServiceState, name: str) -> None:
        incident = self._keep(state, incident_key(name))
        found = blamed(self._services, state, incident) if isinstance(incident, IncidentState) else None
        if found is not None:
            self._keep(found[0], found[1].key)
            self._changes(*found)

    def _deployment(self, state: ServiceState, deployment: DeploymentState) -> None:
        self._keep(state, deployment.key)
        for claimant in deployment.incidents:
            self._claimant(state, claimant)

    def _changes(self, state: ServiceState, deployment: DeploymentState) -> None:
        for name in deployment_value(state, deployment, NOWHERE)["changes"]:
            self._keep(state, change_key(name))

    def _naming(self, state: ServiceState, name: str) -> None:
        """Incidents that name it, also where that puts them on nothing."""
        for one in state.claimants():
            if one.claim and name in (one.claim.deployment_id, one.claim.sha):
                self._claimant(state, one)

    def _claimant(self, state: ServiceState, claimant: Claimant) -> None:
        if isinstance(claimant, LinkedIncidentClaim):
            link = claimant.facts[0].body
            self._keep(self._services[link.origin], incident_key(link.incident_id))
        else:
            self._keep(state, claimant.key)

    def _keep(self, state: ServiceState, key: RecordKey) -> Counted | None:
        entity = state.record(key)
        if not isinstance(entity, (ChangeState, DeploymentState, IncidentState)):
            return None
        self._kept[state.service, key] = (state, entity)
        return entity


def _began(state: ServiceState, one: Counted) -> Micros:
    if isinstance(one, ChangeState):
        first = state.commits.first_of(one.name)
        return first.at if first else 0
    return one.at if isinstance(one, IncidentState) else one.begun_at or 0
