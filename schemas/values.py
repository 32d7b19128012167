"""The shapes that travel: one typed dictionary per Avro record, times as integer microseconds since 1970 UTC.

These are the types of the hot path. fastavro reads and writes them as they are, the core computes on them, and
importing them costs nothing. People and JSON meet the pydantic models of `schemas.events` and `schemas.records`.
"""

from typing import Final, Literal, TypedDict

Micros = int
"""An instant in microseconds since 1970-01-01T00:00:00Z, or a length in microseconds."""

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

EventTypeName = Literal[
    "UNKNOWN",
    "commit_created",
    "artifact_built",
    "tests_passed",
    "security_scanned",
    "policy_passed",
    "canary_started",
    "canary_promoted",
    "rollback_triggered",
    "incident_opened",
    "incident_resolved",
    "clock_tick",
    "cause_linked",
]
LaneName = Literal["normal", "hotfix", "rehearsal", "synthetic"]
CauseKindName = Literal["unknown", "change", "infra", "external"]
VerdictName = Literal["unknown", "excluded", "pending", "superseded", "abandoned", "succeeded", "failed"]
ReasonName = Literal["canary_rollback", "incident", "rollback"]
RuleName = Literal["explicit", "sha", "in_force", "none"]


class SourceValue(TypedDict):
    system: str
    run_id: str | None
    attempt: int | None
    url: str | None
    actor: str | None


class CommitValue(TypedDict):
    author: str | None
    branch: str | None
    merge_sha: str | None
    parents: list[str] | None
    critical_modules: list[str] | None
    migration: bool | None


class ArtifactValue(TypedDict):
    kind: str | None
    slsa_level: int | None
    provenance_sha256: str | None
    signed_by: str | None
    sbom_sha256: str | None


class SuiteValue(TypedDict):
    kind: str
    executed: int
    passed: int
    skipped: int


class CoverageValue(TypedDict):
    module: str
    critical: bool
    line: float
    threshold: float


class TestsValue(TypedDict):
    suites: list[SuiteValue]
    coverage: list[CoverageValue]
    mutation: float | None
    contract: bool | None
    types: bool | None


class ScanCountsValue(TypedDict):
    critical: int
    high: int
    medium: int
    low: int
    unknown: int | None


class ScanValue(TypedDict):
    scanner: str
    db_updated_at: Micros | None
    counts: ScanCountsValue
    kev: list[str] | None
    licences_denied: list[str] | None


class PolicyRuleValue(TypedDict):
    id: str
    evaluated: int
    failures: int
    exceptions: int


class PolicyValue(TypedDict):
    engine: str
    bundle_sha256: str | None
    rules: list[PolicyRuleValue]


class AnalysisValue(TypedDict):
    metric: str
    verdict: str
    value: float | None
    threshold: float | None
    n: int | None


class CanaryValue(TypedDict):
    included_shas: list[str] | None
    weight: int | None
    analysis: list[AnalysisValue] | None
    promoted_by: str | None


class RollbackValue(TypedDict):
    trigger: Literal["auto", "manual"]
    to_sha: str | None
    reason: str | None
    path_sha256: str | None
    succeeded: bool | None


class CauseValue(TypedDict):
    service: str | None
    deployment_id: str | None
    commit_sha: str | None
    kind: CauseKindName


class IncidentValue(TypedDict):
    severity: str | None
    title: str | None
    slo_met_at: Micros | None
    alert_cleared_at: Micros | None
    cause: CauseValue | None
    escaped_gates: list[str] | None
    regression_test: str | None


class EventValue(TypedDict):
    """A DeployEvent as Avro holds it. `service` is also the key of its message."""

    event_id: str
    event_type: EventTypeName
    occurred_at: Micros
    emitted_at: Micros | None
    service: str
    env: str | None
    commit_sha: str | None
    change_id: str | None
    deployment_id: str | None
    incident_id: str | None
    artifact_digest: str | None
    lane: LaneName
    source: SourceValue | None
    commit: CommitValue | None
    artifact: ArtifactValue | None
    tests: TestsValue | None
    scan: ScanValue | None
    policy: PolicyValue | None
    canary: CanaryValue | None
    rollback: RollbackValue | None
    incident: IncidentValue | None
    attributes: dict[str, str]


def plain_event(event_type: EventTypeName, event_id: str, occurred_at: Micros, service: str) -> EventValue:
    """An event that says nothing but what happened, when and to which service; the rest is for the caller to set."""
    return {
        "event_id": event_id,
        "event_type": event_type,
        "occurred_at": occurred_at,
        "emitted_at": None,
        "service": service,
        "env": None,
        "commit_sha": None,
        "change_id": None,
        "deployment_id": None,
        "incident_id": None,
        "artifact_digest": None,
        "lane": "normal",
        "source": None,
        "commit": None,
        "artifact": None,
        "tests": None,
        "scan": None,
        "policy": None,
        "canary": None,
        "rollback": None,
        "incident": None,
        "attributes": {},
    }


class AsOfValue(TypedDict):
    """The last message of `deploy_events` that a published record has seen: a later one replaces an earlier one."""

    partition: int
    offset: int


