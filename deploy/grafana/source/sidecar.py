"""The sidecar's row of Pipeline health."""

from grafana_foundation_sdk.models import units

from . import style
from .board import Panels
from .panels import Query, bars, number, trend

_RATE = "[$__rate_interval]"


def _p99(name: str) -> str:
    return f"histogram_quantile(0.99, sum by (le) (rate(delivery_sidecar_{name}_bucket{_RATE})))"


def _numbers() -> Panels:
    panels = [
        number(
            "Spool, by number",
            "Messages on the disk that Kafka has not got / the most that it takes. A full spool refuses.",
            Query("max(delivery_sidecar_spool_files / delivery_sidecar_spool_files_limit)"),
            unit=units.PercentUnit,
            steps=((0.5, style.ORANGE), (0.9, style.RED)),
            below=style.GREEN,
            decimals=1,
            nothing="no sidecar",
        ),
        number(
            "Spool, by bytes",
            "Bytes on the disk that Kafka has not got / the most that it takes.",
            Query("max(delivery_sidecar_spool_bytes / delivery_sidecar_spool_bytes_limit)"),
            unit=units.PercentUnit,
            steps=((0.5, style.ORANGE), (0.9, style.RED)),
            below=style.GREEN,
            decimals=1,
            nothing="no sidecar",
        ),
        number(
            "Oldest in the spool",
            "How long the oldest message has waited for Kafka.",
            Query("max(delivery_sidecar_spool_oldest_seconds)"),
            unit=units.Seconds,
            steps=((style.LOG_SILENT_SECONDS, style.ORANGE),),
            below=style.GREEN,
            decimals=0,
            nothing="no sidecar",
        ),
        number(
            "Put aside",
            "Messages in quarantine: they wait for somebody to look, and nothing sends them.",
            Query("sum(delivery_sidecar_quarantine_files)"),
            steps=((1, style.RED),),
            below=style.GREEN,
            decimals=0,
            nothing="no sidecar",
        ),
        number(
            "Waiting for an objective",
            "Resolutions that wait until the service meets its objective again.",
            Query("sum(delivery_sidecar_slo_waiting)"),
            decimals=0,
            nothing="none set up",
        ),
        number(
            "Last delivery",
            "Time since Kafka last acknowledged a message of the sidecar, if it ever did since it was started.",
            Query("time() - (max(delivery_sidecar_last_delivery_timestamp_seconds) > 0)"),
            unit=units.Seconds,
            decimals=0,
            nothing="none yet",
        ),
    ]
    return [panel.span(4) for panel in panels]


def _graphs() -> Panels:
    return [
        trend(
            "Requests by source",
            "Per second. Only sources that were heard of.",
            Query(f"sum by (source) (rate(delivery_sidecar_received_total{_RATE})) > 0", "{{source}}"),
            unit=units.RequestsPerSecond,
        ),
        bars(
            "Not taken",
            "Requests that were refused, by reason, and authentic reports that are no events or stand for none.",
            Query(f"sum by (reason) (increase(delivery_sidecar_rejected_total{_RATE})) > 0", "{{reason}}", step="5m"),
            Query(f"sum(increase(delivery_sidecar_dead_letters_total{_RATE}))", "no event", color=style.RED, step="5m"),
            Query(
                f"sum(increase(delivery_sidecar_ignored_total{_RATE}))", "stands for none", color=style.GREY, step="5m"
            ),
        ),
        trend(
            "Promised and delivered",
            "Messages per second that were put on the disk, that Kafka acknowledged, and that were put aside.",
            Query(f"sum(rate(delivery_sidecar_spooled_total{_RATE}))", "promised", color=style.SKY),
            Query(f"sum(rate(delivery_sidecar_delivered_total{_RATE}))", "delivered", color=style.BLUE),
            Query(f"sum(rate(delivery_sidecar_quarantined_total{_RATE}))", "put aside", color=style.RED),
            unit=units.CountsPerSecond,
        ),
        trend(
            "Spool",
            "Messages on the disk that Kafka has not got, and requests being answered.",
            Query("sum(delivery_sidecar_spool_files)", "on the disk", color=style.BLUE),
            Query("sum(delivery_sidecar_in_flight)", "requests in flight", color=style.SKY),
        ),
        bars(
            "Failures to deliver",
            "Tries to empty the spool that ended early, by cause, and questions about objectives that nobody answered.",
            Query(
                f"sum by (cause) (increase(delivery_sidecar_delivery_failures_total{_RATE})) > 0",
                "{{cause}}",
                step="5m",
            ),
            Query(f"sum(increase(delivery_sidecar_slo_failures_total{_RATE}))", "objective unknown", step="5m"),
        ),
        trend(
            "How long it takes, 99th percentile",
            "From a request to its answer, the disk's part of it, and from the disk to Kafka's acknowledgement.",
            Query(_p99("answer_seconds"), "answer", color=style.SKY),
            Query(_p99("spool_write_seconds"), "disk", color=style.BLUE),
            Query(_p99("delivery_seconds"), "to Kafka", color=style.ORANGE),
            unit=units.Seconds,
        ),
        bars(
            "Resolutions that waited",
            "Those that left once their objective was met, and those that had waited for long enough.",
            Query(f"sum(increase(delivery_sidecar_slo_released_total{_RATE}))", "met", color=style.BLUE, step="5m"),
            Query(
                f"sum(increase(delivery_sidecar_slo_gave_up_total{_RATE}))", "gave up", color=style.ORANGE, step="5m"
            ),
        ).span(24),
    ]


def sidecar() -> Panels:
    """Numbers first, then graphs."""
    return [*_numbers(), *_graphs()]
