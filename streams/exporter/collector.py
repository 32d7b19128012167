"""Render a `ScrapeAnswer` as Prometheus metrics, driven by tables that map each metric to a field."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as FamilyExemplar
from prometheus_client.utils import floatToGoString
from typing_extensions import override

from schemas.duration import format_duration
from schemas.values import (
    DAY,
    SECOND,
    CountersValue,
    ExemplarValue,
    HistogramValue,
    MetricsValue,
    Micros,
    SettingsValue,
    StateValue,
    WindowValue,
)
from streams.core.counters import LEAD_BUCKETS
from streams.exporter import metrics
from streams.exporter.incident_samples import SampleLabels, StampedSample
from streams.exporter.lag import UNKNOWN, PipelineLag
from streams.exporter.metrics import METRICS, MetricSpec
from streams.exporter.state import REVISIONS, MetricsSnapshot, Pair, Series

EXEMPLAR_LABEL: Final = "commit_sha"
EXEMPLAR_LIMIT: Final = 128
"""OpenMetrics allows an exemplar this many characters of label names and values; one more and a scrape fails."""
BOUNDS: Final[tuple[str, ...]] = (
    *(floatToGoString(bound) for bound in LEAD_BUCKETS),  # type: ignore[no-untyped-call]
    "+Inf",
)


@dataclass(frozen=True, slots=True)
class ExporterHealth:
    """Metrics of the exporter itself. `records` and `stale` are by topic, `bad` by topic and reason."""

    ready: bool
    records: Mapping[str, int]
    bad: Mapping[tuple[str, str], int]
    stale: Mapping[str, int]
    last_read: Micros | None
    pipeline: PipelineLag = UNKNOWN


@dataclass(frozen=True, slots=True)
class ScrapeAnswer:
    """Everything that one response to one scraper is rendered from.

    `acked` is the last sequence number that was delivered to this scraper. Counters first seen after it are exposed as
    0 once, so that Prometheus sees their first increase.
    """

    snapshot: MetricsSnapshot
    acked: int
    samples: Mapping[SampleLabels, StampedSample]
    waiting: int
    health: ExporterHealth

    def is_new(self, series: Series) -> bool:
        """Tell whether this series has yet to be exposed to the scraper as 0."""
        return self.snapshot.first_seen.get(series, 0) > self.acked


class ScrapeCollector(Collector):
    """A prometheus_client collector over one scrape. No `_created` series: a restored counter was not created now."""

    def __init__(self, scrape: ScrapeAnswer) -> None:
        self._scrape = scrape

    def describe(self) -> Iterable[Family]:
        """Return nothing. Without this method, a registry collects once on registration."""
        return []

    @override
    def collect(self) -> Iterator[Family]:
        """Yield the metric families of `METRICS`, in order."""
        for metric in METRICS:
            yield FAMILIES[metric](metric, self._scrape)


Labels = tuple[str, ...]
Row = tuple[Labels, float]
Rows = Callable[[ScrapeAnswer], Iterable[Row]]
Render = Callable[[MetricSpec, ScrapeAnswer], Family]

COUNTERS: Final[Mapping[MetricSpec, Callable[[CountersValue], int]]] = {
    metrics.DEPLOYMENTS: lambda counters: counters["deployments"],
    metrics.DEPLOYMENTS_SUCCESS: lambda counters: counters["deployments_success"],
    metrics.LATE_FAILURES: lambda counters: counters["late_failures"],
    metrics.WITHOUT_COMMITS: lambda counters: counters["deployments_without_commits"],
    metrics.CLOCK_SKEW: lambda counters: counters["clock_skew"],
    metrics.LEAD_TIME_REVISIONS: lambda counters: counters["lead_time_revisions"],
    metrics.RESTORE_REVISIONS: lambda counters: counters["restore_revisions"],
}
HISTOGRAMS: Final[Mapping[MetricSpec, Callable[[CountersValue], HistogramValue]]] = {
    metrics.LEAD_TIME: lambda counters: counters["lead_time"],
    metrics.RESTORE_DURATION: lambda counters: counters["restore"],
}
STATES: Final[Mapping[MetricSpec, Callable[[StateValue], float | None]]] = {
    metrics.PENDING: lambda state: state["pending"],
    metrics.FAILING: lambda state: state["failing"],
    metrics.SUPERSEDED: lambda state: state["superseded"],
    metrics.ABANDONED: lambda state: state["abandoned"],
    metrics.INCIDENTS_OPEN: lambda state: state["incidents_open"],
    metrics.INCIDENTS_UNATTRIBUTED: lambda state: state["incidents_unattributed"],
    metrics.ROLLBACK_REHEARSED: lambda state: _seconds(state["rehearsed_at"]),
}
WINDOWS: Final[Mapping[MetricSpec, Callable[[WindowValue], float | None]]] = {
    metrics.CHANGE_FAILURE_RATIO: lambda window: _ratio(window["failed"], window["judged"]),
    metrics.CHANGE_FAILURES: lambda window: window["failed"],
    metrics.JUDGED: lambda window: window["judged"],
    metrics.FREQUENCY: lambda window: _ratio(window["judged"] * DAY, window["window"]),
    metrics.HOTFIXES: lambda window: window["hotfix"],
    metrics.REWORK_RATIO: lambda window: _ratio(window["hotfix"], window["judged"]),
    metrics.LEAD_COUNT: lambda window: window["lead_count"],
    metrics.LEAD_P50: lambda window: window["lead_p50"],
    metrics.LEAD_P90: lambda window: window["lead_p90"],
    metrics.RESTORE_COUNT: lambda window: window["restore_count"],
    metrics.RESTORE_MEAN: lambda window: window["restore_mean"],
    metrics.RESTORE_P50: lambda window: window["restore_p50"],
    metrics.RESTORE_P90: lambda window: window["restore_p90"],
    metrics.RECOVERY_COUNT: lambda window: window["recovery_count"],
    metrics.RECOVERY_MEAN: lambda window: window["recovery_mean"],
    metrics.RECOVERY_P50: lambda window: window["recovery_p50"],
    metrics.WINDOW_INCIDENTS: lambda window: window["incidents"],
    metrics.WINDOW_UNATTRIBUTED: lambda window: window["unattributed"],
}


def _failures(scrape: ScrapeAnswer) -> Iterator[Row]:
    for pair, value in scrape.snapshot.pairs():
        counts = dict.fromkeys(metrics.REASONS, 0) | value["counters"]["failures"]
        for reason, count in sorted(counts.items()):
            is_new = scrape.is_new(pair) or scrape.is_new((*pair, reason))
            yield (*pair, reason), 0 if is_new else count


def _revisions(scrape: ScrapeAnswer) -> Iterator[Row]:
    for pair, value in scrape.snapshot.pairs():
        counts = dict.fromkeys(REVISIONS, 0)
        for revision in value["counters"]["verdict_revisions"]:
            counts[revision["from_verdict"], revision["to_verdict"]] = revision["count"]
        for revised, count in sorted(counts.items()):
            is_new = scrape.is_new(pair) or scrape.is_new((*pair, *revised))
            yield (*pair, *revised), 0 if is_new else count


def _conflicts(scrape: ScrapeAnswer) -> Iterator[Row]:
    for pair, value in _service_totals(scrape.snapshot):
        yield (pair[0],), 0 if scrape.is_new(pair) else value["counters"]["conflicting_events"]


def _reasons(scrape: ScrapeAnswer) -> Iterator[Row]:
    for pair, value in scrape.snapshot.pairs():
        for window in value["windows"]:
            counts = dict.fromkeys(metrics.REASONS, 0) | window["reasons"]
            length = format_duration(window["window"])
            yield from (((*pair, length, reason), count) for reason, count in sorted(counts.items()))


def _latest(read: Callable[[MetricsValue], Micros | None]) -> Rows:
    """Read the maximum of a timestamp over all snapshots of a service."""

    def rows(scrape: ScrapeAnswer) -> Iterator[Row]:
        latest: dict[str, Micros] = {}
        for (service, _), value in scrape.snapshot.values.items():
            time = read(value)
            if time is not None:
                latest[service] = max(time, latest.get(service, time))
        return (((service,), time / SECOND) for service, time in sorted(latest.items()))

    return rows


GAUGES: Final[Mapping[MetricSpec, Rows]] = {
    metrics.CHANGE_FAILURES_BY_REASON: _reasons,
    metrics.LAST_EVENT: _latest(lambda value: value["state"]["last_event_at"]),
    metrics.CLOCK: _latest(lambda value: value["at"]),
    metrics.READY: lambda scrape: [((), int(scrape.health.ready))],
    metrics.LAST_READ: lambda scrape: _optional((), _seconds(scrape.health.last_read)),
    metrics.SAMPLES_WAITING: lambda scrape: [((), scrape.waiting)],
    metrics.WORKER_LAG: lambda scrape: _optional((), scrape.health.pipeline.behind),
    metrics.LAST_APPEND: lambda scrape: _optional((), _seconds(scrape.health.pipeline.appended_at)),
}
LABELLED_COUNTERS: Final[Mapping[MetricSpec, Rows]] = {
    metrics.DEPLOYMENT_FAILURES: _failures,
    metrics.VERDICT_REVISIONS: _revisions,
    metrics.CONFLICTING_EVENTS: _conflicts,
    metrics.RECORDS: lambda scrape: (((topic,), count) for topic, count in sorted(scrape.health.records.items())),
    metrics.BAD_RECORDS: lambda scrape: sorted(scrape.health.bad.items()),
    metrics.DEAD_LETTERS: lambda scrape: _optional((), scrape.health.pipeline.dead_letters),
    metrics.STALE_RECORDS: lambda scrape: (((topic,), count) for topic, count in sorted(scrape.health.stale.items())),
}


def _pair_counter(read: Callable[[CountersValue], int]) -> Rows:
    return lambda scrape: (
        (pair, 0 if scrape.is_new(pair) else read(value["counters"])) for pair, value in scrape.snapshot.pairs()
    )


def _state(read: Callable[[StateValue], float | None]) -> Rows:
    return lambda scrape: (
        row for pair, value in scrape.snapshot.pairs() for row in _optional(pair, read(value["state"]))
    )


def _window(read: Callable[[WindowValue], float | None]) -> Rows:
    return lambda scrape: (
        row
        for pair, value in scrape.snapshot.pairs()
        for window in value["windows"]
        for row in _optional((*pair, format_duration(window["window"])), read(window))
    )


def _plain(kind: type[CounterMetricFamily | GaugeMetricFamily], rows: Rows) -> Render:
    def render(metric: MetricSpec, scrape: ScrapeAnswer) -> Family:
        family = kind(metric.family, metric.help, labels=metric.labels)
        for labels, number in rows(scrape):
            family.add_metric(labels, number)
        return family

    return render


def _histogram(read: Callable[[CountersValue], HistogramValue]) -> Render:
    def render(metric: MetricSpec, scrape: ScrapeAnswer) -> Family:
        family = HistogramMetricFamily(metric.family, metric.help, labels=metric.labels)
        for pair, value in scrape.snapshot.pairs():
            if scrape.is_new(pair):
                family.add_metric(pair, [(bound, 0) for bound in BOUNDS], 0)
            else:
                histogram = read(value["counters"])
                family.add_metric(pair, _buckets(histogram), histogram["sum"] / SECOND)
        return family

    return render


def _buckets(histogram: HistogramValue) -> Sequence[tuple[str, float] | tuple[str, float, FamilyExemplar]]:
    exemplars = {exemplar["bucket"]: exemplar for exemplar in histogram["exemplars"]}
    buckets: list[tuple[str, float] | tuple[str, float, FamilyExemplar]] = []
    for index, (bound, count) in enumerate(zip(BOUNDS, accumulate(histogram["counts"]), strict=True)):
        exemplar = exemplars.get(index)
        if exemplar is not None and _fits(exemplar):
            buckets.append((bound, count, _exemplar(exemplar)))
        else:
            buckets.append((bound, count))
    return buckets


def _exemplar(exemplar: ExemplarValue) -> FamilyExemplar:
    labels = {EXEMPLAR_LABEL: exemplar["commit_sha"]}
    return FamilyExemplar(labels, exemplar["value"] / SECOND, exemplar["at"] / SECOND)


def _fits(exemplar: ExemplarValue) -> bool:
    return len(EXEMPLAR_LABEL) + len(exemplar["commit_sha"]) <= EXEMPLAR_LIMIT


def _incident_samples(metric: MetricSpec, scrape: ScrapeAnswer) -> Family:
    family = GaugeMetricFamily(metric.family, metric.help, labels=metric.labels)
    for labels, sample in sorted(scrape.samples.items()):
        family.add_metric(labels, sample.seconds, timestamp=sample.at / 1000)
    return family


def _settings(metric: MetricSpec, scrape: ScrapeAnswer) -> Family:
    family = InfoMetricFamily(metric.family, metric.help, labels=metric.labels)
    for labels in sorted({_settings_labels(value["settings"]) for value in scrape.snapshot.values.values()}):
        family.add_metric(labels, {})
    return family


def _settings_labels(settings: SettingsValue) -> Labels:
    return (
        format_duration(settings["failure_window"]),
        format_duration(settings["lateness"]),
        format_duration(settings["max_future"]),
        format_duration(settings["canary_timeout"]),
        ",".join(settings["failing_severities"]),
        ",".join(settings["production_envs"]),
    )


def _service_totals(snapshot: MetricsSnapshot) -> Iterator[tuple[Pair, MetricsValue]]:
    return ((pair, snapshot.values[pair]) for pair in sorted(snapshot.values) if not pair[1])


def _optional(labels: Labels, value: float | None) -> list[Row]:
    """Return one row, or none if there is no value."""
    return [] if value is None else [(labels, value)]


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _seconds(time: Micros | None) -> float | None:
    return None if time is None else time / SECOND


FAMILIES: Final[Mapping[MetricSpec, Render]] = {
    **{metric: _plain(CounterMetricFamily, _pair_counter(read)) for metric, read in COUNTERS.items()},
    **{metric: _plain(CounterMetricFamily, rows) for metric, rows in LABELLED_COUNTERS.items()},
    **{metric: _histogram(read) for metric, read in HISTOGRAMS.items()},
    **{metric: _plain(GaugeMetricFamily, _state(read)) for metric, read in STATES.items()},
    **{metric: _plain(GaugeMetricFamily, _window(read)) for metric, read in WINDOWS.items()},
    **{metric: _plain(GaugeMetricFamily, rows) for metric, rows in GAUGES.items()},
    metrics.INCIDENT_RESOLUTION: _incident_samples,
    metrics.SETTINGS: _settings,
}
"""The function that renders each metric."""
