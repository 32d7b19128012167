"""Section 4: deployments, what begins and finishes them, and what they carry."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.values import EventValue, LaneName, Micros
from tests.support.oracle.changes import Commits, change_of
from tests.support.oracle.known import FOR_EVER, Seen, earliest

DeploymentKey = tuple[str, str, str]
"""Service, env and deployment id."""

BEGINNINGS = {"canary_started", "canary_promoted"}


class Deployment(NamedTuple):
    """What was reported of one deployment."""

    service: str
    env: str
    deployment_id: str
    commit_sha: str | None
    included_shas: tuple[str, ...] | None
    artifact_digest: str | None
    url: str | None
    lane: LaneName
    started_at: Micros | None
    promoted_at: Micros | None
    begun_at: Micros
    begun_known: Micros
    """When the first report of its start or promotion was known."""
    promoted_known: Micros | None

    @property
    def key(self) -> DeploymentKey:
        """Service, env and id."""
        return self.service, self.env, self.deployment_id

    @property
    def age(self) -> tuple[Micros, str]:
        """The order in which deployments of one service and env began."""
        return self.begun_at, self.deployment_id


def key_of(event: EventValue) -> DeploymentKey | None:
    """The deployment that a start or a promotion is of; without an id it is the SHA."""
    deployment_id = event["deployment_id"] or event["commit_sha"]
    if event["event_type"] not in BEGINNINGS or event["env"] is None or deployment_id is None:
        return None
    return event["service"], event["env"], deployment_id


def included(event: EventValue) -> tuple[str, ...] | None:
    """The list of commits that a deployment says it brings."""
    canary = event["canary"]
    if canary is None or canary["included_shas"] is None:
        return None
    return tuple(canary["included_shas"])


def url_of(event: EventValue) -> str | None:
    """Where a person can look at it."""
    return None if event["source"] is None else event["source"]["url"]


def first_time(events: Sequence[EventValue], event_type: str) -> Micros | None:
    """When the earliest event of a type was."""
    return min((event["occurred_at"] for event in events if event["event_type"] == event_type), default=None)


def joined(key: DeploymentKey, events: Sequence[EventValue], seen: Seen) -> Deployment:
    """One deployment from its starts and promotions, given in event order."""
    started_at = first_time(events, "canary_started")
    promoted_at = first_time(events, "canary_promoted")
    begun_at = started_at if started_at is not None else promoted_at
    assert begun_at is not None
    return Deployment(
        *key,
        commit_sha=earliest(events, lambda event: event["commit_sha"]),
        included_shas=earliest(events, included),
        artifact_digest=earliest(events, lambda event: event["artifact_digest"]),
        url=earliest(events, url_of),
        lane=events[0]["lane"],
        started_at=started_at,
        promoted_at=promoted_at,
        begun_at=begun_at,
        begun_known=min(map(seen, events)),
        promoted_known=min((seen(one) for one in events if one["event_type"] == "canary_promoted"), default=None),
    )


def deployments_of(events: Sequence[EventValue], seen: Seen) -> list[Deployment]:
    """Every deployment known, in the order in which they began."""
    grouped: dict[DeploymentKey, list[EventValue]] = {}
    for event in events:
        key = key_of(event)
        if key is not None:
            grouped.setdefault(key, []).append(event)
    return sorted((joined(key, group, seen) for key, group in grouped.items()), key=lambda one: one.age)


def named(deployments: Iterable[Deployment], key: DeploymentKey) -> Deployment | None:
    """The deployment of exactly this key."""
    return next((one for one in deployments if one.key == key), None)


def latest_begun(
    deployments: Iterable[Deployment], service: str, env: str, at: Micros, sha: str | None = None
) -> Deployment | None:
    """The latest deployment of a service and env (and SHA, if given) that had begun at a moment."""
    begun = [
        one
        for one in deployments
        if (one.service, one.env) == (service, env) and one.begun_at <= at and sha in {None, one.commit_sha}
    ]
    return max(begun, key=lambda one: one.age, default=None)


def newer(deployments: Iterable[Deployment], than: Deployment) -> list[Deployment]:
    """The deployments of the same service and env that began later, in that order."""
    return [one for one in deployments if (one.service, one.env) == (than.service, than.env) and one.age > than.age]


def rolled_back(deployments: Sequence[Deployment], rollback: EventValue) -> Deployment | None:
    """The deployment that a rollback is for; a name that is unknown hits no other."""
    service, env, at = rollback["service"], rollback["env"], rollback["occurred_at"]
    if env is None:
        return None
    if rollback["deployment_id"] is not None:
        return named(deployments, (service, env, rollback["deployment_id"]))
    return latest_begun(deployments, service, env, at, rollback["commit_sha"])


def rollbacks_of(
    events: Sequence[EventValue], deployments: Sequence[Deployment]
) -> dict[DeploymentKey, list[EventValue]]:
    """The rollbacks of each deployment."""
    found: dict[DeploymentKey, list[EventValue]] = {one.key: [] for one in deployments}
    for event in events:
        target = rolled_back(deployments, event) if event["event_type"] == "rollback_triggered" else None
        if target is not None:
            found[target.key].append(event)
    return found


def finish(deployment: Deployment, rollbacks: Sequence[EventValue]) -> Micros | None:
    """When a deployment finished: at 100 % or at a rollback for it, whichever came first."""
    ends = [event["occurred_at"] for event in rollbacks]
    return min([*ends, *([] if deployment.promoted_at is None else [deployment.promoted_at])], default=None)


def finish_known(deployment: Deployment, rollbacks: Sequence[EventValue], seen: Seen) -> Micros:
    """When it was known that it began and that it finished, from the first report of each."""
    ends = [seen(event) for event in rollbacks]
    finished = min(
        [*ends, *([] if deployment.promoted_known is None else [deployment.promoted_known])], default=FOR_EVER
    )
    return max(deployment.begun_known, finished)


def own_changes(deployment: Deployment, commits: Commits) -> set[str]:
    """The changes of a deployment's SHA and of the SHAs that it includes."""
    shas = set(deployment.included_shas or ())
    if deployment.commit_sha is not None:
        shas.add(deployment.commit_sha)
    return {change_of(commits, sha) for sha in shas}


def carrier(deployment: Deployment, deployments: Sequence[Deployment], finished: bool) -> Deployment | None:
    """The deployment with which the changes of another one arrive.

    That is itself, or, for one that never finished, the next one that was promoted.
    """
    if finished:
        return deployment
    return next((one for one in newer(deployments, deployment) if one.promoted_at is not None), None)
