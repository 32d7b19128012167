"""The series that the serving process would have shown, each as the moments at which its value changed."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.keys import record_key
from schemas.values import MetricsValue, Micros
from streams.exporter.collector import FAMILIES, ExporterHealth, ScrapeAnswer
from streams.exporter.incident_samples import UNLIMITED_AGE, SampleLabels, SampleQueue, StampedSample
from streams.exporter.metrics import INCIDENT_RESOLUTION, METRICS, PIPELINE, MetricKind, MetricSpec
from streams.exporter.state import MetricsSnapshot, Pair
from streams.replay.history import ReplayMoment

SHOWN: Final = tuple(metric for metric in METRICS if metric not in {INCIDENT_RESOLUTION, *PIPELINE})
"""Without what the serving process says of itself and of Kafka: it was not there, so nothing is made up for it."""
_RISING: Final = (MetricKind.COUNTER, MetricKind.HISTOGRAM)
_NOBODY: Final = ExporterHealth(ready=True, records={}, bad={}, stale={}, last_read=None)


class SeriesName(NamedTuple):
    """What identifies a series: the sample's name and its labels in order."""

    sample: str
    labels: tuple[tuple[str, str], ...]


class SeriesPoint(NamedTuple):
    """From this moment on the series has this value; None: it has none."""

    at: Micros
    value: float | None


class SeriesHistory:
    """Reduce moments to series. Moments before `begin` only set the values that the series begin with."""

    def __init__(self, begin: Micros) -> None:
        self._begin = begin
        self._values: dict[str, dict[Pair, MetricsValue]] = {}
        self._series: dict[MetricSpec, dict[SeriesName, list[SeriesPoint]]] = {metric: {} for metric in SHOWN}
        self._shown: dict[str, set[tuple[MetricSpec, SeriesName]]] = {}
        self._incidents = SampleQueue(max_age=UNLIMITED_AGE, min_exposure=0)

    def add(self, moment: ReplayMoment) -> None:
        """Take what changed since the last moment."""
        for value in moment.metrics:
            self._values.setdefault(value["service"], {})[value["service"], value["env"]] = value
        for service in {value["service"] for value in moment.metrics}:
            self._note(service, max(moment.at, self._begin))
        for incident in moment.incidents:
            self._incidents.offer(
                record_key(incident["service"], incident["incident_id"]).decode(), incident, moment.at
            )

    def _note(self, service: str, at: Micros) -> None:
        snapshot = MetricsSnapshot(MappingProxyType(self._values[service]), MappingProxyType({}), 0)
        scrape = ScrapeAnswer(snapshot, 0, {}, 0, _NOBODY)
        shown: set[tuple[MetricSpec, SeriesName]] = set()
        for metric in SHOWN:
            held = self._series[metric]
            for sample in FAMILIES[metric](metric, scrape).samples:
                name = SeriesName(sample.name, tuple(sample.labels.items()))
                shown.add((metric, name))
                changes = held.get(name)
                if changes is None:
                    changes = held[name] = self._first(metric, at)
                _append(changes, SeriesPoint(at, sample.value))
        for metric, name in self._shown.get(service, set()) - shown:
            _append(self._series[metric][name], SeriesPoint(at, None))
        self._shown[service] = shown

    def _first(self, metric: MetricSpec, at: Micros) -> list[SeriesPoint]:
        """What counts begins at 0 before anything is counted, or its first rise is lost."""
        return [SeriesPoint(self._begin, 0.0)] if metric.kind in _RISING and at > self._begin else []

    def series(self) -> Iterator[tuple[MetricSpec, Mapping[SeriesName, list[SeriesPoint]]]]:
        """Yield every metric that is shown, with its series in order."""
        for metric in SHOWN:
            yield metric, dict(sorted(self._series[metric].items()))

    def incidents(self, begin: Micros, end: Micros) -> list[tuple[SampleLabels, StampedSample]]:
        """One stamped sample for each incident whose time to restore was observed and that ended from begin to end."""
        return [(line, one) for line, one in self._incidents.waiting() if begin // 1000 <= one.at < end // 1000]


def _append(changes: list[SeriesPoint], change: SeriesPoint) -> None:
    if changes and changes[-1].at == change.at:
        changes.pop()
    if not changes or changes[-1].value != change.value:
        changes.append(change)


def sampled(changes: Iterable[SeriesPoint], moments: Iterable[Micros]) -> Iterator[tuple[Micros, float]]:
    """Yield the value at each of the rising moments at which there is one."""
    coming = iter(changes)
    following = next(coming, None)
    value: float | None = None
    for moment in moments:
        while following is not None and following.at <= moment:
            value, following = following.value, next(coming, None)
        if value is not None:
            yield moment, value
