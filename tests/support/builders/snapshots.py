"""Small snapshots and incidents for the tests of serving."""

from collections.abc import Mapping

from schemas.values import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    CountersValue,
    ExemplarValue,
    HistogramValue,
    IncidentRecordValue,
    LaneName,
    MetricsValue,
    Micros,
    RevisionCountValue,
    SettingsValue,
    StateValue,
    VerdictName,
    WindowValue,
)
from streams.core.counters import LEAD_BUCKETS, bucket_of

NOON: Micros = 1_767_268_800 * SECOND
"""2026-01-01T12:00:00Z."""
SHA = "4f" * 20

SETTINGS: SettingsValue = {
    "failure_window": DAY,
    "lateness": 15 * MINUTE,
    "max_future": 5 * MINUTE,
    "canary_timeout": DAY,
    "failing_severities": ["sev1", "sev2"],
    "production_envs": ["prod"],
}


def histogram(*lengths: Micros, exemplars: Mapping[Micros, str] | None = None) -> HistogramValue:
    """The given lengths, observed; `exemplars` names the commit of some of them."""
    counts = [0] * (len(LEAD_BUCKETS) + 1)
    for length in lengths:
        counts[bucket_of(length)] += 1
    shown: list[ExemplarValue] = [
        {"bucket": bucket_of(length), "commit_sha": sha, "value": length, "at": NOON}
        for length, sha in (exemplars or {}).items()
    ]
    return {"counts": counts, "sum": sum(lengths), "exemplars": shown}


def counters(
    deployments: int = 0,
    success: int = 0,
    *,
    failures: Mapping[str, int] | None = None,
    revisions: Mapping[tuple[VerdictName, VerdictName], int] | None = None,
    lead_time: HistogramValue | None = None,
    restore: HistogramValue | None = None,
    conflicts: int = 0,
) -> CountersValue:
    counts: list[RevisionCountValue] = [
        {"from_verdict": before, "to_verdict": after, "count": count}
        for (before, after), count in (revisions or {}).items()
    ]
    return {
        "deployments": deployments,
        "deployments_success": success,
        "failures": dict(failures or {}),
        "late_failures": 0,
        "verdict_revisions": counts,
        "deployments_without_commits": 0,
        "clock_skew": 0,
        "lead_time": lead_time or histogram(),
        "lead_time_revisions": 0,
        "restore": restore or histogram(),
        "restore_revisions": 0,
        "conflicting_events": conflicts,
    }


def state(*, pending: int = 0, rehearsed_at: Micros | None = None, last_event_at: Micros | None = None) -> StateValue:
    return {
        "pending": pending,
        "failing": 0,
        "superseded": 0,
        "abandoned": 0,
        "incidents_open": 0,
        "incidents_unattributed": 0,
        "rehearsed_at": rehearsed_at,
        "last_event_at": last_event_at,
    }


def window(length: Micros = 30 * DAY, judged: int = 0, failed: int = 0, hotfix: int = 0) -> WindowValue:
    """A window whose failures are all incidents, without lead times or restored incidents."""
    return {
        "window": length,
        "judged": judged,
        "failed": failed,
        "reasons": {"incident": failed} if failed else {},
        "hotfix": hotfix,
        "lead_count": 0,
        "lead_p50": None,
        "lead_p90": None,
        "restore_count": 0,
        "restore_mean": None,
        "restore_p50": None,
        "restore_p90": None,
        "recovery_count": 0,
        "recovery_mean": None,
        "recovery_p50": None,
        "incidents": 0,
        "unattributed": 0,
    }


def metrics_value(
    service: str = "api",
    env: str = "prod",
    *,
    offset: int = 0,
    partition: int = 0,
    counted: CountersValue | None = None,
    now: StateValue | None = None,
    windows: list[WindowValue] | None = None,
    settings: SettingsValue = SETTINGS,
) -> MetricsValue:
    return {
        "service": service,
        "env": env,
        "as_of": {"partition": partition, "offset": offset},
        "at": NOON,
        "settings": settings,
        "counters": counted or counters(),
        "state": now or state(),
        "windows": windows or [],
    }


def full_value(service: str = "api", env: str = "prod", offset: int = 0) -> MetricsValue:
    """A snapshot in which nothing is missing and no two numbers of a kind are equal."""
    value = metrics_value(
        service,
        env,
        offset=offset,
        counted=counters(
            17,
            12,
            failures={"canary_rollback": 1, "incident": 3, "rollback": 2},
            revisions={("succeeded", "failed"): 2, ("failed", "excluded"): 1},
            lead_time=histogram(10 * MINUTE, 3 * HOUR, 40 * DAY, exemplars={3 * HOUR: SHA}),
            restore=histogram(40 * MINUTE, 50 * MINUTE),
        ),
        now={
            "pending": 1,
            "failing": 2,
            "superseded": 3,
            "abandoned": 4,
            "incidents_open": 5,
            "incidents_unattributed": 6,
            "rehearsed_at": NOON - DAY,
            "last_event_at": NOON - MINUTE,
        },
        windows=[
            {
                "window": 30 * DAY,
                "judged": 15,
                "failed": 3,
                "reasons": {"incident": 2, "rollback": 1},
                "hotfix": 6,
                "lead_count": 7,
                "lead_p50": 10800.0,
                "lead_p90": 20000.5,
                "restore_count": 8,
                "restore_mean": 2955.0,
                "restore_p50": 2910.0,
                "restore_p90": 4000.0,
                "recovery_count": 9,
                "recovery_mean": 2500.0,
                "recovery_p50": 2400.0,
                "incidents": 10,
                "unattributed": 11,
            },
        ],
    )
    value["counters"] |= {
        "late_failures": 5,
        "deployments_without_commits": 6,
        "clock_skew": 7,
        "lead_time_revisions": 8,
        "restore_revisions": 9,
    }
    return value


def incident(
    name: str = "inc-1",
    *,
    service: str = "api",
    env: str | None = "prod",
    severity: str | None = "sev1",
    ended_at: Micros | None = NOON,
    length: Micros | None = 40 * MINUTE,
    observed: bool = True,
    revisions: int = 0,
    lane: LaneName = "normal",
) -> IncidentRecordValue:
    opened_at = NOON - HOUR if ended_at is None else ended_at - (length or 0)
    return {
        "service": service,
        "incident_id": name,
        "env": env,
        "as_of": {"partition": 0, "offset": 0},
        "lane": lane,
        "severity": severity,
        "failing": severity in ("sev1", "sev2"),
        "title": None,
        "opened_at": opened_at,
        "open": ended_at is None,
        "ended_at": ended_at,
        "periods": [{"opened_at": opened_at, "ended_at": ended_at}],
        "time_to_restore": length,
        "observed": observed,
        "attribution": {
            "rule": "none",
            "service": None,
            "deployment_id": None,
            "cause_kind": None,
            "waits_for": None,
        },
        "escaped_gates": [],
        "regression_test": None,
        "revisions": revisions,
    }


def incident_key(value: IncidentRecordValue) -> str:
    return f"{value['service']}/{value['incident_id']}"
