"""Every metric of the sidecar. No label has a value that a request chooses."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from producers.delivery.drainer import WHYS, DrainResult
from producers.delivery.publisher import FailureCause
from producers.sidecar.auth.access import RefusalReason
from producers.sidecar.rejections import LIMITS
from producers.sidecar.slo.gate import SloGate
from producers.sidecar.webhooks.sources import SOURCES
from producers.spool.message_file import DEAD_LETTERS, EVENTS
from producers.spool.spool import Spool

CALLERS: Final = "events"
"""The source of what comes to /v1/events."""
TOKENS: Final = "token"
UNKNOWN: Final = "unknown"
"""The source of a webhook that no source is named for."""
ORIGINS: Final = (*SOURCES, CALLERS, TOKENS, UNKNOWN)
REASONS: Final = (*LIMITS, *RefusalReason)

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_SLOW: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0)


class SidecarMetrics:
    """The numbers of one sidecar, in a registry of their own. Every series is there from the start, with 0."""

    def __init__(self, spool: Spool) -> None:
        self.registry: Final = CollectorRegistry()
        self.received = self._counter("received", "Requests that came in.", source=ORIGINS)
        self.spooled = self._counter("spooled", "Messages that were put on the disk and promised.", source=ORIGINS)
        self.dead_letters = self._counter(
            "dead_letters", "Authentic deliveries that are no events, in whole or in part.", source=ORIGINS
        )
        self.ignored = self._counter("ignored", "Authentic deliveries that stand for no event.", source=ORIGINS)
        self.rejected = self._counter("rejected", "Requests that were not taken.", source=ORIGINS, reason=REASONS)
        self.delivered = self._counter("delivered", "Messages that Kafka has.", topic=(EVENTS, DEAD_LETTERS))
        self.quarantined = self._counter("quarantined", "Messages that were put aside instead of sent.", reason=WHYS)
        self.failures = self._counter(
            "delivery_failures",
            "Tries to empty the spool that ended early.",
            cause=[each.name.lower() for each in FailureCause],
        )
        self.in_flight = Gauge("delivery_sidecar_in_flight", "Requests being answered.", registry=self.registry)
        self.answer_seconds = Histogram(
            "delivery_sidecar_answer_seconds",
            "From a request's headers to its answer.",
            ["source"],
            buckets=_FAST,
            registry=self.registry,
        )
        self.spool_seconds = Histogram(
            "delivery_sidecar_spool_write_seconds",
            "What the disk took for a request.",
            buckets=_FAST,
            registry=self.registry,
        )
        self.waited = Histogram(
            "delivery_sidecar_delivery_seconds",
            "From the disk to Kafka's acknowledgement.",
            buckets=_SLOW,
            registry=self.registry,
        )
        self.last_delivery = Gauge(
            "delivery_sidecar_last_delivery_timestamp_seconds",
            "When Kafka last acknowledged something; 0: not yet.",
            registry=self.registry,
        )
        for source in ORIGINS:
            self.answer_seconds.labels(source)
        self.registry.register(_OnDisk(spool))

    def watch(self, slo: SloGate) -> None:
        """Show the numbers of the resolutions that wait."""
        self.registry.register(_Waiting(slo))

    def drained(self, drained: DrainResult) -> None:
        """Count one go through the spool."""
        for topic, number in drained.sent.items():
            self.delivered.labels(topic).inc(number)
        for seconds in drained.waited:
            self.waited.observe(seconds)
        for aside in drained.aside:
            self.quarantined.labels(aside.why).inc()
        if drained.failure is not None:
            self.failures.labels(drained.failure.cause.name.lower()).inc()
        if drained.sent:
            self.last_delivery.set_to_current_time()

    def text(self) -> bytes:
        """What /metrics says. It looks at the disk."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, **labels: object) -> Counter:
        counter = Counter(f"delivery_sidecar_{name}", text, list(labels), registry=self.registry)
        first, *more = (tuple(values) for values in labels.values() if isinstance(values, list | tuple))
        for value in first:
            for other in more[0] if more else ("",):
                counter.labels(*((value, other) if more else (value,)))
        return counter


class _Waiting(Collector):
    """Resolutions that wait for an objective."""

    def __init__(self, slo: SloGate) -> None:
        self._slo = slo

    @override
    def collect(self) -> Iterator[Metric]:
        state = self._slo.state
        yield GaugeMetricFamily(
            "delivery_sidecar_slo_waiting", "Resolutions that wait for an objective.", state.waiting
        )
        for name, text, value in (
            ("slo_released", "Resolutions that left once their objective was met.", state.released),
            ("slo_gave_up", "Resolutions that left because they had waited for long enough.", state.gave_up),
            ("slo_failures", "Questions that Prometheus did not answer.", state.failures),
        ):
            yield CounterMetricFamily(f"delivery_sidecar_{name}", text, value)


class _OnDisk(Collector):
    """What is in the spool at the time of the scrape."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def describe(self) -> Iterator[Metric]:
        """Return nothing: to register must not read the disk."""
        return iter(())

    @override
    def collect(self) -> Iterator[Metric]:
        usage, aside, first = self._spool.usage(), self._spool.quarantined(), self._spool.oldest()
        limits = self._spool.limits
        oldest = self._spool.age(first) if first else 0.0
        for name, text, value in (
            ("spool_files", "Messages on the disk that Kafka has not got.", usage.files),
            ("spool_bytes", "Their bytes.", usage.size),
            ("spool_files_limit", "How many the spool takes.", limits.max_files),
            ("spool_bytes_limit", "How many bytes the spool takes.", limits.max_bytes),
            ("spool_oldest_seconds", "How long the oldest of them has waited.", oldest),
            ("quarantine_files", "Messages that were put aside and wait for somebody to look.", aside.files),
            ("quarantine_bytes", "Their bytes.", aside.size),
        ):
            yield GaugeMetricFamily(f"delivery_sidecar_{name}", text, value)
