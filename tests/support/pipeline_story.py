"""Four days of a pipeline in trouble, as Prometheus would have scraped them: made-up counts in the real exporters."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Final, cast

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from producers.drain import Aside, Drained
from producers.parcel import DEAD_LETTERS, EVENTS
from producers.publisher import Cause, Failure
from producers.receiver.metrics import Metrics
from producers.receiver.slo import SloGate, SloState
from producers.spool import Spool
from schemas.values import DAY, HOUR, MINUTE, SECOND, Micros
from streams.serving.collector import Health, Scrape, ScrapeCollector
from streams.serving.pipeline import Pipeline
from streams.serving.state import Snapshot

LENGTH: Final[Micros] = 4 * DAY
FINE: Final[Micros] = 40 * MINUTE
"""At the end there is a sample every minute, before it one every hour: burn is asked over five minutes too."""
ERRORS, REQUESTS = 3, 100
"""Requests a second that fail, and all."""
LAG, LOG_AGE, SPOOL_AGE = 250, 20, 45
"""Messages that wait, and the age of the log's last message and of the sidecar's last delivery, in seconds."""
DEAD_A_STEP: Final = 2


@dataclass
class Pages:
    """Samples of many scrapes, by family and series, in the order in which they were first seen."""

    families: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def add(self, page: str, at: Micros) -> None:
        """One answer of an exporter."""
        head = ""
        for line in page.splitlines():
            if line.startswith("# TYPE "):
                head = line
            elif not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                self.families.setdefault(head, {}).setdefault(series, []).append(f"{value} {at / SECOND:.3f}")

    def lines(self) -> Iterator[str]:
        """All of it, for promtool."""
        for head, series in self.families.items():
            yield f"{head}\n"
            for name, samples in series.items():
                yield "".join(f"{name} {sample}\n" for sample in samples)
        yield "# EOF\n"


def story(folder: Path, end: Micros) -> Pages:
    """What the three exporters said; every step there is a little more of everything that can go wrong."""
    pages = Pages()
    with Spool(str(folder)) as spool:
        sidecar = _Sidecar(spool)
        for step, at in enumerate(_moments(end)):
            pages.add(sidecar.page(step, at), at)
            pages.add(_serving(step, at), at)
            pages.add(_others(step, at - (end - LENGTH)), at)
    return pages


def _moments(end: Micros) -> list[Micros]:
    return [*range(end - LENGTH, end - FINE, HOUR), *range(end - FINE, end + 1, MINUTE)]


class _Sidecar:
    def __init__(self, spool: Spool) -> None:
        self.metrics = Metrics(spool)
        self.objectives = SloState(waiting=1)
        self.metrics.watch(cast("SloGate", SimpleNamespace(state=self.objectives)))

    def page(self, step: int, at: Micros) -> str:
        metrics = self.metrics
        metrics.received.labels("github").inc(5)
        metrics.rejected.labels("github", "bad_signature").inc()
        metrics.dead_letters.labels("pagerduty").inc()
        metrics.ignored.labels("github").inc()
        metrics.spooled.labels("github").inc(3)
        metrics.answer_seconds.labels("github").observe(0.02)
        metrics.spool_seconds.observe(0.004)
        metrics.in_flight.set(2)
        metrics.drained(
            Drained(
                sent=Counter({EVENTS: 2, DEAD_LETTERS: 1}),
                waited=[0.2, 0.3, 0.4],
                aside=[Aside("one", "invalid", "made up")],
                failure=Failure(Cause.UNREACHABLE, "made up"),
            )
        )
        metrics.last_delivery.set(at / SECOND - SPOOL_AGE)
        self.objectives.released = self.objectives.gave_up = self.objectives.failures = step
        return _text(metrics.registry)


def _serving(step: int, at: Micros) -> str:
    health = Health(
        ready=True,
        records={"delivery_metrics": 10 * step, "incidents": step},
        bad={("incidents", "undecodable"): step},
        stale={"delivery_metrics": step},
        last_read=at - LOG_AGE * SECOND,
        pipeline=Pipeline(behind=LAG, appended_at=at - LOG_AGE * SECOND, dead_letters=DEAD_A_STEP * step),
    )
    empty = Snapshot(MappingProxyType({}), MappingProxyType({}), 0)
    registry = CollectorRegistry()
    registry.register(ScrapeCollector(Scrape(empty, 0, {}, 3, health)))
    return _text(registry)


def _text(registry: CollectorRegistry) -> str:
    page: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return page.decode()


def _others(step: int, since: Micros) -> str:
    """What a canaried application and Prometheus itself expose."""
    good, bad = ((REQUESTS - ERRORS) * since // SECOND, ERRORS * since // SECOND)
    return f"""\
# TYPE http_requests counter
http_requests_total{{app="myapp",status="200"}} {good}
http_requests_total{{app="myapp",status="503"}} {bad}
# TYPE prometheus_target_scrapes_sample_out_of_bounds counter
prometheus_target_scrapes_sample_out_of_bounds_total {step}
"""
