"""Pipeline health: whether the numbers can be believed, from the sidecar to the page that Prometheus reads."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import units

from . import style
from .board import Panels, service
from .board import board as made
from .panels import Column, Query, bars, number, rows, trend, words
from .queries import rise
from .sidecar import sidecar

_ABOUT = """\
An event goes from CI or a **sidecar** into the log, from there through the **workers**, and their snapshots through
**one serving process** to Prometheus. Whatever is late, refused or doubted on the way is here. A silent service is
either quiet or does not report: no number can tell which."""

_ALL = 'service=~"$service"'
_SILENT = ((style.SERVICE_SILENT_SECONDS, style.ORANGE),)


def _now() -> Panels:
    panels = [
        number(
            "Serving",
            "1: Kafka answers the serving process. 0: it does not, and the numbers may be old.",
            Query("min(delivery_serving_ready)"),
            steps=((1, style.GREEN),),
            below=style.RED,
            decimals=0,
            nothing="not served",
        ),
        number(
            "Last message in the log",
            "Age of the latest message. Workers write a tick every 30 seconds: an old one means that none runs.",
            Query("time() - max(delivery_log_last_append_timestamp_seconds)"),
            unit=units.Seconds,
            steps=((style.LOG_SILENT_SECONDS, style.RED),),
            below=style.GREEN,
            decimals=0,
        ),
        number(
            "Messages waiting",
            "Messages of deploy_events that the workers have not acknowledged.",
            Query("max(delivery_worker_lag_messages)"),
            steps=((style.LAG_MESSAGES, style.RED),),
            below=style.GREEN,
            decimals=0,
        ),
        number(
            "Dead letters, 24 hours",
            "Messages that the workers or the sidecar refused; each stands in deploy_events_dead with its reason.",
            Query("round(sum(increase(delivery_dead_letters_total[24h])))"),
            steps=((1, style.ORANGE),),
            below=style.GREEN,
            decimals=0,
        ),
        number(
            "Kafka heard",
            "Time since Kafka last answered the serving process.",
            Query("time() - max(delivery_serving_last_read_timestamp_seconds)"),
            unit=units.Seconds,
            steps=((style.LOG_SILENT_SECONDS, style.RED),),
            below=style.GREEN,
            decimals=0,
        ),
        number(
            "Served by",
            "Instances that are scraped. With more than one, Prometheus counts every deployment once for each.",
            Query("count(delivery_serving_ready)"),
            steps=((1, style.GREEN), (2, style.RED)),
            below=style.RED,
            decimals=0,
            nothing="nobody",
        ),
    ]
    return [panel.span(4) for panel in panels]


def _workers() -> Panels:
    return [
        trend(
            "Messages waiting over time",
            "Messages of deploy_events that the workers have not acknowledged.",
            Query("delivery_worker_lag_messages", "waiting", color=style.BLUE),
            steps=((style.LAG_MESSAGES, style.RED),),
        ),
        bars(
            "Dead letters",
            "Messages that were refused. A crash of a worker may repeat some.",
            Query(
                "sum(increase(delivery_dead_letters_total[$__rate_interval]))", "refused", color=style.RED, step="5m"
            ),
        ),
        trend(
            "Age of the last message",
            "In the log, and of Kafka's last answer to the serving process. The dashed line is where the alert fires.",
            Query("time() - delivery_log_last_append_timestamp_seconds", "in the log", color=style.BLUE),
            Query("time() - delivery_serving_last_read_timestamp_seconds", "Kafka heard", color=style.SKY),
            unit=units.Seconds,
            steps=((style.LOG_SILENT_SECONDS, style.RED),),
        ),
        bars(
            "Doubts about the events",
            "Events that came twice with different content, and spans that came out negative because clocks disagree.",
            Query(rise("delivery_conflicting_events_total", _ALL), "conflicting", color=style.ORANGE, step="1h"),
            Query(rise("delivery_clock_skew_total", _ALL), "clock skew", color=style.PURPLE, step="1h"),
        ),
        bars(
            "Revisions",
            "Numbers that a late fact changed after they were counted.",
            Query(rise("delivery_verdict_revisions_total", _ALL), "verdicts", color=style.RED, step="1h"),
            Query(rise("delivery_lead_time_revisions_total", _ALL), "lead times", color=style.BLUE, step="1h"),
            Query(rise("delivery_restore_revisions_total", _ALL), "times to restore", color=style.PURPLE, step="1h"),
        ),
        rows(
            "Services by silence",
            "Time since the last event of each service happened, by its own clock (orange after a week), age of its "
            "numbers, which change only with events and verdicts, and doubts of the last day.",
            {"service": "Service"},
            Column(
                "Silent for",
                f"time() - max by (service) (delivery_last_event_timestamp_seconds{{{_ALL}}})",
                units.Seconds,
                _SILENT,
                style.GREEN,
                1,
            ),
            Column(
                "Numbers of",
                f"time() - max by (service) (delivery_clock_timestamp_seconds{{{_ALL}}})",
                units.Seconds,
                decimals=1,
            ),
            Column(
                "Conflicting", f"round({rise('delivery_conflicting_events_total', _ALL, 'service', '1d')})", decimals=0
            ),
            Column("Clock skew", f"round({rise('delivery_clock_skew_total', _ALL, 'service', '1d')})", decimals=0),
        ).span(12),
    ]


def _serving() -> Panels:
    return [
        trend(
            "Records read",
            "By topic, per second.",
            Query("sum by (topic) (rate(delivery_serving_records_total[$__rate_interval]))", "{{topic}}"),
            unit=units.RowsPerSecond,
        ),
        bars(
            "Records not used",
            "Refused because they could not be read, by reason; or passed over because a later one had come before.",
            Query(
                "sum by (topic, reason) (increase(delivery_serving_bad_records_total[$__rate_interval])) > 0",
                "{{topic}}: {{reason}}",
                step="5m",
            ),
            Query(
                "sum by (topic) (increase(delivery_serving_stale_records_total[$__rate_interval]))",
                "{{topic}}: stale",
                step="5m",
            ),
        ),
        trend(
            "Incident samples",
            "Times to restore that wait for their turn to be scraped, and samples that Prometheus refused as too old: "
            "then its out_of_order_time_window is too short.",
            Query("delivery_serving_incident_samples_waiting", "waiting", color=style.BLUE),
            Query(
                "sum(increase(prometheus_target_scrapes_sample_out_of_bounds_total[$__rate_interval]))",
                "refused",
                color=style.RED,
            ),
        ),
        rows(
            "Settings",
            "What the numbers were computed with. Two lines: some snapshots are from before a change.",
            {
                "failure_window": "Failure window",
                "lateness": "Lateness",
                "max_future": "Ahead at most",
                "canary_timeout": "Canary timeout",
                "failing_severities": "Failing severities",
                "production_envs": "Production",
            },
            Column(
                "Instances",
                "count by (failure_window, lateness, max_future, canary_timeout, failing_severities, production_envs) "
                "(delivery_settings_info)",
                decimals=0,
            ),
        ).span(12),
    ]


def board() -> builders.Dashboard:
    """The dashboard."""
    return made(
        "candora-pipeline",
        "Pipeline health",
        "Whether the delivery numbers can be believed: the sidecar, the log, the workers and the serving process.",
        [
            ("", [words("What this means", _ABOUT, 3)]),
            ("Now", _now()),
            ("Workers and events", _workers()),
            ("Serving process", _serving()),
            ("Sidecar", sidecar()),
        ],
        variables=(service(scoped=False),),
        since="now-24h",
        refresh="30s",
    )
