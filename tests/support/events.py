"""Terse events for tests: `commit("c1", "09:00")`, `promoted("D1", "12:00", sha="c1")`.

Labels stand for SHAs and event ids, which are expanded in one way only, so that equal labels are equal values. Times
are microseconds or a wall time of day 1 ("09:00", "13:00:01") or of another day ("d2 12:15").
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from schemas.values import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    CanaryValue,
    CauseKindName,
    CauseValue,
    CommitValue,
    EventTypeName,
    EventValue,
    IncidentValue,
    LaneName,
    Micros,
    RollbackValue,
    plain_event,
)

DAY_1: Final[Micros] = 20_500 * DAY
"""Midnight of day 1, in 2026."""

SERVICE: Final = "shop"
Time = Micros | str


def when(time: Time) -> Micros:
    """The instant of "HH:MM", "HH:MM:SS" or "dN HH:MM[:SS]"."""
    if isinstance(time, int):
        return time
    day, _, clock = time.rpartition(" ")
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    days = int(day.removeprefix("d")) - 1 if day else 0
    return DAY_1 + days * DAY + hours * HOUR + minutes * MINUTE + sum(seconds) * SECOND


def sha(label: str) -> str:
    """The SHA that a label stands for; what is one already stays."""
    if len(label) == 40 and set(label) <= set("0123456789abcdef"):
        return label
    return hashlib.sha1(label.encode(), usedforsecurity=False).hexdigest()


def event_id(label: str) -> str:
    """The event id that a label stands for."""
    return str(uuid5(NAMESPACE_OID, label))


def event(event_type: EventTypeName, at: Time, *, id_label: str | None = None, **fields: Any) -> EventValue:
    """An event with what the caller leaves out empty; its id follows from its content unless a label gives it."""
    value = plain_event(event_type, "", when(at), SERVICE)
    value.update(fields)  # type: ignore[typeddict-item]  # the callers below name the fields
    value["event_id"] = event_id(id_label if id_label is not None else repr(value))
    return value


def optional_sha(label: str | None) -> str | None:
    """The SHA of a label, if there is one."""
    return None if label is None else sha(label)


def commit(label: str, at: Time, *, change: str | None = None, merge: str | None = None, **fields: Any) -> EventValue:
    """`commit_created`, under a request if `change` is given, squashed or merged into `merge`."""
    detail: CommitValue | None = None
    if merge is not None:
        detail = {
            "author": None,
            "branch": None,
            "merge_sha": sha(merge),
            "parents": None,
            "critical_modules": None,
            "migration": None,
        }
    return event("commit_created", at, commit_sha=sha(label), change_id=change, commit=detail, **fields)


def stage(event_type: EventTypeName, label: str, at: Time, **fields: Any) -> EventValue:
    """A stage of the pipeline that one commit passed."""
    return event(event_type, at, commit_sha=sha(label), **fields)


def canary(
    event_type: EventTypeName,
    deployment: str | None,
    at: Time,
    *,
    sha: str | None,
    included: Iterable[str] | None,
    env: str,
    lane: LaneName,
    **fields: Any,
) -> EventValue:
    """A start or a promotion; `included` are the labels of the commits that it says it brings."""
    detail: CanaryValue | None = None
    if included is not None:
        shas = [found for found in map(optional_sha, included) if found is not None]
        detail = {"included_shas": shas, "weight": None, "analysis": None, "promoted_by": None}
    return event(
        event_type,
        at,
        deployment_id=deployment,
        commit_sha=optional_sha(sha),
        canary=detail,
        env=env,
        lane=lane,
        **fields,
    )


def started(
    deployment: str | None,
    at: Time,
    *,
    sha: str | None = None,
    included: Iterable[str] | None = None,
    env: str = "prod",
    lane: LaneName = "normal",
    **fields: Any,
) -> EventValue:
    """`canary_started`."""
    return canary("canary_started", deployment, at, sha=sha, included=included, env=env, lane=lane, **fields)


def promoted(
    deployment: str | None,
    at: Time,
    *,
    sha: str | None = None,
    included: Iterable[str] | None = None,
    env: str = "prod",
    lane: LaneName = "normal",
    **fields: Any,
) -> EventValue:
    """`canary_promoted` to 100 %."""
    return canary("canary_promoted", deployment, at, sha=sha, included=included, env=env, lane=lane, **fields)


def rollback(
    at: Time,
    *,
    deployment: str | None = None,
    sha: str | None = None,
    env: str = "prod",
    lane: LaneName = "normal",
    **fields: Any,
) -> EventValue:
    """`rollback_triggered` for a deployment, for a SHA, or for whatever is in force."""
    detail: RollbackValue = {"trigger": "auto", "to_sha": None, "reason": None, "path_sha256": None, "succeeded": True}
    return event(
        "rollback_triggered",
        at,
        deployment_id=deployment,
        commit_sha=optional_sha(sha),
        rollback=detail,
        env=env,
        lane=lane,
        **fields,
    )


def cause(
    *,
    service: str | None = None,
    deployment: str | None = None,
    sha: str | None = None,
    kind: CauseKindName = "change",
) -> CauseValue:
    """What an incident is said to come from."""
    return {"service": service, "deployment_id": deployment, "commit_sha": optional_sha(sha), "kind": kind}


def told(
    *,
    severity: str | None = None,
    cause: CauseValue | None = None,
    slo_met: Time | None = None,
    alert_cleared: Time | None = None,
) -> IncidentValue:
    """What an event tells of its incident."""
    return {
        "severity": severity,
        "title": None,
        "slo_met_at": None if slo_met is None else when(slo_met),
        "alert_cleared_at": None if alert_cleared is None else when(alert_cleared),
        "cause": cause,
        "escaped_gates": None,
        "regression_test": None,
    }


def opened(
    incident: str,
    at: Time,
    *,
    severity: str | None = "sev1",
    deployment: str | None = None,
    sha: str | None = None,
    cause: CauseValue | None = None,
    env: str = "prod",
    **fields: Any,
) -> EventValue:
    """`incident_opened`."""
    return event(
        "incident_opened",
        at,
        incident_id=incident,
        deployment_id=deployment,
        commit_sha=optional_sha(sha),
        incident=told(severity=severity, cause=cause),
        env=env,
        **fields,
    )


def resolved(
    incident: str,
    at: Time,
    *,
    severity: str | None = None,
    deployment: str | None = None,
    sha: str | None = None,
    cause: CauseValue | None = None,
    slo_met: Time | None = None,
    alert_cleared: Time | None = None,
    **fields: Any,
) -> EventValue:
    """`incident_resolved`, with what else the service and the alert say."""
    return event(
        "incident_resolved",
        at,
        incident_id=incident,
        deployment_id=deployment,
        commit_sha=optional_sha(sha),
        incident=told(severity=severity, cause=cause, slo_met=slo_met, alert_cleared=alert_cleared),
        **fields,
    )
