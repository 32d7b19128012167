"""Which events a published record is made of: where to look when it is not what it should be."""

from collections.abc import Iterable, Iterator
from heapq import nlargest
from typing import Final, NamedTuple
from uuid import UUID

from streams.audit.record_types import RecordType
from streams.core.change import ChangeState
from streams.core.deployment import DeploymentState
from streams.core.facts import AnyFact, IncidentFact, RollbackFact
from streams.core.incident import IncidentState
from streams.core.joins import Entity
from streams.core.service_state import ServiceState

NEWEST: Final = 10
"""Of more events than this, the newest are named."""


class ProvenanceEvent(NamedTuple):
    """An event of the log."""

    partition: int
    offset: int
    event_id: str


class RecordProvenance(NamedTuple):
    """The newest of the events that a record is made of, the oldest of them first, and how many there are in all."""

    events: tuple[ProvenanceEvent, ...] = ()
    total: int = 0


def behind(kind: RecordType, key: bytes, state: ServiceState, partition: int) -> RecordProvenance:
    """Return the events of a service that touch the record with this key."""
    places, _, last = key.decode("utf-8", "replace").removeprefix(f"{state.service}/").rpartition("/")
    last = last.replace("%2F", "/").replace("%25", "%")  # as schemas.keys writes it
    name = f"{places}/{last}" if places else last
    facts = {fact.offset: fact for fact in _facts(kind.topic, name, state)}
    newest = sorted(nlargest(NEWEST, facts))
    events = (ProvenanceEvent(partition, offset, str(UUID(bytes=facts[offset].event_id))) for offset in newest)
    return RecordProvenance(tuple(events), len(facts))


def _facts(topic: str, name: str, state: ServiceState) -> Iterator[AnyFact]:
    if topic == "deployments":
        yield from _of_deployment(state.deployment(*_split(name)))
    elif topic == "incidents":
        incident = state.incident(name)
        yield from _own((incident,))
        if incident is not None:
            yield from _own((incident.target,))
    elif topic == "changes":
        change = state.change(name)
        members = state.commits.members(name)
        yield from _own((change, *(state.change(sha) for sha in members)))
        yield from _own(change.carriers if change is not None else ())
    else:
        yield from (fact for one in state.records() if _is_in(name, one) for fact in _own((one,)))


def _split(name: str) -> tuple[str, str]:
    env, _, deployment_id = name.partition("/")
    return env, deployment_id


def _of_deployment(deployment: Entity | None) -> Iterator[AnyFact]:
    yield from _own((deployment,))
    if isinstance(deployment, DeploymentState):
        for claimant in (*deployment.rollbacks, *deployment.incidents):
            yield from getattr(claimant, "facts", ())


def _own(entities: Iterable[Entity | None]) -> Iterator[AnyFact]:
    for entity in entities:
        if entity is not None:
            yield from entity.facts
            yield from entity.overruled


def _is_in(env: str, entity: Entity) -> bool:
    """Return whether it may touch the snapshot of this environment: changes reach any."""
    if isinstance(entity, DeploymentState | IncidentState):
        return entity.env == env or not env
    bodies = (fact.body for fact in entity.facts)
    return isinstance(entity, ChangeState) or any(
        not isinstance(body, RollbackFact | IncidentFact) or body.env == env or not env for body in bodies
    )