class RollbackEntryValue(TypedDict):
    event_id: str
    occurred_at: Micros
    trigger: str
    to_sha: str | None
    reason: str | None


class LinkedIncidentValue(TypedDict):
    """An incident put on a deployment; `service` is another one's when its cause was followed here."""

    service: str
    incident_id: str
    opened_at: Micros
    severity: str | None


class DeploymentValue(TypedDict):
    """What is known of one deployment of a service to an environment, joined."""

    service: str
    env: str
    deployment_id: str
    as_of: AsOfValue
    lane: LaneName
    commit_sha: str | None
    artifact_digest: str | None
    included_shas: list[str]
    url: str | None
    started_at: Micros | None
    promoted_at: Micros | None
    finished_at: Micros | None
    verdict: VerdictName
    judged_at: Micros | None
    failing: bool
    reason: ReasonName | None
    failed_at: Micros | None
    late_failure: bool
    revisions: int
    changes: list[str]
    rollbacks: list[RollbackEntryValue]
    incidents: list[LinkedIncidentValue]


class StageValue(TypedDict):
    """The earliest time a stage of the pipeline reported success for one commit of the change."""

    stage: str
    commit_sha: str
    occurred_at: Micros


class PromotionValue(TypedDict):
    env: str
    deployment_id: str
    promoted_at: Micros
    lead_time: Micros
    observed: bool


class ChangeValue(TypedDict):
    """A change (a pull or merge request, or a lone commit) and when it reached each environment."""

    service: str
    change_id: str
    as_of: AsOfValue
    commits: list[str]
    first_commit_at: Micros | None
    first_commit_sha: str | None
    stages: list[StageValue]
    promotions: list[PromotionValue]
    revisions: int


class PeriodValue(TypedDict):
    opened_at: Micros
    ended_at: Micros | None


class AttributionValue(TypedDict):
    """Which deployment an incident is put on, and by which rule; `waits_for` names one not seen yet."""

    rule: RuleName
    service: str | None
    deployment_id: str | None
    cause_kind: CauseKindName | None
    waits_for: str | None


class IncidentRecordValue(TypedDict):
    """An incident with its open periods, its time to restore and the deployment it is put on."""

    service: str
    incident_id: str
    env: str | None
    as_of: AsOfValue
    lane: LaneName
    severity: str | None
    failing: bool
    title: str | None
    opened_at: Micros | None
    open: bool
    ended_at: Micros | None
    periods: list[PeriodValue]
    time_to_restore: Micros | None
    observed: bool
    attribution: AttributionValue
    escaped_gates: list[str]
    regression_test: str | None
    revisions: int


class RevisionCountValue(TypedDict):
    from_verdict: VerdictName
    to_verdict: VerdictName
    count: int


class ExemplarValue(TypedDict):
    """The newest observation of one histogram bucket, by the commit that began the change."""

    bucket: int
    commit_sha: str
    value: Micros
    at: Micros


class HistogramValue(TypedDict):
    """Observations per bucket (not cumulative; the last one is +Inf) and their sum."""

    counts: list[int]
    sum: Micros
    exemplars: list[ExemplarValue]


class SettingsValue(TypedDict):
    failure_window: Micros
    lateness: Micros
    max_future: Micros
    canary_timeout: Micros
    failing_severities: list[str]
    production_envs: list[str]


class CountersValue(TypedDict):
    """What may only rise. Together with the revisions they equal the facts."""

    deployments: int
    deployments_success: int
    failures: dict[str, int]
    """By reason, counted at once, judged or not."""
    late_failures: int
    verdict_revisions: list[RevisionCountValue]
    deployments_without_commits: int
    clock_skew: int
    lead_time: HistogramValue
    lead_time_revisions: int
    restore: HistogramValue
    restore_revisions: int
    conflicting_events: int


class StateValue(TypedDict):
    """What is true now and may fall again."""

    pending: int
    failing: int
    superseded: int
    abandoned: int
    incidents_open: int
    incidents_unattributed: int
    rehearsed_at: Micros | None
    """When a rollback was last rehearsed and did not report that it failed."""
    last_event_at: Micros | None


class WindowValue(TypedDict):
    """One sliding window. A ratio stands beside its parts; null means that there is no value, never 0."""

    window: Micros
    judged: int
    failed: int
    reasons: dict[str, int]
    hotfix: int
    lead_count: int
    lead_p50: float | None
    lead_p90: float | None
    restore_count: int
    restore_mean: float | None
    restore_p50: float | None
    restore_p90: float | None
    recovery_count: int
    """Restored incidents that a deployment is blamed for: failed-deployment recovery time."""
    recovery_mean: float | None
    recovery_p50: float | None
    incidents: int
    unattributed: int


class MetricsValue(TypedDict):
    """The snapshot of one service and environment. The one with `env` "" holds what belongs to the service alone."""

    service: str
    env: str
    as_of: AsOfValue
    at: Micros
    settings: SettingsValue
    counters: CountersValue
    state: StateValue
    windows: list[WindowValue]


class DeadLetterValue(TypedDict):
    """A message that was refused: why, where the fault is, where it came from, and its bytes as they came."""

    reason: str
    path: str | None
    problem: str
    topic: str
    partition: int
    offset: int
    append_time: Micros
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
