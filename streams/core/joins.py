"""How the facts of one service hang together (semantics.md, 2 to 5).

Commits belong to changes, changes are carried by deployments, rollbacks and incidents are put on deployments. Each
join has an index, so that a fact costs what it touches and not what came before it.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final, cast

from schemas.values import EventValue, Micros
from streams.core.change import ChangeState, CommitIndex
from streams.core.claim_index import ClaimIndex
from streams.core.claims import Claim, Claimant, LinkedIncidentClaim, RollbackClaim
from streams.core.cross_service import Link, link_event
from streams.core.deployment import DeploymentState
from streams.core.facts import AnyFact, CommitFact, Fact, StageFact
from streams.core.incident import IncidentState
from streams.core.record_key import (
    CHANGE,
    DEPLOYMENT,
    INCIDENT,
    ROLLBACK,
    RecordKey,
    change_key,
    deployment_key,
    kind_of,
    names_of,
)
from streams.core.settings import MetricSettings
from streams.core.timeline import Place, Timeline

Entity = ChangeState | DeploymentState | IncidentState | RollbackClaim | LinkedIncidentClaim
Counted = ChangeState | DeploymentState | IncidentState


class MergeResult(Enum):
    """What became of a fact that was offered."""

    NEW = "new"
    REPEATED = "repeated"
    OVERRULED = "overruled: another content under its event id counts"
    REPLACING = "counts instead of another content under its event id"


class Joins:
    """Every record of a service, and what points at what."""

    def __init__(self, service: str, settings: MetricSettings) -> None:
        self.service = service
        self.settings = settings
        self.commits: Final = CommitIndex()
        self.entities: dict[RecordKey, Entity] = {}
        self.due: dict[RecordKey, Counted] = {}
        """Records to look at again: what they stand for may have changed."""
        self.changed: dict[RecordKey, Counted] = {}
        """Records to publish again."""
        self.unsaved: list[Entity] = []
        """Records that gained or lost a fact, or were counted."""
        self.links: list[EventValue] = []
        """Messages to the service states of other services."""
        self._owners: dict[bytes, Entity] = {}
        self._overruled: dict[bytes, dict[bytes, RecordKey]] = {}
        """By event id, the contents that do not count and the keys of the records that keep them."""
        self.timelines: dict[str, Timeline] = {}
        self._claims = ClaimIndex()
        self._holders: dict[str, list[DeploymentState]] = {}
        self._claimants_due: dict[RecordKey, Claimant] = {}
        self._finishes_due: dict[RecordKey, DeploymentState] = {}
        self._carriers_due: dict[RecordKey, DeploymentState] = {}

    # --- merging one fact ---------------------------------------------------------------------------------------

    def take(self, key: RecordKey, fact: AnyFact) -> MergeResult:
        """Merge a fact. Of several contents under one event id, the one with the smallest rank counts."""
        owner = self._owners.get(fact.event_id)
        if owner is None:
            self._learn(key, fact)
            return MergeResult.NEW
        prior = next(one for one in owner.facts if one.event_id == fact.event_id)
        overruled = self._overruled.get(fact.event_id, {})
        if fact.mark == prior.mark or fact.mark in overruled:
            return MergeResult.REPEATED
        self._overruled[fact.event_id] = overruled
        if prior.rank < fact.rank:
            overruled[fact.mark] = key
            entity = self.entity(key)
            entity.overruled.append(fact)
            self.save(entity)
            if not isinstance(entity, (RollbackClaim, LinkedIncidentClaim)):
                self.changed[key] = self.due[key] = entity
            return MergeResult.OVERRULED
        if key == owner.key:
            fact = fact._replace(seen_at=min(prior.seen_at, fact.seen_at))  # one event, known since it first came
        overruled[prior.mark] = owner.key
        owner.overruled.append(prior)
        cast("list[AnyFact]", owner.facts).remove(prior)
        incidents = {one.key: one for one in (owner, self.entity(key)) if isinstance(one, IncidentState)}
        before, linked = [(one, one.link) for one in incidents.values()], len(self.links)
        self._read(owner, prior, fact.offset, learned=False)
        self._learn(key, fact)
        del self.links[linked:]  # a link between the two contents never held, and both would have one version
        for incident, link in before:
            self._tell(incident, link, fact.offset)
        return MergeResult.REPLACING

    def save(self, entity: Entity) -> None:
        """Let it be stored again."""
        if not entity.unsaved:
            entity.unsaved = True
            self.unsaved.append(entity)

    def entity(self, key: RecordKey) -> Entity:
        """The record with this key; an empty one if there was none."""
        entity = self.entities.get(key)
        if entity is None:
            entity = self.entities[key] = _new_entity(key)
        return entity

    def timeline(self, env: str) -> Timeline:
        """The deployments of an environment in the order they began."""
        timeline = self.timelines.get(env)
        if timeline is None:
            timeline = self.timelines[env] = Timeline()
        return timeline

    def superseded(self, deployment: DeploymentState) -> bool:
        """Whether a newer one of its environment began."""
        return deployment.place is not None and self.timeline(deployment.env).after(deployment.place) is not None

    def rivals(self, entity: Entity) -> set[RecordKey]:
        """The keys of all records that keep a content of one of its events, where an event has several."""
        contested = (fact.event_id for fact in (*entity.facts, *entity.overruled) if fact.event_id in self._overruled)
        return {key for one in contested for key in (*self._overruled[one].values(), self._owners[one].key)}

    def holders(self, sha: str) -> list[DeploymentState]:
        """The deployments that began and hold this commit."""
        return self._holders.get(sha, [])

    def forget(self, entities: Sequence[Entity]) -> None:
        """Take closed records out. Nothing is looked at again: all that they are joined with goes with them.

        They let go of each other too, so their memory is free at once, without a garbage collector.
        """
        for entity in entities:
            del self.entities[entity.key]
            entity.unsaved = False
            for fact in (*entity.facts, *entity.overruled):
                self._owners.pop(fact.event_id, None)
                self._overruled.pop(fact.event_id, None)
            if isinstance(entity, DeploymentState):
                self._forget_deployment(entity)
            elif isinstance(entity, ChangeState):
                for fact in entity.facts:
                    if isinstance(fact.body, CommitFact) and fact.counts:
                        self.commits.remove(fact)
            else:
                entity.claim = entity.target = None
                self._claims.replace(entity)

    def _forget_deployment(self, deployment: DeploymentState) -> None:
        deployment.rollbacks = []
        deployment.incidents = []
        if deployment.place is None:
            return
        promoted = deployment.promoted_at is not None
        self.timeline(deployment.env).remove(deployment.place, deployment.sha, promoted=promoted)
        for sha in deployment.shas:
            self._holders[sha].remove(deployment)
            if not self._holders[sha]:
                del self._holders[sha]

    def _learn(self, key: RecordKey, fact: AnyFact) -> None:
        entity = self.entity(key)
        self._owners[fact.event_id] = entity
        cast("list[AnyFact]", entity.facts).append(fact)
        self._read(entity, fact, fact.offset, learned=True)

    def _read(self, entity: Entity, fact: AnyFact, offset: int, *, learned: bool) -> None:
        """Take in that an entity gained or lost a fact, after the message at this offset."""
        key = entity.key
        self.save(entity)
        if isinstance(entity, ChangeState):
            self.changed[key] = entity
            self._read_change(cast("Fact[CommitFact] | Fact[StageFact]", fact), learned=learned)
            return
        if isinstance(entity, (RollbackClaim, LinkedIncidentClaim)):
            entity.read_facts()
            self._file(entity)
            return
        self.changed[key] = self.due[key] = entity
        if isinstance(entity, DeploymentState):
            self._read_deployment(entity)
        else:
            self._read_incident(entity, offset)

    def _read_change(self, fact: Fact[CommitFact] | Fact[StageFact], *, learned: bool) -> None:
        if isinstance(fact.body, StageFact):
            change_id = self.commits.change_of(fact.body.sha)
            if change_id is not None:
                change = cast("ChangeState", self.entity(change_key(change_id)))
                self.changed[change.key] = change
        elif fact.counts:
            moved = self.commits.add(fact) if learned else self.commits.remove(fact)
            for sha, left in moved.items():
                self._reconsider(left)
                if sha != fact.body.sha:
                    self._reconsider(self.commits.change_of(sha))
                for holder in self._holders.get(sha, ()):
                    self._carry_again(holder)
            self._reconsider(self.commits.change_of(fact.body.sha))

    def _reconsider(self, change_id: str | None) -> None:
        if change_id is not None:
            change = cast("ChangeState", self.entity(change_key(change_id)))
            self.due[change.key] = change
            self.changed[change.key] = change

    def _read_deployment(self, deployment: DeploymentState) -> None:
        timeline = self.timeline(deployment.env)
        place, sha, promoted_at = deployment.place, deployment.sha, deployment.promoted_at
        held = deployment.shas if place else ()
        deployment.read_facts()
        if place != deployment.place or sha != deployment.sha:
            if place is not None:
                timeline.remove(place, sha, promoted=promoted_at is not None)
                self._unsettle(deployment, place, sha)
            if deployment.place is not None:
                timeline.add(deployment.place, deployment.sha, promoted=deployment.promoted_at is not None)
                self._unsettle(deployment, deployment.place, deployment.sha)
        elif place is not None and (promoted_at is None) != (deployment.promoted_at is None):
            timeline.promote(place, promoted=deployment.promoted_at is not None)
            self._carry_from(deployment.env, place)
        self._hold(deployment, held, deployment.shas if deployment.place else ())
        if promoted_at != deployment.promoted_at:
            self._carriers_due[deployment.key] = deployment
            for change_id in deployment.carried:
                self._reconsider(change_id)
        self._finishes_due[deployment.key] = deployment

    def _hold(self, deployment: DeploymentState, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        """Remember which deployments hold a commit."""
        if before == after:
            return
        for sha in before:
            self._holders[sha].remove(deployment)
        for sha in after:
            self._holders.setdefault(sha, []).append(deployment)
        self._carry_again(deployment)

    def _unsettle(self, deployment: DeploymentState, place: Place, sha: str | None) -> None:
        """A deployment took or left this place: look again at all that it may concern."""
        env, timeline = deployment.env, self.timeline(deployment.env)
        after, before = timeline.after(place), timeline.before(place)
        concerned = [*self._claims.naming(env, deployment.name)]
        concerned += self._claims.between(env, place[0], after[0] if after else None)
        if sha is not None:
            concerned += self._claims.naming_sha(env, sha)
        self._claimants_due.update((claimant.key, claimant) for claimant in concerned)
        if before is not None:
            neighbour = self._deployment(env, before[1])
            if neighbour.finished_at is None:
                self.due[neighbour.key] = neighbour
        self._carriers_due[deployment.key] = deployment
        self._carry_from(env, place)

    def _carry_again(self, deployment: DeploymentState) -> None:
        """What it carries may have changed: for itself if it was promoted, else for its inheritor."""
        if deployment.promoted_at is not None or deployment.place is None:
            self._carriers_due[deployment.key] = deployment
        else:
            self.changed[deployment.key] = deployment
            self._carry_from(deployment.env, deployment.place)

    def _carry_from(self, env: str, place: Place) -> None:
        inheritor = self.timeline(env).inheritor(place)
        if inheritor is not None:
            deployment = self._deployment(env, inheritor[1])
            self._carriers_due[deployment.key] = deployment

    def _read_incident(self, incident: IncidentState, offset: int) -> None:
        link = incident.link
        incident.read_facts(self.service)
        self._tell(incident, link, offset)
        self._file(incident)

    def _tell(self, incident: IncidentState, before: Link | None, offset: int) -> None:
        """Tell the services of its cause, the one before and the one now, what changed with the message at `offset`."""
        now = incident.link
        if now == before:
            return
        if before is not None and (now is None or now[0] != before[0]):
            self.links.append(link_event(self.service, incident.name, before, offset, holds=False))
        if now is not None:
            self.links.append(link_event(self.service, incident.name, now, offset, holds=True))

    def _file(self, claimant: Claimant) -> None:
        """File a claim that may have changed, and look again at what it is put on."""
        self._claims.replace(claimant)
        self._claimants_due[claimant.key] = claimant
        if claimant.target is not None:
            self._finishes_due[claimant.target.key] = claimant.target
            self.due[claimant.target.key] = claimant.target
            self.changed[claimant.target.key] = claimant.target

    def _deployment(self, env: str, name: str) -> DeploymentState:
        return cast("DeploymentState", self.entities[deployment_key(env, name)])

    # --- agreeing on what follows -------------------------------------------------------------------------------

    @property
    def unsettled(self) -> bool:
        """Whether anything is left to agree on."""
        return bool(self._claimants_due or self._finishes_due or self._carriers_due)

    def agree(self) -> None:
        """Work out what follows from the facts, each step from the one before.

        Rollbacks are put on deployments by when those began; that decides when they finished; that, which incidents
        they answer for; and all of it, what they carried.
        """
        if self._claimants_due:
            for rollback in [one for one in self._claimants_due.values() if isinstance(one, RollbackClaim)]:
                del self._claimants_due[rollback.key]
                self._resolve(rollback)
        if self._finishes_due:
            for deployment in self._finishes_due.values():
                self._finish(deployment)
            self._finishes_due = {}
        if self._claimants_due:
            for claimant in self._claimants_due.values():
                self._resolve(claimant)
            self._claimants_due = {}
        if self._carriers_due:
            for deployment in self._carriers_due.values():
                self._carry(deployment)
            self._carriers_due = {}

    def _resolve(self, claimant: Claimant) -> None:
        """Put a claim on the deployment it means now."""
        before, target = claimant.target, self._target(claimant.claim)
        if before is target:
            return
        claimant.target = target
        is_rollback = isinstance(claimant, RollbackClaim)
        for deployment in (before, target):
            if deployment is None:
                continue
            held = deployment.rollbacks if is_rollback else deployment.incidents
            if deployment is target:
                held.append(claimant)
            else:
                held.remove(claimant)
            if is_rollback:
                self._finishes_due[deployment.key] = deployment
            self.due[deployment.key] = deployment
            self.changed[deployment.key] = deployment
        if isinstance(claimant, IncidentState):
            self.due[claimant.key] = claimant

    def _target(self, claim: Claim | None) -> DeploymentState | None:
        if claim is None:
            return None
        env = claim.env
        if claim.deployment_id is not None:
            named = self.entities.get(deployment_key(env, claim.deployment_id))
            return named if isinstance(named, DeploymentState) and named.place is not None else None
        timeline = self.timelines.get(env)
        if timeline is None:
            return None
        if claim.sha is not None:
            name = timeline.of_sha(claim.sha, claim.at)
            return None if name is None else self._deployment(env, name)
        name = timeline.in_force(claim.at)
        if name is None:
            return None
        deployment = self._deployment(env, name)
        return deployment if not claim.bounded or claim.at <= self._answers_until(deployment) else None

    def _answers_until(self, deployment: DeploymentState) -> Micros:
        """Until when an incident that names nothing may be put on it."""
        if deployment.finished_at is not None:
            return deployment.finished_at + self.settings.failure_window
        return (deployment.begun_at or 0) + self.settings.canary_timeout

    def _finish(self, deployment: DeploymentState) -> None:
        """Work out when it finished; if that moved, so may the incidents after it and what its inheritor takes over."""
        if not deployment.read_finish():
            return
        self.changed[deployment.key] = deployment
        self.due[deployment.key] = deployment
        if deployment.place is not None:
            after = self.timeline(deployment.env).after(deployment.place)
            waiting = self._claims.between(deployment.env, deployment.place[0], after[0] if after else None)
            self._claimants_due.update((claimant.key, claimant) for claimant in waiting)
            self._carry_again(deployment)

    def _carry(self, deployment: DeploymentState) -> None:
        """Work out which changes it brought to 100 %: its own, and those of the superseded ones before it."""
        carried: set[str] = set()
        if deployment.promoted_at is not None and deployment.place is not None:
            shas = list(deployment.shas)
            for _, name in self.timeline(deployment.env).since_promotion(deployment.place):
                earlier = self._deployment(deployment.env, name)
                if earlier.finished_at is None:
                    shas.extend(earlier.shas)
            carried = {change_id for sha in shas if (change_id := self.commits.change_of(sha)) is not None}
        before = deployment.carried
        if before == carried:
            return
        self.due[deployment.key] = deployment
        self.changed[deployment.key] = deployment
        deployment.carried = frozenset(carried)
        for change_id in before.symmetric_difference(carried):
            change = cast("ChangeState", self.entity(change_key(change_id)))
            if change_id in carried:
                change.carriers.append(deployment)
            else:
                change.carriers.remove(deployment)
            self._reconsider(change_id)


def _new_entity(key: RecordKey) -> Entity:
    kind, names = kind_of(key), names_of(key)
    if kind == CHANGE:
        return ChangeState(key, names)
    if kind == DEPLOYMENT:
        env, _, name = names.partition("/")
        return DeploymentState(key, env, name)
    if kind == INCIDENT:
        return IncidentState(key, names)
    if kind == ROLLBACK:
        return RollbackClaim(key)
    return LinkedIncidentClaim(key)
