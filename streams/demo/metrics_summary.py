"""Extract the values of the demo's table from the text of /metrics. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from streams.demo.facts import PROD
from streams.exporter import metrics
from streams.exporter.metrics import MetricSpec

WINDOW: Final = "90d"

_Samples = Mapping[tuple[str, str], float]
"""Production samples by metric name and service; those with a window, for `WINDOW` only."""


@dataclass(frozen=True, slots=True)
class ServiceSummary:
    """One service in production: None without a value, durations in seconds."""

    service: str
    judged: int
    failed: int
    ratio: float | None
    lead_count: int
    lead_p50: float | None
    lead_p90: float | None
    restore_count: int
    restore_mean: float | None
    pending: int
    failing: int
    superseded: int
    abandoned: int
    incidents_open: int
    unattributed: int


@dataclass(frozen=True, slots=True)
class MetricsSummary:
    """All services, by name."""

    lines: tuple[ServiceSummary, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no service has reached production yet."""
        return not self.lines


def read_summary(text: str) -> MetricsSummary:
    """Read the summary of one answer of /metrics in the Prometheus text format.

    Raises:
        ValueError: the text is not in that format.
    """
    samples = _samples(text)
    services = sorted({service for name, service in samples if name == metrics.DEPLOYMENTS.name})
    return MetricsSummary(tuple(_line(service, samples) for service in services))


def _samples(text: str) -> _Samples:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if labels.get("env") == PROD and labels.get("window", WINDOW) == WINDOW and "reason" not in labels:
                found[sample.name, labels["service"]] = sample.value
    return found


def _line(service: str, samples: _Samples) -> ServiceSummary:
    def value(metric: MetricSpec) -> float | None:
        return samples.get((metric.name, service))

    def number(metric: MetricSpec) -> int:
        return int(samples.get((metric.name, service), 0))

    return ServiceSummary(
        service,
        judged=number(metrics.JUDGED),
        failed=number(metrics.CHANGE_FAILURES),
        ratio=value(metrics.CHANGE_FAILURE_RATIO),
        lead_count=number(metrics.LEAD_COUNT),
        lead_p50=value(metrics.LEAD_P50),
        lead_p90=value(metrics.LEAD_P90),
        restore_count=number(metrics.RESTORE_COUNT),
        restore_mean=value(metrics.RESTORE_MEAN),
        pending=number(metrics.PENDING),
        failing=number(metrics.FAILING),
        superseded=number(metrics.SUPERSEDED),
        abandoned=number(metrics.ABANDONED),
        incidents_open=number(metrics.INCIDENTS_OPEN),
        unattributed=number(metrics.WINDOW_UNATTRIBUTED),
    )
