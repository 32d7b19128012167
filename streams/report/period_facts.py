"""The facts of a period: what the workers' core makes of the events known at its end. Pure.

Each look is what `candora compute --at MOMENT` sees: the events that had happened by then, all known for ever.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from schemas.values import EventValue, Micros, RuleName
from streams.core.change import ChangeState
from streams.core.claims import Claimant, LinkedIncidentClaim, RollbackClaim
from streams.core.deployment import DeploymentState
from streams.core.environment import EnvironmentState
from streams.core.facts import StageFact
from streams.core.incident import NOBODYS, IncidentState
from streams.core.outputs import attribution_of
from streams.core.service_state import ServiceState
from streams.core.settings import MetricSettings
from streams.replay.known_states import KnownStates, ServiceStates
from streams.replay.loop import replay, sent_events

_Kind = TypeVar("_Kind", DeploymentState, ChangeState, IncidentState)


class ServiceEnv(NamedTuple):
    """A service in an environment."""

    service: str
    env: str


@dataclass(frozen=True)
class Cohort:
    """What enters the numbers of one place over one window. Lengths are in microseconds, ascending."""

    judged: int = 0
    failed: int = 0
    hotfix: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    lead: tuple[Micros, ...] = ()
    restore: tuple[Micros, ...] = ()
    recovery: tuple[Micros, ...] = ()
    incidents: int = 0
    unattributed: int = 0


def pooled(cohorts: Iterable[Cohort]) -> Cohort:
    """Pool several places into one: every deployment, change and incident counts the same."""
    held = list(cohorts)
    reasons: Counter[str] = Counter()
    for one in held:
        reasons.update(dict(one.reasons))
    return Cohort(
        judged=sum(one.judged for one in held),
        failed=sum(one.failed for one in held),
        hotfix=sum(one.hotfix for one in held),
        reasons=tuple(sorted(reasons.items())),
        lead=tuple(sorted(length for one in held for length in one.lead)),
        restore=tuple(sorted(length for one in held for length in one.restore)),
        recovery=tuple(sorted(length for one in held for length in one.recovery)),
        incidents=sum(one.incidents for one in held),
        unattributed=sum(one.unattributed for one in held),
    )


class PresentState(NamedTuple):
    """What is true of a place at the end."""

    pending: int
    failing: int
    open: int


class FailedDeployment(NamedTuple):
    """A deployment of the cohort that failed, and how that is known."""

    place: ServiceEnv
    deployment_id: str
    sha: str | None
    finished_at: Micros
    failed_at: Micros
    reason: str
    detail: str
    """The reason that a rollback gave, or the incident; may be empty."""


class IncidentSummary(NamedTuple):
    """An incident; `length` is None while it is open."""

    place: ServiceEnv
    incident_id: str
    severity: str | None
    title: str | None
    opened_at: Micros
    ended_at: Micros | None
    length: Micros | None
    rule: RuleName
    """`none`: it is put on no deployment, and nobody said that none did it."""
    blamed: str | None
    """The deployment that it is put on, with its service if that is another one; or `infra`, `external`."""
    regression_test: str | None
    """What was written against its return."""
    escaped_gates: tuple[str, ...]
    """What let it by."""

    @property
    def unattributed(self) -> bool:
        """Nobody knows what caused it."""
        return self.rule == "none"


GATES: Final = ("artifact_built", "tests_passed", "security_scanned", "policy_passed")
"""The stages that a commit passes before it is rolled out."""


class GateCoverage(NamedTuple):
    """Of how many deployments each gate was reported for their commit before they began."""

    deployments: int
    seen: tuple[int, ...]
    """In the order of `GATES`."""
    every: int
    """Deployments with all of them."""


class Oddities(NamedTuple):
    """What happened in the period and is in no number."""

    without_commits: int
    clock_skew: int
    conflicts: int
    superseded: int
    abandoned: int
    late_failures: int


class PeriodFacts(NamedTuple):
    """The service states at one moment, and when the earliest event of the log happened, which may be later."""

    at: Micros
    services: ServiceStates
    first_event_at: Micros | None


def facts_at(
    events: Iterable[EventValue], moments: Sequence[Micros], settings: MetricSettings
) -> Iterator[PeriodFacts]:
    """Yield the same service states at each of the rising `moments`; `events` are in the order of `event_time`.

    Moments lie further apart than the lateness, so no number waits for when something was learned.
    """
    head, sent = sent_events(events)
    yield from replay(sent, moments, _PeriodStates(settings, head), ahead=settings.max_future)


class _PeriodStates:
    """Service states, and when the earliest event happened."""

    def __init__(self, settings: MetricSettings, head: EventValue | None) -> None:
        self._states = KnownStates(settings)
        self._head = head
        self._first: Micros | None = None

    def read(self, event: EventValue) -> None:
        """Read one event."""
        at = event["occurred_at"]
        self._first = at if self._first is None else min(self._first, at)
        self._states.read(event)

    def move_to(self, at: Micros) -> PeriodFacts:
        """Move the clock on, and return the facts of that moment."""
        first = self._first
        if first is None and self._head is not None:
            first = self._head["occurred_at"]
        return PeriodFacts(at, self._states.move_to(at), first)


def cohorts(
    services: ServiceStates, window: Micros, settings: MetricSettings, wanted: Callable[[ServiceEnv], bool]
) -> dict[ServiceEnv, Cohort]:
    """Of each place that is wanted, what its window of this length holds now."""
    index = settings.windows.index(window)
    return {place: _cohort(state, environment, index) for place, state, environment in _places(services, wanted)}


def _places(
    services: ServiceStates, wanted: Callable[[ServiceEnv], bool]
) -> Iterator[tuple[ServiceEnv, ServiceState, EnvironmentState]]:
    for service, state in sorted(services.items()):
        for env, environment in sorted(state.environments.items()):
            place = ServiceEnv(service, env)
            if env and wanted(place):
                yield place, state, environment


def _cohort(state: ServiceState, environment: EnvironmentState, index: int) -> Cohort:
    value = environment.to_value(state.service, {"partition": 0, "offset": state.offset})["windows"][index]
    return Cohort(
        judged=value["judged"],
        failed=value["failed"],
        hotfix=value["hotfix"],
        reasons=tuple(value["reasons"].items()),
        lead=tuple(environment.lead.contents()[index].ordered),
        restore=tuple(environment.restore.contents()[index].ordered),
        recovery=tuple(environment.recovery.contents()[index].ordered),
        incidents=value["incidents"],
        unattributed=value["unattributed"],
    )


def present(services: ServiceStates, wanted: Callable[[ServiceEnv], bool]) -> dict[ServiceEnv, PresentState]:
    """Return what is true of each place now."""
    return {
        place: PresentState(environment.tally["pending"], environment.tally["failing"], environment.tally["open"])
        for place, _, environment in _places(services, wanted)
    }


def deployed(services: ServiceStates) -> dict[ServiceEnv, Micros]:
    """Return when each place was last deployed to, of what is not closed."""
    found: dict[ServiceEnv, Micros] = {}
    for state, one in _all(services, DeploymentState):
        if one.begun_at is not None and one.verdict != "excluded":
            place = ServiceEnv(state.service, one.env)
            found[place] = max(one.begun_at, found.get(place, one.begun_at))
    return found


def last_event_at(state: ServiceState) -> Micros | None:
    """Return when the latest event of the service happened, in whatever environment."""
    return max(
        (one.last_event_at for one in state.environments.values() if one.last_event_at is not None),
        default=None,
    )


def failures(
    services: ServiceStates, begin: Micros, end: Micros, wanted: Callable[[ServiceEnv], bool]
) -> list[FailedDeployment]:
    """Return the deployments judged as failed that finished after `begin` and not after `end`, the latest first."""
    found = []
    for state, one in _all(services, DeploymentState):
        place, failure, finished_at = ServiceEnv(state.service, one.env), one.failure, one.finished_at
        if one.verdict != "failed" or failure is None or finished_at is None:
            continue
        if begin < finished_at <= end and wanted(place):
            detail = _detail(one, failure.at, failure.reason)
            found.append(FailedDeployment(place, one.name, one.sha, finished_at, failure.at, failure.reason, detail))
    return sorted(found, key=lambda failed: (-failed.finished_at, failed.place, failed.deployment_id))


def _detail(deployment: DeploymentState, at: Micros, reason: str) -> str:
    if reason == "incident":
        return min((_said(one) for one in deployment.incidents if one.at == at), default="")
    rollbacks = (one for one in deployment.rollbacks if isinstance(one, RollbackClaim) and one.at == at)
    bodies = (fact.body for one in rollbacks for fact in one.facts)
    return min((f"{body.trigger}: {body.reason}" if body.reason else body.trigger for body in bodies), default="")


def _said(claimant: Claimant) -> str:
    if isinstance(claimant, IncidentState):
        title = f": {claimant.title}" if claimant.title else ""
        return f"{claimant.severity or 'no severity'} {claimant.name}{title}"
    if isinstance(claimant, LinkedIncidentClaim):
        body = claimant.facts[0].body
        return f"{claimant.severity or 'no severity'} {body.incident_id} of {body.origin}"
    return ""


def incidents(services: ServiceStates, wanted: Callable[[ServiceEnv], bool]) -> list[IncidentSummary]:
    """Return every incident that was opened in a place that is wanted, the latest first."""
    found = []
    for state, one in _all(services, IncidentState):
        place = ServiceEnv(state.service, one.env or "")
        if one.opened and place.env and wanted(place):
            said, reports = attribution_of(one), sorted(one.facts, key=lambda fact: (fact.at, fact.mark))
            blamed = said["deployment_id"]
            if said["service"] is not None:
                blamed = f"{blamed or 'what was in force'} of {said['service']}"
            elif said["cause_kind"] in NOBODYS:
                blamed = said["cause_kind"]
            found.append(
                IncidentSummary(
                    place=place,
                    incident_id=one.name,
                    severity=one.severity,
                    title=one.title,
                    opened_at=one.at,
                    ended_at=one.ended_at,
                    length=one.time_to_restore,
                    rule=said["rule"],
                    blamed=blamed,
                    regression_test=next(
                        (fact.body.regression_test for fact in reports if fact.body.regression_test), None
                    ),
                    escaped_gates=tuple(sorted({gate for fact in reports for gate in fact.body.escaped})),
                )
            )
    return sorted(found, key=lambda trouble: (-trouble.opened_at, trouble.place, trouble.incident_id))


def gate_coverage(
    services: ServiceStates, begin: Micros, end: Micros, wanted: Callable[[ServiceEnv], bool]
) -> dict[ServiceEnv, GateCoverage]:
    """Of the judged deployments of each place that finished after `begin` and not after `end`."""
    found: dict[ServiceEnv, GateCoverage] = {}
    passed = {name: _passed(state) for name, state in services.items()}
    for state, one in _all(services, DeploymentState):
        place = ServiceEnv(state.service, one.env)
        if one.verdict not in ("failed", "succeeded") or not begin < (one.finished_at or 0) <= end or not wanted(place):
            continue
        times = (passed[state.service].get((one.sha, gate)) for gate in GATES)
        seen = [at is not None and at <= (one.begun_at or 0) for at in times]
        before = found.get(place, GateCoverage(0, (0,) * len(GATES), 0))
        counts = tuple(count + had for count, had in zip(before.seen, seen, strict=True))
        found[place] = GateCoverage(before.deployments + 1, counts, before.every + all(seen))
    return found


def _passed(state: ServiceState) -> dict[tuple[str | None, str], Micros]:
    """Return when each commit first passed each stage, wherever its commit was reported."""
    earliest: dict[tuple[str | None, str], Micros] = {}
    for change in state.changes():
        for fact in change.facts:
            if isinstance(fact.body, StageFact) and fact.counts:
                stage = (fact.body.sha, fact.body.stage)
                earliest[stage] = min(fact.at, earliest.get(stage, fact.at))
    return earliest


def oddities(
    services: ServiceStates,
    begin: Micros,
    end: Micros,
    wanted: Callable[[ServiceEnv], bool],
    settings: MetricSettings,
) -> Oddities:
    """Return what happened after `begin` and not after `end` and is in no number."""
    counted: Counter[str] = Counter()
    for state, one in _all(services, DeploymentState):
        if wanted(ServiceEnv(state.service, one.env)):
            counted.update(_odd(one, begin, end, settings))
    for state, change in _all(services, ChangeState):
        for env, promotion in change.promotions().items():
            marks = change.history.get(env, ())
            skewed = any((mark.value or 0) < 0 for mark in marks[-1:])
            counted["clock_skew"] += skewed and begin < promotion.at <= end and wanted(ServiceEnv(state.service, env))
    for state in services.values():
        if any(wanted(ServiceEnv(state.service, env)) for env in state.environments):
            overruled = (fact for entity in state.records() for fact in entity.overruled)
            counted["conflicts"] += sum(begin < fact.at <= end for fact in overruled)
    return Oddities(*(counted[name] for name in Oddities._fields))


def _odd(one: DeploymentState, begin: Micros, end: Micros, settings: MetricSettings) -> Iterator[str]:
    if one.promoted_at is not None and begin < one.promoted_at <= end and not one.carried:
        yield "without_commits"
    if one.verdict in ("superseded", "abandoned") and begin < (one.begun_at or 0) <= end:
        yield one.verdict
    last = (one.finished_at or 0) + settings.failure_window
    if one.late and any(max(begin, last) < claim.at <= end for claim in (*one.rollbacks, *one.incidents)):
        yield "late_failures"


def _all(services: ServiceStates, kind: type[_Kind]) -> Iterator[tuple[ServiceState, _Kind]]:
    for _, state in sorted(services.items()):
        for entity in sorted(state.records(), key=lambda one: one.key):
            if isinstance(entity, kind):
                yield state, entity
