"""Sections 5 and 8: incidents, when they were open, and on which deployment they are put."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.values import CauseValue, EventValue, Micros, RuleName
from tests.support.oracle.deployments import Deployment, DeploymentKey, latest_begun, named
from tests.support.oracle.known import FOR_EVER, Seen, earliest

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
    known_at: Micros
    """When the first report of each thing that the last period takes was known."""

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
    elsewhere: str | None = None
    """The other service where the cause is looked for; whether it is known there is not told back."""
    waits_for: str | None = None

    @property
    def blamed(self) -> bool:
        """Whether a deployment, here or elsewhere, is said to have done it."""
        return self.hit is not None or self.elsewhere is not None


class Link(NamedTuple):
    """A cause in another service: the incident, where its deployment is looked for, and how."""

    origin: str
    incident_id: str
    service: str
    env: str
    opened_at: Micros
    severity: str | None
    deployment_id: str | None
    commit_sha: str | None


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


class Stretch(NamedTuple):
    """Openings with no resolution between them, and the resolutions before the next opening."""

    opened: list[EventValue]
    resolved: list[EventValue]

    @property
    def period(self) -> Period:
        """From the first opening to the end that the resolutions report."""
        return Period(self.opened[0]["occurred_at"], end_of(self.resolved))

    def known_at(self, seen: Seen) -> Micros:
        """When it was known that it was opened, and, if it was, that it was resolved."""
        return max(min(map(seen, self.opened)), min(map(seen, self.resolved), default=FOR_EVER))


def stretches(events: Sequence[EventValue]) -> list[Stretch]:
    """The events of one incident, as they followed each other; a resolution before any opening is left out."""
    found: list[Stretch] = []
    for event in events:
        if event["event_type"] == "incident_resolved":
            if found:
                found[-1].resolved.append(event)
        elif found and not found[-1].resolved:
            found[-1].opened.append(event)
        else:
            found.append(Stretch([event], []))
    return found


def union(parts: Sequence[Stretch], seen: Seen) -> list[tuple[Period, Micros]]:
    """The periods, each with since when it is known; those that touch are one."""
    whole: list[tuple[Period, Micros]] = []
    for part in parts:
        period, known_at = part.period, part.known_at(seen)
        before, known_before = whole[-1] if whole else (period, known_at)
        if not whole or before.ended_at is None or period.opened_at > before.ended_at:
            whole.append((period, known_at))
        else:
            end = None if period.ended_at is None else max(before.ended_at, period.ended_at)
            whole[-1] = Period(before.opened_at, end), max(known_before, known_at)
    return whole


def worst(events: Iterable[EventValue]) -> str | None:
    """The worst severity ever reported."""
    severities = [event["incident"]["severity"] for event in events if event["incident"] is not None]
    return min((severity for severity in severities if severity is not None), default=None)


def joined(key: IncidentKey, events: Sequence[EventValue], seen: Seen) -> Incident | None:
    """One incident from its events in event order; nothing if it was never opened."""
    lived = in_life(events)
    periods = union(stretches(lived), seen)
    env = earliest(lived, lambda event: event["env"])
    if not periods or env is None:
        return None
    return Incident(
        *key,
        env,
        worst(events),
        earliest(lived, lambda event: event["deployment_id"]),
        earliest(lived, lambda event: event["commit_sha"]),
        deciding_cause(events),
        tuple(period for period, _ in periods),
        periods[-1][1],
    )


def by_incident(events: Iterable[EventValue]) -> dict[IncidentKey, list[EventValue]]:
    """The events of each incident."""
    grouped: dict[IncidentKey, list[EventValue]] = {}
    for event in events:
        if event["event_type"] in {"incident_opened", "incident_resolved"} and event["incident_id"] is not None:
            grouped.setdefault((event["service"], event["incident_id"]), []).append(event)
    return grouped


def incidents_of(events: Sequence[EventValue], seen: Seen) -> list[Incident]:
    """Every incident that was opened."""
    found = (joined(key, group, seen) for key, group in by_incident(events).items())
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

    def caused_by(self, link: Link) -> Deployment | None:
        """The deployment that a cause points at."""
        if link.deployment_id is not None:
            return named(self.deployments, (link.service, link.env, link.deployment_id))
        if link.commit_sha is not None:
            return latest_begun(self.deployments, link.service, link.env, link.opened_at, link.commit_sha)
        return self.in_force(link.service, link.env, link.opened_at)


def found(rule: RuleName, deployment: Deployment | None, name: str | None = None) -> Attribution:
    """On a deployment by a rule, or, if it is unknown, on none; the name it was given waits."""
    if deployment is None:
        return Attribution(None, "none", None, waits_for=name)
    return Attribution(deployment.deployment_id, rule, deployment)


def claim_of(incident: Incident) -> Link | None:
    """Where a deployment is looked for that an incident says caused it; nothing if it says none did."""
    cause = incident.cause
    if cause is None or cause["kind"] in {"infra", "external"}:
        return None
    service = cause["service"] or incident.service
    names = cause["deployment_id"], cause["commit_sha"]
    where = service, incident.env, incident.opened_at
    return Link(incident.service, incident.incident_id, *where, incident.severity, *names)


def link_of(incident: Incident) -> Link | None:
    """The same, if that is in another service."""
    claim = claim_of(incident)
    return claim if claim is not None and claim.service != incident.service else None


def attribution(incident: Incident, world: World) -> Attribution:
    """The deployment an incident is put on: by the first rule that is given."""
    service, env, opened_at = incident.service, incident.env, incident.opened_at
    if incident.cause is not None:
        claim = claim_of(incident)
        if claim is None:
            return Attribution(None, "explicit", None)
        if claim.service != service:
            return Attribution(claim.deployment_id, "explicit", None, elsewhere=claim.service)
        return found("explicit", world.caused_by(claim), claim.deployment_id or claim.commit_sha)
    if incident.deployment_id is not None:
        name = incident.deployment_id
        return found("explicit", named(world.deployments, (service, env, name)), name)
    if incident.commit_sha is not None:
        sha = incident.commit_sha
        return found("sha", latest_begun(world.deployments, service, env, opened_at, sha), sha)
    return found("in_force", world.in_force(service, env, opened_at))
