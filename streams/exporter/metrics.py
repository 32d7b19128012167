"""Every metric the exporter exposes: name, type, labels and help text, as data.

The collector renders from these constants and docs/reference.md lists `METRICS`; no name is spelled elsewhere.
Names follow the Prometheus conventions (base units, unit last, `_total` on counters) and `promtool check metrics`.
Labels are bounded by `LABELS`: never a commit, version, deployment or incident.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, get_args

from schemas.values import ReasonName


class MetricKind(StrEnum):
    """Metric type, as named in both exposition formats."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric. `name` is as used in queries; a histogram adds `_bucket`, `_sum` and `_count` to it."""

    name: str
    kind: MetricKind
    labels: tuple[str, ...]
    help: str

    @property
    def family(self) -> str:
        """The metric family name, as on the OpenMetrics `# TYPE` line: without `_total` or `_info`."""
        return self.name.removesuffix("_total").removesuffix("_info")

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its samples."""
        if self.kind is MetricKind.HISTOGRAM:
            return tuple(self.name + suffix for suffix in ("_bucket", "_count", "_sum"))
        return (self.name,)


REASONS: Final[tuple[str, ...]] = get_args(ReasonName)
UNKNOWN_SEVERITY: Final = "unknown"

_SERVICE: Final = ("service",)
_PAIR: Final = ("service", "env")
_WINDOW: Final = (*_PAIR, "window")
_TOPIC: Final = ("topic",)

SETTINGS_LABELS: Final = (
    "failure_window",
    "lateness",
    "max_future",
    "canary_timeout",
    "failing_severities",
    "production_envs",
)
LABELS: Final = frozenset(
    ("service", "env", "severity", "window", "reason", "from", "to", "le", "topic", *SETTINGS_LABELS),
)
"""All label names in use; no other may appear."""


def _counter(name: str, labels: tuple[str, ...], text: str) -> MetricSpec:
    return MetricSpec(name, MetricKind.COUNTER, labels, text)


def _gauge(name: str, labels: tuple[str, ...], text: str) -> MetricSpec:
    return MetricSpec(name, MetricKind.GAUGE, labels, text)


def _histogram(name: str, text: str) -> MetricSpec:
    return MetricSpec(name, MetricKind.HISTOGRAM, _PAIR, text)


# The four names of the contract.
DEPLOYMENTS: Final = _counter(
    "deployments_total",
    _PAIR,
    "Deployments judged, succeeded or failed. Rises when the verdict is due, together with deployments_success_total.",
)
DEPLOYMENTS_SUCCESS: Final = _counter(
    "deployments_success_total",
    _PAIR,
    "Deployments judged as succeeded. A later failure never lowers it: see delivery_verdict_revisions_total.",
)
LEAD_TIME: Final = _histogram(
    "lead_time_seconds",
    "From a change's first commit to the promotion to 100 percent that carried it, one observation per change and env.",
)
INCIDENT_RESOLUTION: Final = _gauge(
    "incident_resolution_seconds",
    (*_PAIR, "severity"),
    "Time to restore: one sample per incident, stamped with the end of its last open period. Not held, so "
    "avg_over_time is the mean over incidents; an instant query sees it for five minutes only.",
)

# Counters.
DEPLOYMENT_FAILURES: Final = _counter(
    "delivery_deployment_failures_total",
    (*_PAIR, "reason"),
    "Failures by reason, counted when they are known, before the deployment is judged.",
)
LATE_FAILURES: Final = _counter(
    "delivery_late_failures_total",
    _PAIR,
    "Failures later than the failure window: recorded, without effect on the verdict.",
)
VERDICT_REVISIONS: Final = _counter(
    "delivery_verdict_revisions_total",
    (*_PAIR, "from", "to"),
    "Verdicts that a late fact changed after they were counted. The counters stay; with these they equal the facts.",
)
WITHOUT_COMMITS: Final = _counter(
    "delivery_deployments_without_commits_total",
    _PAIR,
    "Promotions of which no commit is known, so that they gave no lead time.",
)
CLOCK_SKEW: Final = _counter(
    "delivery_clock_skew_total",
    _PAIR,
    "Spans that came out negative because clocks disagree, and were not observed.",
)
LEAD_TIME_REVISIONS: Final = _counter(
    "delivery_lead_time_revisions_total",
    _PAIR,
    "Lead times that a late fact changed after they were observed.",
)
RESTORE_REVISIONS: Final = _counter(
    "delivery_restore_revisions_total",
    _PAIR,
    "Times to restore that a late fact changed after they were observed, such as a reopening.",
)
CONFLICTING_EVENTS: Final = _counter(
    "delivery_conflicting_events_total",
    _SERVICE,
    "Events that came twice under one event_id with different content.",
)
RESTORE_DURATION: Final = _histogram(
    "delivery_restore_duration_seconds",
    "Time to restore, one observation per incident: exact means and quantiles from counters.",
)

# Gauges of the current state.
PENDING: Final = _gauge(
    "delivery_deployments_pending",
    _PAIR,
    "Deployments begun and not yet judged, without those superseded or abandoned.",
)
FAILING: Final = _gauge("delivery_deployments_failing", _PAIR, "Deployments not yet judged that have failed already.")
SUPERSEDED: Final = _gauge(
    "delivery_deployments_superseded",
    _PAIR,
    "Deployments never finished because a newer one began. In no rate.",
)
ABANDONED: Final = _gauge(
    "delivery_deployments_abandoned",
    _PAIR,
    "Deployments never finished within the canary timeout, none newer. In no rate.",
)
INCIDENTS_OPEN: Final = _gauge("delivery_incidents_open", _PAIR, "Incidents open now.")
INCIDENTS_UNATTRIBUTED: Final = _gauge(
    "delivery_incidents_unattributed",
    _PAIR,
    "Incidents put on no deployment, and of which nobody said that none did it.",
)
ROLLBACK_REHEARSED: Final = _gauge(
    "delivery_rollback_rehearsed_timestamp_seconds",
    _PAIR,
    "When a rollback was last rehearsed and did not report that it failed. No sample: never.",
)
LAST_EVENT: Final = _gauge(
    "delivery_last_event_timestamp_seconds",
    _SERVICE,
    "When the latest event of the service happened, by its own clock; rehearsals and tests left out.",
)
CLOCK: Final = _gauge(
    "delivery_clock_timestamp_seconds",
    _SERVICE,
    "The log's clock when the service's numbers were computed last.",
)
SETTINGS: Final = MetricSpec(
    "delivery_settings_info",
    MetricKind.INFO,
    SETTINGS_LABELS,
    "The settings the numbers were computed with. Two series: some snapshots are from before a change.",
)

# Sliding windows: exact, revised with late facts, exposed with numerator and denominator. No value: no sample, not 0.
CHANGE_FAILURE_RATIO: Final = _gauge(
    "delivery_change_failure_ratio",
    _WINDOW,
    "Judged failed / judged, of the deployments that finished in the window. No sample if none was judged.",
)
CHANGE_FAILURES: Final = _gauge(
    "delivery_change_failures",
    _WINDOW,
    "The numerator: deployments of the window judged as failed.",
)
CHANGE_FAILURES_BY_REASON: Final = _gauge(
    "delivery_change_failures_by_reason",
    (*_WINDOW, "reason"),
    "The numerator by the reason that came first.",
)
JUDGED: Final = _gauge(
    "delivery_deployments_judged",
    _WINDOW,
    "The denominator: deployments of the window that have a verdict.",
)
FREQUENCY: Final = _gauge(
    "delivery_deployment_frequency_per_day",
    _WINDOW,
    "Judged deployments of the window per day.",
)
HOTFIXES: Final = _gauge(
    "delivery_deployments_hotfix",
    _WINDOW,
    "Judged deployments of the window in the hotfix lane.",
)
REWORK_RATIO: Final = _gauge(
    "delivery_rework_ratio",
    _WINDOW,
    "Hotfix deployments / judged deployments of the window. No sample if none was judged.",
)
LEAD_COUNT: Final = _gauge("delivery_lead_time_observations", _WINDOW, "Lead times in the window.")
LEAD_P50: Final = _gauge("delivery_lead_time_p50_seconds", _WINDOW, "Median lead time of the window, exact.")
LEAD_P90: Final = _gauge("delivery_lead_time_p90_seconds", _WINDOW, "90th percentile of the lead times, exact.")
RESTORE_COUNT: Final = _gauge("delivery_restore_observations", _WINDOW, "Incidents restored in the window.")
RESTORE_MEAN: Final = _gauge("delivery_restore_mean_seconds", _WINDOW, "Mean time to restore of the window (MTTR).")
RESTORE_P50: Final = _gauge("delivery_restore_p50_seconds", _WINDOW, "Median time to restore of the window, exact.")
RESTORE_P90: Final = _gauge("delivery_restore_p90_seconds", _WINDOW, "90th percentile of the times to restore, exact.")
RECOVERY_COUNT: Final = _gauge(
    "delivery_failed_deployment_recovery_observations",
    _WINDOW,
    "Restored incidents of the window that a deployment is blamed for.",
)
RECOVERY_MEAN: Final = _gauge(
    "delivery_failed_deployment_recovery_mean_seconds",
    _WINDOW,
    "Mean time to restore of the incidents that a deployment is blamed for.",
)
RECOVERY_P50: Final = _gauge(
    "delivery_failed_deployment_recovery_p50_seconds",
    _WINDOW,
    "Median time to restore of the incidents that a deployment is blamed for, exact.",
)
WINDOW_INCIDENTS: Final = _gauge("delivery_window_incidents", _WINDOW, "Incidents that opened in the window.")
WINDOW_UNATTRIBUTED: Final = _gauge(
    "delivery_window_incidents_unattributed",
    _WINDOW,
    "Incidents that opened in the window, put on no deployment, and of which nobody said that none did it.",
)

# The exporter itself. These start at 0 with the process.
READY: Final = _gauge(
    "delivery_serving_ready",
    (),
    "1 if Kafka answers, 0 while it does not and the numbers may be old. The same as /readyz.",
)
RECORDS: Final = _counter("delivery_serving_records_total", _TOPIC, "Records read since the process started.")
BAD_RECORDS: Final = _counter(
    "delivery_serving_bad_records_total",
    (*_TOPIC, "reason"),
    "Records refused since the process started; the number before them stays. The log names each.",
)
STALE_RECORDS: Final = _counter(
    "delivery_serving_stale_records_total",
    _TOPIC,
    "Snapshots that came after a later one and were passed over, as when a paused worker wakes.",
)
LAST_READ: Final = _gauge(
    "delivery_serving_last_read_timestamp_seconds",
    (),
    "When Kafka last answered this process, with a record or with the end of a partition.",
)
SAMPLES_WAITING: Final = _gauge(
    "delivery_serving_incident_samples_waiting",
    (),
    "Incidents whose sample of incident_resolution_seconds waits for its turn.",
)

# The upstream pipeline. No sample while Kafka does not answer.
WORKER_LAG: Final = _gauge(
    "delivery_worker_lag_messages",
    (),
    "Messages of deploy_events that the workers have not acknowledged.",
)
LAST_APPEND: Final = _gauge(
    "delivery_log_last_append_timestamp_seconds",
    (),
    "When deploy_events got its latest message. Workers write a tick every 30 s: an old one means that none runs.",
)
DEAD_LETTERS: Final = _counter(
    "delivery_dead_letters_total",
    (),
    "Messages of deploy_events_dead: what the workers or the sidecar refused. A crash may repeat some.",
)

PIPELINE: Final[tuple[MetricSpec, ...]] = (
    READY,
    RECORDS,
    BAD_RECORDS,
    STALE_RECORDS,
    LAST_READ,
    SAMPLES_WAITING,
    WORKER_LAG,
    LAST_APPEND,
    DEAD_LETTERS,
)
"""Metrics of the exporter and its upstream pipeline, which belong to no service."""

METRICS: Final[tuple[MetricSpec, ...]] = (
    DEPLOYMENTS,
    DEPLOYMENTS_SUCCESS,
    LEAD_TIME,
    INCIDENT_RESOLUTION,
    DEPLOYMENT_FAILURES,
    LATE_FAILURES,
    VERDICT_REVISIONS,
    WITHOUT_COMMITS,
    CLOCK_SKEW,
    LEAD_TIME_REVISIONS,
    RESTORE_REVISIONS,
    CONFLICTING_EVENTS,
    RESTORE_DURATION,
    PENDING,
    FAILING,
    SUPERSEDED,
    ABANDONED,
    INCIDENTS_OPEN,
    INCIDENTS_UNATTRIBUTED,
    ROLLBACK_REHEARSED,
    LAST_EVENT,
    CLOCK,
    SETTINGS,
    CHANGE_FAILURE_RATIO,
    CHANGE_FAILURES,
    CHANGE_FAILURES_BY_REASON,
    JUDGED,
    FREQUENCY,
    HOTFIXES,
    REWORK_RATIO,
    LEAD_COUNT,
    LEAD_P50,
    LEAD_P90,
    RESTORE_COUNT,
    RESTORE_MEAN,
    RESTORE_P50,
    RESTORE_P90,
    RECOVERY_COUNT,
    RECOVERY_MEAN,
    RECOVERY_P50,
    WINDOW_INCIDENTS,
    WINDOW_UNATTRIBUTED,
    *PIPELINE,
)
