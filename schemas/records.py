"""The output records as people and JSON meet them: frozen models with the field names of their Avro schemas.

Times are instants; lengths (lead_time, window, sum, ...) stay integer microseconds.
"""

from pydantic import Field

from schemas.models import Instant, Items, Model, Record
from schemas.values import (
    CauseKindName,
    ChangeValue,
    DeadLetterValue,
    DeploymentValue,
    IncidentRecordValue,
    LaneName,
    MetricsValue,
    Micros,
    ReasonName,
    RuleName,
    VerdictName,
)


class AsOf(Model):
    partition: int
    offset: int


class RollbackEntry(Model):
    event_id: str
    occurred_at: Instant
    trigger: str
    to_sha: str | None = None
    reason: str | None = None


class LinkedIncident(Model):
    service: str
    incident_id: str
    opened_at: Instant
    severity: str | None = None


class DeploymentRecord(Record[DeploymentValue]):
    service: str
    env: str
    deployment_id: str
    as_of: AsOf
    lane: LaneName
    commit_sha: str | None = None
    artifact_digest: str | None = None
    included_shas: Items[str] = ()
    url: str | None = None
    started_at: Instant | None = None
    promoted_at: Instant | None = None
    finished_at: Instant | None = None
    verdict: VerdictName
    judged_at: Instant | None = None
    failing: bool
    reason: ReasonName | None = None
    failed_at: Instant | None = None
    late_failure: bool
    revisions: int
    changes: Items[str] = ()
    rollbacks: Items[RollbackEntry] = ()
    incidents: Items[LinkedIncident] = ()


class Stage(Model):
    stage: str
    commit_sha: str
    occurred_at: Instant


class Promotion(Model):
    env: str
    deployment_id: str
    promoted_at: Instant
    lead_time: Micros
    observed: bool


class ChangeRecord(Record[ChangeValue]):
    service: str
    change_id: str
    as_of: AsOf
    commits: Items[str] = ()
    first_commit_at: Instant | None = None
    first_commit_sha: str | None = None
    stages: Items[Stage] = ()
    promotions: Items[Promotion] = ()
    revisions: int


class Period(Model):
    opened_at: Instant
    ended_at: Instant | None = None


class Attribution(Model):
    rule: RuleName
    service: str | None = None
    deployment_id: str | None = None
    cause_kind: CauseKindName | None = None
    waits_for: str | None = None


class IncidentRecord(Record[IncidentRecordValue]):
    service: str
    incident_id: str
    env: str | None = None
    as_of: AsOf
    lane: LaneName
    severity: str | None = None
    failing: bool
    title: str | None = None
    opened_at: Instant | None = None
    open: bool
    ended_at: Instant | None = None
    periods: Items[Period] = ()
    time_to_restore: Micros | None = None
    observed: bool
    attribution: Attribution
    escaped_gates: Items[str] = ()
    regression_test: str | None = None
    revisions: int


class RevisionCount(Model):
    from_verdict: VerdictName
    to_verdict: VerdictName
    count: int


class Exemplar(Model):
    bucket: int
    commit_sha: str
    value: Micros
    at: Instant


class Histogram(Model):
    counts: Items[int]
    sum: Micros
    exemplars: Items[Exemplar] = ()


class Settings(Model):
    failure_window: Micros
    lateness: Micros
    max_future: Micros
    canary_timeout: Micros
    failing_severities: Items[str]
    production_envs: Items[str]


class Counters(Model):
    deployments: int
    deployments_success: int
    failures: dict[str, int] = Field(default_factory=dict)
    late_failures: int
    verdict_revisions: Items[RevisionCount] = ()
    deployments_without_commits: int
    clock_skew: int
    lead_time: Histogram
    lead_time_revisions: int
    restore: Histogram
    restore_revisions: int
    conflicting_events: int


class State(Model):
    pending: int
    failing: int
    superseded: int
    abandoned: int
    incidents_open: int
    incidents_unattributed: int
    rehearsed_at: Instant | None = None
    last_event_at: Instant | None = None


class Window(Model):
    window: Micros
    judged: int
    failed: int
    reasons: dict[str, int] = Field(default_factory=dict)
    hotfix: int
    lead_count: int
    lead_p50: float | None = None
    lead_p90: float | None = None
    restore_count: int
    restore_mean: float | None = None
    restore_p50: float | None = None
    restore_p90: float | None = None
    recovery_count: int
    recovery_mean: float | None = None
    recovery_p50: float | None = None
    incidents: int
    unattributed: int


class DeliveryMetrics(Record[MetricsValue]):
    service: str
    env: str
    as_of: AsOf
    at: Instant
    settings: Settings
    counters: Counters
    state: State
    windows: Items[Window] = ()


class DeadLetter(Record[DeadLetterValue]):
    reason: str
    path: str | None = None
    problem: str
    topic: str
    partition: int
    offset: int
    append_time: Instant
    key: bytes | None = None
    value: bytes | None = None
    headers: dict[str, bytes] = Field(default_factory=dict)
