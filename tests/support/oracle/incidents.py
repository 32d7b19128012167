"""Sections 5 and 8: incidents, when they were open, and on which deployment they are put."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.values import CauseValue, EventValue, Micros, RuleName
from tests.support.oracle.deployments import Deployment, DeploymentKey, latest_begun, named
from tests.support.oracle.known import earliest

IncidentKey = tuple[str, str]
"""Service and incident id."""


class Period(NamedTuple):
    """From opened to restored; without an end it is still open."""

    opened_at: Micros
    ended_at: Micros | None


class Incident(NamedTuple):
    """What was reported of one incident that was opened."""

    service: str
    incident_id: str
    env: str
    severity: str | None
    deployment_id: str | None
    commit_sha: str | None
    cause: CauseValue | None
    periods: tuple[Period, ...]

    @property
    def opened_at(self) -> Micros:
        """When it was opened first."""
        return self.periods[0].opened_at

    @property
    def ended_at(self) -> Micros | None:
        """When it was restored last; nothing while it is open."""
        return self.periods[-1].ended_at

    @property
    def time_to_restore(self) -> Micros | None:
        """The sum of its open periods; nothing while it is open."""
        lengths = [period.ended_at - period.opened_at for period in self.periods if period.ended_at is not None]
        return sum(lengths) if len(lengths) == len(self.periods) else None


class Attribution(NamedTuple):
    """What is published of an attribution, and the deployment that it hits."""

    shown: str | None
    rule: RuleName
    hit: Deployment | None


def decides(cause: CauseValue) -> bool:
    """Whether a cause says who did it."""
    names = cause["service"] or cause["deployment_id"] or cause["commit_sha"]
    return cause["kind"] in {"infra", "external"} or names is not None


def deciding_cause(events: Sequence[EventValue]) -> CauseValue | None:
    """The last cause by event time that says who did it."""
    causes = [event["incident"]["cause"] for event in events if event["incident"] is not None]
    return next((cause for cause in reversed(causes) if cause is not None and decides(cause)), None)


def end_of(resolved: Sequence[EventValue]) -> Micros | None:
    """When a period ended: resolved, the objective met and the alert clear, whichever came last."""
    if not resolved:
        return None
    met = earliest(resolved, lambda event: event["incident"]["slo_met_at"] if event["incident"] else None)
    clear = earliest(resolved, lambda event: event["incident"]["alert_cleared_at"] if event["incident"] else None)
    return max(at for at in (resolved[0]["occurred_at"], met, clear) if at is not None)


def in_life(events: Sequence[EventValue]) -> list[EventValue]:
    """Events of one incident as they followed each other: of one moment, it is opened before it is resolved."""
    return sorted(events, key=lambda event: (event["occurred_at"], event["event_type"] == "incident_resolved"))


def raw_periods(events: Sequence[EventValue]) -> list[Period]:
    """From each opening (while it is not open) to the end that the resolutions before the next opening report.

    The events are those of one incident, as they followed each other.
    """
    found: list[tuple[Micros, list[EventValue]]] = []
    for event in events:
        if event["event_type"] == "incident_resolved":
            if found:
                found[-1][1].append(event)
        elif not found or found[-1][1]:
            found.append((event["occurred_at"], []))
    return [Period(opened_at, end_of(resolved)) for opened_at, resolved in found]


def union(periods: Sequence[Period]) -> tuple[Period, ...]:
    """Periods that touch are one."""
    whole: list[Period] = []
    for period in periods:
        before = whole[-1].ended_at if whole else None
        if before is None or period.opened_at > before:
            whole.append(period)
        else:
            end = None if period.ended_at is None else max(before, period.ended_at)
            whole[-1] = Period(whole[-1].opened_at, end)
    return tuple(whole)


def joined(key: IncidentKey, events: Sequence[EventValue]) -> Incident | None:
    """One incident from its events in event order; nothing if it was never opened."""
    lived = in_life(events)
    periods = union(raw_periods(lived))
    env = earliest(lived, lambda event: event["env"])
    if not periods or env is None:
        return None
    severities = [event["incident"]["severity"] for event in events if event["incident"] is not None]
    return Incident(
        *key,
        env,
        min((severity for severity in severities if severity is not None), default=None),
        earliest(lived, lambda event: event["deployment_id"]),
        earliest(lived, lambda event: event["commit_sha"]),
        deciding_cause(events),
        periods,
    )


def incidents_of(events: Sequence[EventValue]) -> list[Incident]:
    """Every incident that was opened."""
    grouped: dict[IncidentKey, list[EventValue]] = {}
    for event in events:
        if event["event_type"] in {"incident_opened", "incident_resolved"} and event["incident_id"] is not None:
            grouped.setdefault((event["service"], event["incident_id"]), []).append(event)
    found = (joined(key, group) for key, group in grouped.items())
    return [incident for incident in found if incident is not None]


class World(NamedTuple):
    """What an attribution looks at: the deployments, when they finished, and how long each can be blamed."""

    deployments: Sequence[Deployment]
    finished_at: dict[DeploymentKey, Micros | None]
    failure_window: Micros
    canary_timeout: Micros

    def in_force(self, service: str, env: str, at: Micros) -> Deployment | None:
        """The latest deployment begun at a moment, if that is not too long ago."""
        latest = latest_begun(self.deployments, service, env, at)
        if latest is None:
            return None
        finished_at = self.finished_at[latest.key]
        until = latest.begun_at + self.canary_timeout if finished_at is None else finished_at + self.failure_window
        return latest if at <= until else None

    def caused_by(self, service: str, incident: Incident, cause: CauseValue) -> Deployment | None:
        """The deployment of a service that a cause points at."""
        if cause["deployment_id"] is not None:
            return named(self.deployments, (service, incident.env, cause["deployment_id"]))
        if cause["commit_sha"] is not None:
            return latest_begun(self.deployments, service, incident.env, incident.opened_at, cause["commit_sha"])
        return self.in_force(service, incident.env, incident.opened_at)


def found(rule: RuleName, deployment: Deployment | None) -> Attribution:
    """On a deployment by a rule, or, if it is unknown, on none."""
    if deployment is None:
        return Attribution(None, "none", None)
    return Attribution(deployment.deployment_id, rule, deployment)


def by_cause(incident: Incident, cause: CauseValue, world: World) -> Attribution:
    """Where a cause puts an incident."""
    if cause["kind"] in {"infra", "external"}:
        return Attribution(None, "explicit", None)
    service = cause["service"] or incident.service
    deployment = world.caused_by(service, incident, cause)
    if service != incident.service:
        return Attribution(cause["deployment_id"], "explicit", deployment)
    return found("explicit", deployment)


def attribution(incident: Incident, world: World) -> Attribution:
    """The deployment an incident is put on: by the first rule that is given."""
    service, env, opened_at = incident.service, incident.env, incident.opened_at
    if incident.cause is not None:
        return by_cause(incident, incident.cause, world)
    if incident.deployment_id is not None:
        return found("explicit", named(world.deployments, (service, env, incident.deployment_id)))
    if incident.commit_sha is not None:
        return found("sha", latest_begun(world.deployments, service, env, opened_at, incident.commit_sha))
    return found("in_force", world.in_force(service, env, opened_at))
