"""A scrape put together by hand, and its rendering, for the tests of serving."""

from collections.abc import Iterable, Mapping

from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from schemas.values import SECOND, MetricsValue
from streams.serving.collector import Health, Scrape, ScrapeCollector
from streams.serving.pipeline import Pipeline
from streams.serving.samples import Line, Stamped
from streams.serving.state import State
from tests.unit.serving.values import NOON

HEALTH = Health(
    ready=True,
    records={"delivery_metrics": 3, "incidents": 1},
    bad={("delivery_metrics", "undecodable"): 1, ("incidents", "undecodable"): 0},
    stale={"delivery_metrics": 2},
    last_read=NOON + SECOND,
    pipeline=Pipeline(behind=12, appended_at=NOON, dead_letters=3),
)


def scrape(
    values: Iterable[MetricsValue] = (),
    samples: Mapping[Line, Stamped] | None = None,
    *,
    new: Iterable[MetricsValue] = (),
    acked: int = 0,
    health: Health = HEALTH,
) -> Scrape:
    """One answer: `values` were there from the start, `new` ones came while running."""
    state = State()
    for value in values:
        state.fold(value)
    state.restored()
    for value in new:
        state.fold(value)
    return Scrape(state.freeze(), acked, samples or {}, 0, health)


def text(answer: Scrape) -> str:
    return generate_latest(ScrapeCollector(answer)).decode()


def openmetrics(answer: Scrape) -> str:
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
