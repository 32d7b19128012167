"""Close records older than the longest window, so that memory follows the window and not the history.

A record is closed when nothing that may still come can change a number through it: it is settled, its facts are older
than every window, and so is everything it is joined with. What it was counted for goes into a row of closed totals,
which names the records; their own rows are deleted in a later batch. So wherever a crash falls, a record is either
whole or in the totals, never both: rows that the totals name are not read again. An event for a closed record is
refused, with that reason.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final, cast

from schemas.values import Micros
from streams.core.change import ChangeState
from streams.core.claims import Claimant, RollbackClaim
from streams.core.counters import EnvironmentCounters, count_lead_times, count_restores, count_stored
from streams.core.deployment import DeploymentState
from streams.core.environment import EnvironmentState
from streams.core.facts import is_rehearsal
from streams.core.incident import IncidentState
from streams.core.joins import Entity, Joins
from streams.core.record_key import RecordKey, change_key, deployment_key
from streams.core.settings import MetricSettings

FINAL: Final = frozenset(("succeeded", "failed", "superseded", "abandoned"))


class ClosedRecords:
    """The names of closed records, eight bytes each."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names = array("Q")

    def __contains__(self, key: RecordKey) -> bool:
        if not self._names:
            return False
        name = name_of(key)
        index = bisect_left(self._names, name)
        return index < len(self._names) and self._names[index] == name

    def __len__(self) -> int:
        return len(self._names)

    def add(self, names: Iterable[int]) -> None:
        """Add the names that one row of closed totals holds."""
        self._names = array("Q", sorted({*self._names, *names}))


