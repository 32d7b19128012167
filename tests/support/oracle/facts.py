"""All facts at one moment, from the set of all events, each time from scratch."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.values import EventValue, Micros
from streams.core.settings import MetricSettings
from tests.support.oracle.changes import ChangeKey, Commits, commits_of, first_commits
from tests.support.oracle.deployments import (
    Deployment,
    DeploymentKey,
    carrier,
    deployments_of,
    finish,
    own_changes,
    rollbacks_of,
)
from tests.support.oracle.incidents import Attribution, Incident, World, attribution, incidents_of
from tests.support.oracle.known import known
from tests.support.oracle.verdicts import Verdict, failures, judge


class Promotion(NamedTuple):
    """The first time a change reached an env, by the deployment it came with."""

    service: str
    env: str
    change_id: str
    promoted_at: Micros
    first_commit_at: Micros | None

    @property
    def lead_time(self) -> Micros | None:
        """From first commit to 100 %; nothing without a known commit."""
        return None if self.first_commit_at is None else self.promoted_at - self.first_commit_at


class Facts(NamedTuple):
    """What is true of a set of events at one moment."""

    envs: set[tuple[str, str]]
    deployments: dict[DeploymentKey, Deployment]
    verdicts: dict[DeploymentKey, Verdict]
    incidents: list[tuple[Incident, Attribution]]
    promotions: list[Promotion]
    bare: set[DeploymentKey]
    """The promoted deployments of which no commit is known."""


def failing(incident: Incident, settings: MetricSettings) -> bool:
    """Whether an incident is bad enough to fail a deployment."""
    return incident.severity in settings.failing_severities


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
    promoted_at: dict[DeploymentKey, Micros],
    began: dict[ChangeKey, Micros],
) -> list[Promotion]:
    """Section 7: the earliest promotion of every change to every env."""
    arrived: dict[tuple[str, str, str], list[Micros]] = {}
    for key, changes in brought.items():
        for service, change_id in changes:
            arrived.setdefault((service, key[1], change_id), []).append(promoted_at[key])
    return [
        Promotion(service, env, change_id, min(times), began.get((service, change_id)))
        for (service, env, change_id), times in arrived.items()
    ]


def facts(events: Iterable[EventValue], at: Micros, settings: MetricSettings) -> Facts:
    """What is true at a moment: nothing is remembered, everything is derived."""
    return derived(known(events, at + settings.max_future), at, settings)


def derived(ours: Sequence[EventValue], at: Micros, settings: MetricSettings) -> Facts:
    """The same of the events that count, in event order."""
    deployments = deployments_of(ours)
    rollbacks = rollbacks_of(ours, deployments)
    finished_at = {one.key: finish(one, rollbacks[one.key]) for one in deployments}
    world = World(deployments, finished_at, settings.failure_window, settings.canary_timeout)
    incidents = [(incident, attribution(incident, world)) for incident in incidents_of(ours)]
    verdicts: dict[DeploymentKey, Verdict] = {}
    for one in deployments:
        blamed = [incident for incident, put in incidents if put.hit == one and failing(incident, settings)]
        went_wrong = failures(one, rollbacks[one.key], blamed)
        verdicts[one.key] = judge(one, deployments, finished_at[one.key], went_wrong, at, settings)
    envs = {(one.service, one.env) for one in deployments} | {(one.service, one.env) for one, _ in incidents}
    commits = {service: commits_of(service, ours) for service in {one.service for one in deployments}}
    began = {key: begun_at for each in commits.values() for key, begun_at in first_commits(each).items()}
    brought = brought_by(deployments, commits, finished_at)
    promoted_at = {one.key: one.promoted_at for one in deployments if one.promoted_at is not None}
    promotions = promotions_of(brought, promoted_at, began)
    bare = {key for key, changes in brought.items() if not changes & began.keys()}
    return Facts(envs, {one.key: one for one in deployments}, verdicts, incidents, promotions, bare)
