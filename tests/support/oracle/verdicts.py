"""Sections 5 and 6: which deployments failed, why, and whether that is settled."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from schemas.values import EventValue, Micros, ReasonName, VerdictName
from tests.support.oracle.deployments import Deployment, newer


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


class Finish(NamedTuple):
    """When a deployment finished, and since when that is known."""

    at: Micros | None
    known_at: Micros


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


def failures(deployment: Deployment, rollbacks: Iterable[EventValue], incidents: Iterable[Micros]) -> list[Failure]:
    """All that went wrong with a deployment, however late, by event time.

    Of the failing incidents put on it, those count that opened after it began.
    """
    ends = [event["occurred_at"] for event in rollbacks]
    by_rollback = [Failure(at, rollback_reason(deployment, at)) for at in ends]
    by_incident = [Failure(opened_at, "incident") for opened_at in incidents if deployment.begun_at <= opened_at]
    return sorted(by_rollback + by_incident)


def name_of(
    deployment: Deployment, deployments: Sequence[Deployment], finish: Finish, at: Micros, rules: Rules
) -> VerdictName | None:
    """What a deployment is as long as it is not judged; nothing if it is."""
    if finish.at is not None:
        return "pending" if at < max(finish.at + rules.failure_window, finish.known_at) + rules.lateness else None
    if newer(deployments, deployment):
        return "superseded"
    return "abandoned" if at - deployment.begun_at > rules.canary_timeout else "pending"


def judge(
    deployment: Deployment,
    deployments: Sequence[Deployment],
    finish: Finish,
    went_wrong: Sequence[Failure],
    at: Micros,
    rules: Rules,
) -> Verdict:
    """The verdict on a deployment at a moment."""
    finished_at = finish.at
    in_time = [one for one in went_wrong if finished_at is None or one.at <= finished_at + rules.failure_window]
    judged: VerdictName = "failed" if in_time else "succeeded"
    name = name_of(deployment, deployments, finish, at, rules) or judged
    return Verdict(name, finished_at, in_time[0] if in_time else None, len(in_time) < len(went_wrong))
