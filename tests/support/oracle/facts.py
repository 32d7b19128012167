"""All facts at one moment, from the set of all events, each time from scratch."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.values import EventValue, Micros
from streams.core.settings import MetricSettings
from tests.support.oracle.changes import ChangeKey, Commits, commits_of, members, reports
from tests.support.oracle.deployments import (
    Deployment,
    DeploymentKey,
    carrier,
    deployments_of,
    finish,
    finish_known,
    own_changes,
    rollbacks_of,
)
from tests.support.oracle.incidents import Attribution, Incident, Link, World, attribution, incidents_of, link_of
from tests.support.oracle.known import Seen, for_ever, known
from tests.support.oracle.verdicts import Finish, Verdict, failures, judge


class Promotion(NamedTuple):
    """The first time a change reached an env, by the deployment it came with."""

    service: str
    env: str
    change_id: str
    promoted_at: Micros
    deployment_id: str
    first_commit: EventValue | None
    known_at: Micros
    """When a commit of it and a promotion of it were both known."""

    @property
    def lead_time(self) -> Micros | None:
        """From first commit to 100 %; nothing without a known commit."""
        return None if self.first_commit is None else self.promoted_at - self.first_commit["occurred_at"]


class Put(NamedTuple):
    """An incident that is put on a deployment, of its own service or of another one."""

    service: str
    incident_id: str
    opened_at: Micros
    severity: str | None


class Facts(NamedTuple):
    """What is true of a set of events at one moment."""

    envs: set[tuple[str, str]]
    deployments: dict[DeploymentKey, Deployment]
    verdicts: dict[DeploymentKey, Verdict]
    incidents: list[tuple[Incident, Attribution]]
    promotions: list[Promotion]
    bare: set[DeploymentKey]
    """The promoted deployments of which no commit is known."""
    rollbacks: dict[DeploymentKey, list[EventValue]]
    put: dict[DeploymentKey, list[Put]]
    changes: dict[DeploymentKey, set[str]]
    """The known changes that each deployment carries: of a promoted one those handed on to it, too."""
    commits: dict[ChangeKey, list[str]]
    reports: dict[ChangeKey, list[EventValue]]


def brought_by(
    deployments: Sequence[Deployment], commits: dict[str, Commits], finished_at: dict[DeploymentKey, Micros | None]
) -> dict[DeploymentKey, set[ChangeKey]]:
    """The changes that arrive with each promoted deployment: its own, and those handed on to it."""
    brought: dict[DeploymentKey, set[ChangeKey]] = {
        one.key: set() for one in deployments if one.promoted_at is not None
    }
    for deployment in deployments:
        with_ = carrier(deployment, deployments, finished_at[deployment.key] is not None)
        if with_ is not None and with_.promoted_at is not None:
            own = own_changes(deployment, commits[deployment.service])
            brought[with_.key] |= {(deployment.service, change_id) for change_id in own}
    return brought


def promotions_of(
    brought: dict[DeploymentKey, set[ChangeKey]],
    deployments: Sequence[Deployment],
    told: dict[ChangeKey, list[EventValue]],
    seen: Seen,
) -> list[Promotion]:
    """Section 7: the earliest promotion of every change to every env."""
    arrived: dict[tuple[str, str, str], list[tuple[Micros, str, Micros]]] = {}
    for one in deployments:
        for service, change_id in brought.get(one.key, ()):
            if one.promoted_at is not None and one.promoted_known is not None:
                by = one.promoted_at, one.deployment_id, one.promoted_known
                arrived.setdefault((service, one.env, change_id), []).append(by)
    found: list[Promotion] = []
    for (service, env, change_id), times in arrived.items():
        promoted_at, deployment_id, _ = min(times)
        commits = told.get((service, change_id), [])
        promoted_known = min(known_at for _, _, known_at in times)
        known_at = max(promoted_known, min(map(seen, commits), default=promoted_known))
        first = commits[0] if commits else None
        found.append(Promotion(service, env, change_id, promoted_at, deployment_id, first, known_at))
    return found


def facts(events: Iterable[EventValue], at: Micros, settings: MetricSettings) -> Facts:
    """What is true at a moment: nothing is remembered, everything is derived."""
    return derived(known(events, at + settings.max_future), at, settings)


def put_on(
    incidents: Iterable[tuple[Incident, Attribution]], links: Iterable[Link], world: World
) -> dict[DeploymentKey, list[Put]]:
    """The incidents that are put on each deployment: of its own service, and those whose causes were followed to it."""
    found: dict[DeploymentKey, list[Put]] = {one.key: [] for one in world.deployments}
    for incident, put in incidents:
        if put.hit is not None:
            one = Put(incident.service, incident.incident_id, incident.opened_at, incident.severity)
            found[put.hit.key].append(one)
    for link in links:
        target = world.caused_by(link)
        if target is not None:
            found[target.key].append(Put(link.origin, link.incident_id, link.opened_at, link.severity))
    return found


def derived(
    ours: Sequence[EventValue],
    at: Micros,
    settings: MetricSettings,
    seen: Seen = for_ever,
    links: Iterable[Link] | None = None,
) -> Facts:
    """The same of the events that count, in event order.

    `links` are the causes in other services that these were told of by now; if none are given, all.
    """
    deployments = deployments_of(ours, seen)
    rollbacks = rollbacks_of(ours, deployments)
    finished_at = {one.key: finish(one, rollbacks[one.key]) for one in deployments}
    world = World(deployments, finished_at, settings.failure_window, settings.canary_timeout)
    incidents = [(incident, attribution(incident, world)) for incident in incidents_of(ours, seen)]
    if links is None:
        links = [link for incident, _ in incidents if (link := link_of(incident)) is not None]
    put = put_on(incidents, links, world)
    verdicts: dict[DeploymentKey, Verdict] = {}
    for one in deployments:
        blamed = [it.opened_at for it in put[one.key] if it.severity in settings.failing_severities]
        went_wrong = failures(one, rollbacks[one.key], blamed)
        ended = Finish(finished_at[one.key], finish_known(one, rollbacks[one.key], seen))
        verdicts[one.key] = judge(one, deployments, ended, went_wrong, at, settings)
    envs = {(one.service, one.env) for one in deployments} | {(one.service, one.env) for one, _ in incidents}
    commits = {service: commits_of(service, ours) for service in {event["service"] for event in ours}}
    named = {key: shas for each in commits.values() for key, shas in members(each).items()}
    told = {key: events for each in commits.values() for key, events in reports(each).items()}
    brought = brought_by(deployments, commits, finished_at)
    changes = {
        one.key: {
            change_id
            for change_id in own_changes(one, commits[one.service])
            | {change_id for _, change_id in brought.get(one.key, ())}
            if (one.service, change_id) in named
        }
        for one in deployments
    }
    return Facts(
        envs,
        {one.key: one for one in deployments},
        verdicts,
        incidents,
        promotions_of(brought, deployments, told, seen),
        {key for key, carried in brought.items() if not carried & told.keys()},
        rollbacks,
        put,
        changes,
        named,
        told,
    )