def name_of(key: RecordKey) -> int:
    """The short name of a record: a hash, so that it costs eight bytes to remember."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")


def closable(joins: Joins, settings: MetricSettings, clock: Micros) -> list[Entity]:
    """The records that no later event may change a number through.

    Records that are joined are closed together: a deployment with what it carried and what points at it. Deployments
    are closed from the oldest on, and the newest of an environment never, so what was in force at any time that a
    later event may speak of stays known.
    """
    old = _Old(joins, settings, clock)
    found = {key: entity for key, entity in joins.entities.items() if old.has(entity)}
    before = -1
    while len(found) != before:
        before = len(found)
        found = {key: entity for key, entity in found.items() if _alone(joins, entity, found)}
        _cut_timelines(joins, found, old.event_time)
    return list(found.values())


class _Old:
    """Whether a record itself is settled and past every window."""

    def __init__(self, joins: Joins, settings: MetricSettings, clock: Micros) -> None:
        age = max(settings.windows) + settings.failure_window + settings.lateness + settings.canary_timeout
        self.joins = joins
        self.event_time = clock - age
        self.seen = clock - settings.failure_window - settings.lateness
        self.undelivered_seen = min(clock - settings.undelivered_for, self.seen)

    def has(self, entity: Entity) -> bool:
        """Whether it is old enough to be closed, if what it is joined with is."""
        facts = (*entity.facts, *entity.overruled)
        for fact in facts:
            if fact.at >= self.event_time or fact.seen_at >= self.seen:
                return False  # which most are, so what takes longer is asked later
        if isinstance(entity, ChangeState) and not self._delivered(entity):
            return all(fact.seen_at < self.undelivered_seen for fact in facts)
        if isinstance(entity, DeploymentState):
            return entity.place is None or (entity.verdict in FINAL and (entity.finished_at or 0) < self.event_time)
        if isinstance(entity, IncidentState):
            ended_at = entity.ended_at
            return not entity.opened or (ended_at is not None and ended_at < self.event_time and bool(entity.history))
        return True

    def _delivered(self, change: ChangeState) -> bool:
        """Whether it, or the change that its commits are in, was ever promoted."""
        names = {self.joins.commits.change_of(sha) for sha in change.shas()}
        joined = (self.joins.entities.get(change_key(name)) for name in names if name is not None)
        return bool(change.carriers) or any(isinstance(one, ChangeState) and one.carriers for one in joined)


def _alone(joins: Joins, entity: Entity, found: dict[RecordKey, Entity]) -> bool:
    """Whether everything that the record is joined with is among those found."""
    if any(key not in found for key in joins.rivals(entity)):
        return False
    if isinstance(entity, DeploymentState):
        return _deployment_alone(joins, entity, found)
    if isinstance(entity, ChangeState):
        reported = (change_key(name) for name in joins.commits.joined_with(entity.name, entity.shas()))
        shas = entity.shas() | joins.commits.members(entity.name)
        deployments = [*entity.carriers, *(one for sha in shas for one in joins.holders(sha))]
        return all(key in found for key in reported) and all(one.key in found for one in deployments)
    target = cast("Claimant", entity).target
    return target is None or target.key in found


def _deployment_alone(joins: Joins, deployment: DeploymentState, found: dict[RecordKey, Entity]) -> bool:
    """A rolled-back one handed nothing on: its changes may outlive it. A superseded one goes with its inheritor."""
    if any(claimant.key not in found for claimant in (*deployment.rollbacks, *deployment.incidents)):
        return False
    if deployment.verdict == "superseded" and deployment.place is not None:
        inheritor = joins.timeline(deployment.env).inheritor(deployment.place)
        return inheritor is not None and deployment_key(deployment.env, inheritor[1]) in found
    return all(change_key(change) in found for change in deployment.carried)


def _cut_timelines(joins: Joins, found: dict[RecordKey, Entity], event_time: Micros) -> None:
    """Keep, of the deployments that began, only those before the first that stays; the newest always stays."""
    for env, timeline in joins.timelines.items():
        places = timeline.places()
        keep = len(places) - 1
        for index, (_, name) in enumerate(places[:keep]):
            if deployment_key(env, name) not in found or places[index + 1][0] >= event_time:
                keep = index
                break
        for _, name in places[keep:]:
            found.pop(deployment_key(env, name), None)


class ClosedTotals:
    """What the records that are closed together were counted for, by environment."""

    def __init__(self, entities: Sequence[Entity], offset: int) -> None:
        self.offset = offset
        self.names = [name_of(entity.key) for entity in entities]
        self.counters: dict[str, EnvironmentCounters] = {}
        self.states: dict[str, list[str]] = {}
        self.rehearsed: dict[str, Micros] = {}
        for entity in entities:
            self._count(entity)

    def _count(self, entity: Entity) -> None:
        if entity.overruled:
            self._of("").conflicts += len(entity.overruled)
        if isinstance(entity, DeploymentState):
            count_stored(self._of(entity.env), entity)
            self.states.setdefault(entity.env, []).extend(entity.counted)
        elif isinstance(entity, ChangeState):
            for env, history in entity.history.items():
                count_lead_times(self._of(env), history, 0)
        elif isinstance(entity, IncidentState):
            for env, history in entity.history.items():
                count_restores(self._of(env), history, 0)
            if entity.counted is not None:
                self.states.setdefault(entity.counted[0], []).extend(entity.counted[1])
        elif isinstance(entity, RollbackClaim):
            for fact in entity.facts:
                if is_rehearsal(fact):
                    self.rehearsed[fact.body.env] = max(fact.at, self.rehearsed.get(fact.body.env, fact.at))

    def _of(self, env: str) -> EnvironmentCounters:
        return self.counters.setdefault(env, EnvironmentCounters())

    def to_row(self, environments: dict[str, EnvironmentState]) -> tuple[Any, ...]:
        """What is stored: the offset, the names, and for each environment its counts and its two latest times."""
        envs = tuple(
            (
                name,
                self._of(name).to_row(),
                tuple(self.states.get(name, ())),
                self.rehearsed.get(name),
                environment.last_event_at,
            )
            for name, environment in environments.items()
        )
        return (self.offset, array("Q", self.names).tobytes(), envs)


def names_in(row: Sequence[Any]) -> "array[int]":
    """Return the names that a stored row of closed totals holds."""
    names = array("Q")
    names.frombytes(row[1])
    return names


def count_closed_totals(environment: EnvironmentState, stored: Sequence[Any]) -> None:
    """Add to an environment what a stored row of closed totals says of it."""
    _, counters, states, rehearsed_at, last_event_at = stored
    environment.counters.add_row(counters)
    environment.recount((), tuple(states))
    environment.rehearsed_at = environment.rehearsed_before = later(environment.rehearsed_before, rehearsed_at)
    environment.last_event_at = later(environment.last_event_at, last_event_at)


def later(one: Micros | None, other: Micros | None) -> Micros | None:
    """The later of two times, either of which may be missing."""
    return max((time for time in (one, other) if time is not None), default=None)
