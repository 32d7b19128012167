"""The state of one service: its facts, and every number that follows from them (semantics.md, 1 to 9).

Facts merge in any order and any number of times. Each observation is counted once, when the clock says that it is due,
and marked on the record itself; what is learned later makes a revision. Nothing here knows a broker, a table or the
time of day: the clock is an argument.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final, NamedTuple

from schemas.values import EventValue, Micros, VerdictName
from streams.core.change import ChangeState, CommitIndex
from streams.core.claims import Claimant, LinkedIncidentClaim, RollbackClaim
from streams.core.counters import count_lead_times, count_restores, count_stored, count_verdicts
from streams.core.deployment import JUDGED, DeploymentState, Mark, VerdictMark
from streams.core.environment import EnvironmentState, JudgedDeployment
from streams.core.facts import (
    FOR_EVER,
    AnyFact,
    CanaryFact,
    CauseLinkFact,
    CommitFact,
    RollbackFact,
    StageFact,
    fact_of,
    is_rehearsal,
    owner_of,
)
from streams.core.incident import IncidentState, LengthMark
from streams.core.joins import Counted, Entity, Joins, MergeResult
from streams.core.record_key import (
    RecordKey,
    cause_link_key,
    change_key,
    deployment_key,
    incident_key,
    names_of,
)
from streams.core.retention import ClosedRecords, ClosedTotals, closable, count_closed_totals, later, names_in
from streams.core.settings import MetricSettings
from streams.core.timeline import Timeline


class ServiceChanges(NamedTuple):
    """What changed in a service state; each record and snapshot with the offset of the message that last changed it."""

    records: list[tuple[Counted, int]]
    snapshots: list[tuple[EnvironmentState, int]]
    links: list[EventValue]
    unsaved: list[Entity]
    closed_totals: list[ClosedTotals]


class ServiceState:
    """All that is known of one service.

    `apply` merges one event and `advance` moves the clock; both settle what is due and answer the records that changed,
    by their keys: `d/ENV/DEPLOYMENT`, `i/INCIDENT`, `c/CHANGE`. `drain` hands them over with the snapshots.
    """

    def __init__(self, service: str, settings: MetricSettings) -> None:
        self.service = service
        self.settings = settings
        self.clock: Micros = FOR_EVER
        self.offset = -1
        self._joins = Joins(service, settings)
        self.environments: dict[str, EnvironmentState] = {}
        self._records: list[Counted] = []
        self._snapshots: dict[str, tuple[EnvironmentState, int]] = {}
        self.closed: Final = ClosedRecords()
        self._closed_totals: list[ClosedTotals] = []
        self._touched: dict[str, EnvironmentState] = {}
        self._agenda: list[tuple[Micros, int, Counted | EnvironmentState]] = []
        self._tickets = count()

    def apply(
        self, event: EventValue, clock: Micros, offset: int | None = None, key: RecordKey | None = None
    ) -> Mapping[RecordKey, Counted]:
        """Merge one valid event that was read at this clock; answer the records that changed.

        `offset` is its place in the log; without one, events are numbered as they come. `key` is the event's
        `owner_of`, if that is known. A clock before the service state's own does not move it.
        """
        self._move(clock, self.offset + 1 if offset is None else offset)
        self._take(key or owner_of(event), fact_of(event, self.clock, self.offset))
        return self._settle()

    def advance(self, clock: Micros, offset: int | None = None) -> Mapping[RecordKey, Counted]:
        """Move the clock and settle what came due; answer the records that changed."""
        self._move(clock, self.offset if offset is None else offset)
        return self._settle()

    def next_due(self) -> Micros | None:
        """When the clock alone next changes something."""
        agenda = self._agenda
        while agenda and agenda[0][2].due != agenda[0][0]:
            heapq.heappop(agenda)  # it was put off, or called off
        return agenda[0][0] if agenda else None

    def restore(self, facts: Iterable[tuple[RecordKey, AnyFact]], clock: Micros, offset: int) -> None:
        """Merge stored facts as they stood at this clock; nothing is counted and nothing is to be published.

        The marks that were stored with them are set on the records before `restored` is called.
        """
        for key, fact in sorted(facts, key=lambda item: item[1].at):
            self._take(key, fact)
        self._move(clock, offset)

    def restored(self) -> None:
        """Count what the stored marks say was counted, and settle at the restored clock."""
        for entity in self._joins.entities.values():
            if isinstance(entity, DeploymentState):
                count_stored(self.environment(entity.env).counters, entity)
            elif isinstance(entity, ChangeState):
                for env, history in entity.history.items():
                    count_lead_times(self.environment(env).counters, history, 0)
            elif isinstance(entity, IncidentState):
                for env, history in entity.history.items():
                    count_restores(self.environment(env).counters, history, 0)
        self._settle()
        self.drain()

    def drain(self) -> ServiceChanges:
        """What is to be published, sent and stored since it was last taken."""
        joins = self._joins
        records = [(record, record.changed_at) for record in self._records]
        for record in self._records:
            record.changed_at = -1
        unsaved = [entity for entity in joins.unsaved if entity.unsaved]
        for entity in unsaved:
            entity.unsaved = False
        taken = ServiceChanges(records, [*self._snapshots.values()], joins.links, unsaved, self._closed_totals)
        self._records, self._snapshots, joins.links, joins.unsaved, self._closed_totals = [], {}, [], [], []
        return taken

    def close_old_records(self, clock: Micros, offset: int) -> list[RecordKey]:
        """Close what is older than the longest window at this clock; answer the keys of the closed records.

        What changed must have been taken before: closed records cannot be shown any more.
        """
        entities = closable(self._joins, self.settings, clock)
        if not entities:
            return []
        closed_totals = ClosedTotals(entities, offset)
        for env, rehearsed_at in closed_totals.rehearsed.items():
            self.environments[env].rehearsed_before = later(self.environments[env].rehearsed_before, rehearsed_at)
        self.closed.add(closed_totals.names)
        self._closed_totals.append(closed_totals)
        self._joins.forget(entities)
        for entity in entities:
            if isinstance(entity, DeploymentState):
                self.environments[entity.env].judged.drop(entity.name)
            elif isinstance(entity, ChangeState):
                for env in entity.history:
                    self.environments[env].lead.drop(entity.name)
            elif isinstance(entity, IncidentState) and entity.counted is not None:
                environment = self.environments[entity.counted[0]]
                for series in (environment.incidents, environment.restore, environment.recovery):
                    series.drop(entity.name)
            if not isinstance(entity, (RollbackClaim, LinkedIncidentClaim)):
                entity.due = None
        return [entity.key for entity in entities]

    def restore_closed_totals(self, rows: Iterable[Sequence[Any]]) -> None:
        """Count what the stored totals of closed records say, before any fact is restored."""
        for row in rows:
            self.closed.add(names_in(row))
            for stored in row[2]:
                count_closed_totals(self.environment(stored[0]), stored)

    def environment(self, name: str) -> EnvironmentState:
        """The service in this environment; from the start it shows zeros."""
        environment = self.environments.get(name)
        if environment is None:
            environment = self.environments[name] = self._touched[name] = EnvironmentState(
                name, self.settings, self.clock
            )
        return environment

    def _touch(self, environment: EnvironmentState) -> None:
        """Its snapshot is to be published again."""
        self._touched[environment.name] = environment

    # --- reading ------------------------------------------------------------------------------------------------

    @property
    def commits(self) -> CommitIndex:
        """Which change each commit belongs to."""
        return self._joins.commits

    def record(self, key: RecordKey) -> Entity | None:
        """Return the record with this key."""
        return self._joins.entities.get(key)

    def records(self) -> Iterable[Entity]:
        """Iterate over all records, in the order in which they were first named."""
        return self._joins.entities.values()

    def changes(self) -> list[ChangeState]:
        """Return all changes, in the order of `records`."""
        return [one for one in self.records() if isinstance(one, ChangeState)]

    def deployments(self) -> list[DeploymentState]:
        """Return all deployments, in the order of `records`."""
        return [one for one in self.records() if isinstance(one, DeploymentState)]

    def incidents(self) -> list[IncidentState]:
        """Return all incidents of the service itself, in the order of `records`."""
        return [one for one in self.records() if isinstance(one, IncidentState)]

    def claimants(self) -> list[Claimant]:
        """Return whatever may point at a deployment: rollbacks, incidents, incidents of other services."""
        return [one for one in self.records() if isinstance(one, Claimant)]

    def change(self, change_id: str) -> ChangeState | None:
        """Return a change by its id, or a lone commit by its SHA."""
        found = self._joins.entities.get(change_key(change_id))
        return found if isinstance(found, ChangeState) else None

    def deployment(self, env: str, name: str) -> DeploymentState | None:
        """Return a deployment by its environment and name."""
        found = self._joins.entities.get(deployment_key(env, name))
        return found if isinstance(found, DeploymentState) else None

    def incident(self, incident_id: str) -> IncidentState | None:
        """Return an incident of the service itself."""
        found = self._joins.entities.get(incident_key(incident_id))
        return found if isinstance(found, IncidentState) else None

    def linked_incident(self, origin: str, incident_id: str) -> LinkedIncidentClaim | None:
        """Return an incident of another service whose cause is looked for here."""
        found = self._joins.entities.get(cause_link_key(origin, incident_id))
        return found if isinstance(found, LinkedIncidentClaim) else None

    def timeline(self, env: str) -> Timeline:
        """Return the deployments of an environment in the order they began."""
        return self._joins.timeline(env)

    def superseded(self, deployment: DeploymentState) -> bool:
        """Tell whether a newer deployment of its environment began."""
        return self._joins.superseded(deployment)

    def take_links(self) -> list[EventValue]:
        """Hand over the events for other services that came up since the last time; `drain` has them, too."""
        links, self._joins.links = self._joins.links, []
        return links

    # --- merging ------------------------------------------------------------------------------------------------

    def _move(self, clock: Micros, offset: int) -> None:
        if clock > self.clock:
            self.clock = clock
        if offset > self.offset:
            self.offset = offset

    def _take(self, key: RecordKey, fact: AnyFact) -> None:
        taken = self._joins.take(key, fact)
        if taken is MergeResult.NEW:
            self._note(key, fact)
            if isinstance(fact.body, RollbackFact):
                self._note_rehearsals((fact,))
            return
        if taken is not MergeResult.REPEATED:
            service = self.environment("")
            service.counters.conflicts += 1
            self._touch(service)
            self._note(key, fact)
        if taken is MergeResult.REPLACING:
            for environment in self.environments.values():
                environment.rehearsed_at = environment.rehearsed_before
                self._touch(environment)
            self._note_rehearsals(one for entity in self._joins.entities.values() for one in entity.facts)

    def _note_rehearsals(self, facts: Iterable[AnyFact]) -> None:
        """Keep when a rollback was last rehearsed."""
        for fact in facts:
            if isinstance(fact.body, RollbackFact) and is_rehearsal(fact):
                environment = self.environment(fact.body.env)
                environment.rehearsed_at = max(fact.at, environment.rehearsed_at or fact.at)

    def _note(self, key: RecordKey, fact: AnyFact) -> None:
        """Keep when the last event happened, and that its environment was heard of."""
        body = fact.body
        if isinstance(body, (StageFact, CommitFact)):
            environment = self.environment("")
        elif isinstance(body, CanaryFact):
            environment = self.environment(names_of(key).partition("/")[0])
        elif isinstance(body, CauseLinkFact):
            return
        else:
            environment = self.environment(body.env or "")
        # No window moves by it: the snapshot need not be looked at, only published.
        environment.at = self.clock
        self._snapshots[environment.name] = (environment, self.offset)
        last = environment.last_event_at
        if (last is None or last < fact.at) and fact.counts:
            environment.last_event_at = fact.at

    def _settle(self) -> Mapping[RecordKey, Counted]:
        """Agree on what follows from the facts, then count what is due. Answers the records that changed."""
        joins, agenda = self._joins, self._agenda
        while agenda and agenda[0][0] <= self.clock:
            due, _, entry = heapq.heappop(agenda)
            if entry.due != due:
                continue
            entry.due = None
            if isinstance(entry, EnvironmentState):
                entry.at = self.clock
                self._schedule(entry, entry.next_change())
                self._touched[entry.name] = entry
            else:
                joins.due[entry.key] = entry
        if joins.unsettled:
            joins.agree()
        if joins.due:
            self._count(joins.due)
            joins.due = {}
        if self._touched:
            for environment in self._touched.values():
                environment.at = self.clock
                if environment.moved:
                    self._schedule(environment, environment.next_change())
                self._snapshots[environment.name] = (environment, self.offset)
            self._touched = {}
        changed, offset = joins.changed, self.offset
        if changed:
            joins.changed = {}
            for record in changed.values():
                if record.changed_at < 0:
                    self._records.append(record)
                record.changed_at = offset
        return changed

    def _count(self, due: Mapping[RecordKey, Counted]) -> None:
        for entity in due.values():
            if isinstance(entity, ChangeState):
                self._observe_change(entity)
            elif isinstance(entity, DeploymentState):
                self._judge(entity)
            else:
                self._observe_incident(entity)

    def _schedule(self, entry: Counted | EnvironmentState, due: Micros | None) -> None:
        if due is not None and entry.due != due:
            heapq.heappush(self._agenda, (due, next(self._tickets), entry))
        entry.due = due

    # --- counting -----------------------------------------------------------------------------------------------

    def _mark(self, value: str) -> Mark:
        return Mark(value, self.clock, self.offset)

    def _save(self, entity: Counted, environment: EnvironmentState) -> None:
        """It was counted: store its marks, publish it and the counters."""
        self._joins.save(entity)
        self._joins.changed[entity.key] = entity
        self._touch(environment)

    def _judge(self, deployment: DeploymentState) -> None:
        """Settle what is due of a deployment: its verdict, its failure, and whether its commits are known."""
        shown = (deployment.verdict, deployment.failing, deployment.failure, deployment.late)
        deployment.read_failure(self.settings)
        due = deployment.judge(self.clock, self.settings, newer=self._joins.superseded(deployment))
        environment = self.environment(deployment.env)
        counters, verdict, history = environment.counters, deployment.verdict, deployment.history
        if (verdict in JUDGED) if not history else (history[-1].value != verdict):
            deployment.history = (*history, VerdictMark(verdict, self.clock, self.offset))
            count_verdicts(counters, deployment.history, len(history))
            self._save(deployment, environment)
        if verdict == "pending" or verdict in JUDGED:
            self._count_failure(environment, deployment)
        if deployment.promoted_at is not None and deployment.commits_mark is None:
            known = max(deployment.promoted_at, deployment.promoted_seen) + self.settings.lateness
            if self.clock < known:
                due = known if due is None else min(due, known)
            else:
                deployment.commits_mark = self._mark("known" if deployment.carried else "unknown")
                counters.without_commits += not deployment.carried
                self._save(deployment, environment)
        if shown != (verdict, deployment.failing, deployment.failure, deployment.late):
            self._joins.changed[deployment.key] = deployment
            self._touch(environment)
        self._place(environment, deployment, verdict)
        self._schedule(deployment, due)

    def _count_failure(self, environment: EnvironmentState, deployment: DeploymentState) -> None:
        """A failure counts at once, judged or not; so does one that came too late to be a verdict."""
        if deployment.failed_mark is None and deployment.failure is not None:
            deployment.failed_mark = self._mark(deployment.failure.reason)
            environment.counters.failures[deployment.failure.reason] += 1
            self._save(deployment, environment)
        if deployment.late_mark is None and deployment.late:
            deployment.late_mark = self._mark("late")
            environment.counters.late_failures += 1
            self._save(deployment, environment)

    def _place(self, environment: EnvironmentState, deployment: DeploymentState, verdict: VerdictName) -> None:
        """Keep the present counts and the window in step with the verdict."""
        states = (verdict, "failing") if deployment.failing else (verdict,)
        if states != deployment.counted:
            environment.recount(deployment.counted, states)
            deployment.counted = states
            self._touch(environment)
        if verdict in JUDGED and deployment.finished_at is not None:
            reason = deployment.failure.reason if deployment.failure is not None and verdict == "failed" else None
            entry = JudgedDeployment(reason, deployment.lane == "hotfix")
            moved = environment.judged.put(deployment.name, deployment.finished_at, entry)
        else:
            moved = environment.judged.drop(deployment.name)
        if moved:
            self._touch(environment)

    def _observe_change(self, change: ChangeState) -> None:
        """Settle the lead times of a change: one observation for each environment that it reached."""
        if not change.carriers and not change.history:
            return
        first = self._joins.commits.first_of(change.name)
        promotions = change.promotions() if first is not None else {}
        next_due: Micros | None = None
        for env in {**promotions, **change.history}:
            promotion, length = promotions.get(env), None
            if promotion is not None and first is not None:
                known_at = max(promotion.seen_at, self._joins.commits.seen_at(change.name))
                due = max(promotion.at, known_at) + self.settings.lateness
                if self.clock >= due:
                    length = promotion.at - first.at
                else:
                    next_due = due if next_due is None else min(due, next_due)
            environment = self.environment(env)
            self._observe_lead_time(
                environment, change, length, first.body.sha if first and length is not None else None
            )
            if length is not None and length >= 0 and promotion is not None:
                moved = environment.lead.put(change.name, promotion.at, length)
            else:
                moved = environment.lead.drop(change.name)
            if moved:
                self._touch(environment)
        self._schedule(change, next_due)

    def _observe_lead_time(
        self, environment: EnvironmentState, change: ChangeState, length: Micros | None, commit_sha: str | None
    ) -> None:
        history = change.history.get(environment.name, ())
        if (length is None) if not history else (length == history[-1].value):
            return
        marks = (*history, LengthMark(length, self.clock, self.offset, commit_sha))
        change.history[environment.name] = marks
        count_lead_times(environment.counters, marks, len(history))
        self._save(change, environment)

    def _observe_incident(self, incident: IncidentState) -> None:
        """Settle an incident: whether it is open and unattributed, and its time to restore."""
        self._joins.changed[incident.key] = incident
        env = incident.env if incident.opened else None
        if incident.counted is not None:
            before, states = incident.counted
            environment = self.environment(before)
            environment.recount(states, ())
            self._touch(environment)
            if before != env:
                for series in (environment.incidents, environment.restore, environment.recovery):
                    series.drop(incident.name)
            incident.counted = None
        due = incident.due_at(self.settings)
        restored = due is not None and self.clock >= due
        for name in {*incident.history} if env is None else {env, *incident.history}:
            length = incident.time_to_restore if name == env and restored else None
            self._observe_restore(self.environment(name), incident, length)
        if env is not None:
            self._count_incident(self.environment(env), incident, restored=restored)
        self._schedule(incident, None if restored else due)

    def _observe_restore(self, environment: EnvironmentState, incident: IncidentState, length: Micros | None) -> None:
        history = incident.history.get(environment.name, ())
        if (length is None) if not history else (length == history[-1].value):
            return
        marks = (*history, LengthMark(length, self.clock, self.offset))
        incident.history[environment.name] = marks
        count_restores(environment.counters, marks, len(history))
        self._save(incident, environment)

    def _count_incident(self, environment: EnvironmentState, incident: IncidentState, *, restored: bool) -> None:
        """Keep the present counts and the windows in step with the incident."""
        states = ("open",) * incident.open + ("unattributed",) * incident.unattributed
        environment.recount((), states)
        incident.counted = (environment.name, states)
        environment.incidents.put(incident.name, incident.at, incident.unattributed)
        length, ended_at = incident.time_to_restore, incident.ended_at
        for series, counts in ((environment.restore, True), (environment.recovery, incident.blamed)):
            if restored and counts and length is not None and ended_at is not None:
                series.put(incident.name, ended_at, length)
            else:
                series.drop(incident.name)
        self._touch(environment)
