"""Sections 5 and 6: which deployments failed, why, and whether that is settled."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from schemas.values import Micros, ReasonName, VerdictName
from tests.support.oracle.deployments import Deployment, newer
from tests.support.oracle.incidents import Incident


class Rules(Protocol):
    """The settings that decide."""

    @property
    def failure_window(self) -> Micros: ...
    @property
    def lateness(self) -> Micros: ...
    @property
    def canary_timeout(self) -> Micros: ...


class Failure(NamedTuple):
    """Something that went wrong with a deployment; they sort by event time, then by name."""

    at: Micros
    reason: ReasonName


class Verdict(NamedTuple):
    """What is said of a deployment at one moment, and what went wrong first and in time."""

    name: VerdictName
    finished_at: Micros | None
    failure: Failure | None
    late_failure: bool


def rollback_reason(deployment: Deployment, at: Micros) -> ReasonName:
    """Before 100 % it is the canary that was rolled back."""
    promoted_at = deployment.promoted_at
    return "canary_rollback" if promoted_at is None or at < promoted_at else "rollback"


def failures(deployment: Deployment, rollbacks: Iterable[Micros], incidents: Iterable[Incident]) -> list[Failure]:
    """All that went wrong with a deployment, however late, by event time; the incidents are failing ones put on it."""
    by_rollback = [Failure(at, rollback_reason(deployment, at)) for at in rollbacks]
    by_incident = [Failure(one.opened_at, "incident") for one in incidents if deployment.begun_at <= one.opened_at]
    return sorted(by_rollback + by_incident)


def name_of(
    deployment: Deployment, deployments: Sequence[Deployment], finished_at: Micros | None, at: Micros, rules: Rules
) -> VerdictName | None:
    """What a deployment is as long as it is not judged; nothing if it is."""
    if finished_at is not None:
        return "pending" if at < finished_at + rules.failure_window + rules.lateness else None
    if newer(deployments, deployment):
        return "superseded"
    return "abandoned" if at - deployment.begun_at > rules.canary_timeout else "pending"


def judge(
    deployment: Deployment,
    deployments: Sequence[Deployment],
    finished_at: Micros | None,
    went_wrong: Sequence[Failure],
    at: Micros,
    rules: Rules,
) -> Verdict:
    """The verdict on a deployment at a moment."""
    in_time = [one for one in went_wrong if finished_at is None or one.at <= finished_at + rules.failure_window]
    judged: VerdictName = "failed" if in_time else "succeeded"
    name = name_of(deployment, deployments, finished_at, at, rules) or judged
    return Verdict(name, finished_at, in_time[0] if in_time else None, len(in_time) < len(went_wrong))
