"""Four days of a pipeline in trouble, as Prometheus would have scraped them: made-up counts in the real exporters."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Final, NamedTuple, cast

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from producers.delivery.drainer import DrainResult, QuarantinedMessage
from producers.delivery.publisher import DeliveryFailure, FailureCause
from producers.sidecar.metrics import SidecarMetrics
from producers.sidecar.slo.gate import SloGate, SloState
from producers.spool.message_file import DEAD_LETTERS, EVENTS, SpooledMessage
from producers.spool.spool import Spool, SpoolLimits
from schemas.values import DAY, HOUR, MINUTE, SECOND, Micros
from streams.exporter.collector import ExporterHealth, ScrapeAnswer, ScrapeCollector
from streams.exporter.lag import PipelineLag
from streams.exporter.state import MetricsSnapshot

LENGTH: Final[Micros] = 4 * DAY
FINE: Final[Micros] = 40 * MINUTE
"""At the end there is a sample every minute, before it one every hour."""
WATCHED: Final[Micros] = 7 * HOUR
"""For so long the canaried application has one every minute: its errors are asked over five minutes too."""
ERRORS, REQUESTS = 3, 100
"""Requests a second that fail, and all."""
LAG, LOG_AGE, KAFKA_AGE, SPOOL_AGE = 250, 20, 7, 45
"""Messages that wait, and how long ago the log's last message, Kafka's last answer and the last delivery were."""
SAMPLES_WAITING: Final = 3
IN_FLIGHT: Final = 2
OBJECTIVES_WAITING: Final = 1
PUT, ASIDE, ROOM = 7, 2, 20
"""Messages that were put into the spool when the story began, of which so many are in quarantine, and its limit."""
ROOM_BYTES: Final = 1 << 16


INSTANCES: Final = ("one", "two")
"""There are two sidecars and two processes of the application, each with the same numbers."""


class Steps(NamedTuple):
    """How much of everything there is more at each step. No two are alike, so that none is taken for another."""

    received: int = 5
    rejected: int = 3
    no_event: int = 4
    stands_for_none: int = 6
    spooled: int = 8
    delivered: int = 9
    delivered_dead: int = 1
    aside: int = 2
    released: int = 10
    gave_up: int = 11
    unanswered: int = 12
    read_metrics: int = 13
    read_incidents: int = 14
    undecodable: int = 15
    stale: int = 16
    dead_letters: int = 17
    out_of_bounds: int = 18


A_STEP: Final = Steps()
TOOK_TO_ANSWER, TOOK_THE_DISK, TOOK_TO_KAFKA = 0.02, 0.004, 0.4
TOOK_LESS, MOST = 0.0005, 9
"""Seconds that one in ten takes, and those that nine in ten take."""


@dataclass
class Pages:
    """Samples of many scrapes, by family and series, in the order in which they were first seen."""

    families: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def add(self, page: str, at: Micros, instance: str = "") -> None:
        """One answer of an exporter, or of one of several."""
        head = ""
        for line in page.splitlines():
            if line.startswith("# TYPE "):
                head = line
            elif not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                series = _of_instance(series, instance) if instance else series
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
    clock = end - LENGTH
    limits = SpoolLimits(max_bytes=ROOM_BYTES, max_files=ROOM)
    with Spool(str(folder), limits, lambda: clock / SECOND) as spool:
        sidecar = _Sidecar(spool)
        for step, at in enumerate(moments(end)):
            clock = at
            page = sidecar.page(step, at)
            for instance in INSTANCES:
                pages.add(page, at, instance)
            pages.add(_serving(step, at), at)
            pages.add(_prometheus(step), at)
    for at in [*range(end - LENGTH, end - WATCHED, HOUR), *range(end - WATCHED, end + 1, MINUTE)]:
        for instance in INSTANCES:
            pages.add(_canaried(at - (end - LENGTH)), at, instance)
    return pages


def _of_instance(series: str, instance: str) -> str:
    name, _, labels = series.partition("{")
    return f'{name}{{instance="{instance}"{"," if labels else ""}{labels or "}"}'


def moments(end: Micros) -> list[Micros]:
    """When there was a scrape."""
    return [*range(end - LENGTH, end - FINE, HOUR), *range(end - FINE, end + 1, MINUTE)]


def parcel(number: int) -> SpooledMessage:
    """A message that waits in the spool."""
    return SpooledMessage(f"waiting-{number}", "web-shop", b"made up")


class _Sidecar:
    def __init__(self, spool: Spool) -> None:
        spool.put_all([parcel(number) for number in range(PUT)])
        for entry in spool.entries()[:ASIDE]:
            spool.quarantine(entry, "made up")
        self.metrics = SidecarMetrics(spool)
        self.objectives = SloState(waiting=OBJECTIVES_WAITING)
        self.metrics.watch(cast("SloGate", SimpleNamespace(state=self.objectives)))

    def page(self, step: int, at: Micros) -> str:
        metrics = self.metrics
        metrics.received.labels("github").inc(A_STEP.received)
        metrics.rejected.labels("github", "bad_signature").inc(A_STEP.rejected)
        metrics.dead_letters.labels("pagerduty").inc(A_STEP.no_event)
        metrics.ignored.labels("github").inc(A_STEP.stands_for_none)
        metrics.spooled.labels("github").inc(A_STEP.spooled)
        for _ in range(MOST):
            metrics.answer_seconds.labels("pagerduty").observe(TOOK_LESS)
            metrics.spool_seconds.observe(TOOK_LESS)
        metrics.answer_seconds.labels("github").observe(TOOK_TO_ANSWER)
        metrics.spool_seconds.observe(TOOK_THE_DISK)
        metrics.in_flight.set(IN_FLIGHT)
        metrics.drained(
            DrainResult(
                sent=Counter({EVENTS: A_STEP.delivered, DEAD_LETTERS: A_STEP.delivered_dead}),
                waited=[*[TOOK_LESS] * MOST, TOOK_TO_KAFKA],
                aside=[QuarantinedMessage(str(number), "invalid", "made up") for number in range(A_STEP.aside)],
                failure=DeliveryFailure(FailureCause.UNREACHABLE, "made up"),
            )
        )
        metrics.last_delivery.set(at / SECOND - SPOOL_AGE)
        self.objectives.released = A_STEP.released * step
        self.objectives.gave_up = A_STEP.gave_up * step
        self.objectives.failures = A_STEP.unanswered * step
        return _text(metrics.registry)


def _serving(step: int, at: Micros) -> str:
    health = ExporterHealth(
        ready=True,
        records={"delivery_metrics": A_STEP.read_metrics * step, "incidents": A_STEP.read_incidents * step},
        bad={("incidents", "undecodable"): A_STEP.undecodable * step},
        stale={"delivery_metrics": A_STEP.stale * step},
        last_read=at - KAFKA_AGE * SECOND,
        pipeline=PipelineLag(behind=LAG, appended_at=at - LOG_AGE * SECOND, dead_letters=A_STEP.dead_letters * step),
    )
    empty = MetricsSnapshot(MappingProxyType({}), MappingProxyType({}), 0)
    registry = CollectorRegistry()
    registry.register(ScrapeCollector(ScrapeAnswer(empty, 0, {}, SAMPLES_WAITING, health)))
    return _text(registry)


def _text(registry: CollectorRegistry) -> str:
    page: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return page.decode()


def _prometheus(step: int) -> str:
    """What Prometheus says of itself."""
    return f"""\
# TYPE prometheus_target_scrapes_sample_out_of_bounds counter
prometheus_target_scrapes_sample_out_of_bounds_total {A_STEP.out_of_bounds * step}
"""


def _canaried(since: Micros) -> str:
    """What a canaried application exposes."""
    good, bad = ((REQUESTS - ERRORS) * since // SECOND, ERRORS * since // SECOND)
    return f"""\
# TYPE http_requests counter
http_requests_total{{app="myapp",status="200"}} {good}
http_requests_total{{app="myapp",status="503"}} {bad}
"""
