"""A scrape put together by hand, and its rendering, for the tests of serving."""

from collections.abc import Iterable, Mapping

from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from schemas.values import SECOND, MetricsValue
from streams.exporter.collector import ExporterHealth, ScrapeAnswer, ScrapeCollector
from streams.exporter.incident_samples import SampleLabels, StampedSample
from streams.exporter.lag import PipelineLag
from streams.exporter.state import MetricsState
from tests.support.builders.snapshots import NOON

LINE = SampleLabels("api", "prod", "sev1")
STAMPED = StampedSample(NOON // 1000, "api/inc-1", 2400.0)
"""What `incident()` is shown as."""

HEALTH = ExporterHealth(
    ready=True,
    records={"delivery_metrics": 3, "incidents": 1},
    bad={("delivery_metrics", "undecodable"): 1, ("incidents", "undecodable"): 0},
    stale={"delivery_metrics": 2},
    last_read=NOON + SECOND,
    pipeline=PipelineLag(behind=12, appended_at=NOON, dead_letters=3),
)


def scrape(
    values: Iterable[MetricsValue] = (),
    samples: Mapping[SampleLabels, StampedSample] | None = None,
    *,
    new: Iterable[MetricsValue] = (),
    acked: int = 0,
    health: ExporterHealth = HEALTH,
) -> ScrapeAnswer:
    """One answer: `values` were there from the start, `new` ones came while running."""
    state = MetricsState()
    for value in values:
        state.apply(value)
    state.mark_restored()
    for value in new:
        state.apply(value)
    return ScrapeAnswer(state.freeze(), acked, samples or {}, 0, health)


def text(answer: ScrapeAnswer) -> str:
    return generate_latest(ScrapeCollector(answer)).decode()


def openmetrics(answer: ScrapeAnswer) -> str:
    rendered: bytes = generate_openmetrics(ScrapeCollector(answer))  # type: ignore[no-untyped-call]
    return rendered.decode()


def samples(rendered: str) -> list[Sample]:
    """All samples of an OpenMetrics text, which the parser of the format accepts."""
    families = text_string_to_metric_families(rendered)  # type: ignore[no-untyped-call]
    return [sample for family in families for sample in family.samples]


def numbers(rendered: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Series (name and sorted labels) to value."""
    return {(each.name, tuple(sorted(each.labels.items()))): float(each.value) for each in samples(rendered)}


def number(rendered: str, name: str, **labels: str) -> float | None:
    """The value of one series; None if it is not there."""
    return numbers(rendered).get((name, tuple(sorted(labels.items()))))
