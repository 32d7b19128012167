"""Service: its deployments with their verdicts, lead times and incidents, and what fails right now."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import units

from . import style
from .board import Panels, env, service, window
from .board import board as made
from .panels import Column, Query, bars, dots, heat, number, rows, trend, words
from .queries import CHOSEN, WINDOW, failure_rate, lead_time, restore_mean, rise, total
from .shared import in_flight, known_failures

_ABOUT = """\
Blue lines mark what went live, red ones a failure that became known; switch on *Judged* above to see the verdicts.
A deployment is **pending** until a day after it finished, then it counts. Points in the pictures of lead time are
commits: click one to open it. Ids of deployments and incidents are in the topics `deployments` and `incidents`, in
no metric."""

_PENDING = "delivery_deployments_pending"
_FAILING = "delivery_deployments_failing"
_RESTORED = f"incident_resolution_seconds{{{CHOSEN}}}"


def _now() -> Panels:
    numbers = [
        number(
            "Failing now",
            "Not judged yet and failed already: rolled back, or blamed for an incident.",
            Query(total(_FAILING)),
            steps=((1, style.RED),),
            decimals=0,
        ),
        number("Pending", "Begun and not judged yet.", Query(total(_PENDING)), decimals=0),
        number(
            "Incidents open",
            "Opened and not resolved, of any severity.",
            Query(total("delivery_incidents_open")),
            steps=((1, style.ORANGE),),
            decimals=0,
        ),
        number(
            "Change failure rate",
            "Failed / judged deployments of the window.",
            Query(failure_rate(), "rate"),
            Query(total("delivery_deployments_judged", WINDOW), "judged", count=True),
            unit=units.PercentUnit,
            decimals=1,
            nothing="none judged",
        ),
        number(
            "Lead time, median",
            "Of the window. Exact if one service is chosen, else to the width of a bucket.",
            Query(lead_time(0.5), "median"),
            Query(total("delivery_lead_time_observations", WINDOW), "changes", count=True),
            unit=units.Seconds,
            decimals=1,
        ),
        number(
            "Time to restore, mean",
            "Over the incidents that ended in the window. Exact.",
            Query(restore_mean(), "mean"),
            Query(total("delivery_restore_observations", WINDOW), "incidents", count=True),
            unit=units.Seconds,
            decimals=1,
            nothing="no incident",
        ),
    ]
    return [*(panel.span(4) for panel in numbers), in_flight()]


def _deployments() -> Panels:
    return [
        bars(
            "Verdicts",
            "Judged deployments, at the time when the verdict was due.",
            Query(rise("deployments_success_total"), "succeeded", color=style.BLUE, step="1d"),
            Query(
                f"{rise('deployments_total')} - {rise('deployments_success_total')}",
                "failed",
                color=style.RED,
                step="1d",
            ),
        ),
        known_failures("1d"),
        trend(
            "Change failure rate of each service",
            "Over the window that ends at each point. Without a judged deployment there is no rate.",
            Query(f"delivery_change_failure_ratio{{{WINDOW}}}", "{{service}}"),
            unit=units.PercentUnit,
            steps=((style.FAILURE_RATE_TARGET, style.ORANGE),),
        ),
        bars(
            "Changed afterwards",
            "Verdicts and times to restore that a late fact changed after they were counted, and failures that came "
            "too late to count. The exact numbers follow such a change, the bars of the verdicts do not.",
            Query(rise("delivery_verdict_revisions_total", by="from, to"), "{{from}} to {{to}}", step="1d"),
            Query(rise("delivery_late_failures_total"), "late failures", color=style.PURPLE, step="1d"),
            Query(rise("delivery_restore_revisions_total"), "times to restore", color=style.GREY, step="1d"),
        ),
        trend(
            "Never finished",
            "Deployments that a newer one replaced, and those that nobody finished within the canary timeout. They "
            "are in no rate.",
            Query(total("delivery_deployments_superseded"), "superseded", color=style.SKY),
            Query(total("delivery_deployments_abandoned"), "abandoned", color=style.ORANGE),
        ).span(24),
    ]


def _lead_times() -> Panels:
    rate = f"sum by (le) (rate(lead_time_seconds_bucket{{{CHOSEN}}}[7d]))"
    return [
        heat(
            "Lead times",
            "How many changes took how long, by the day of their promotion. Points are commits.",
            Query(
                f"sum by (le) (increase(lead_time_seconds_bucket{{{CHOSEN}}}[$__rate_interval]))",
                "{{le}}",
                step="1d",
                exemplars=True,
            ),
            units.Seconds,
        ),
        trend(
            "Lead time, median and 90th percentile",
            "Of all chosen services over seven days, read off the histogram. Points are commits: click one to open it.",
            Query(f"histogram_quantile(0.5, {rate})", "median", color=style.BLUE, step="6h", exemplars=True),
            Query(f"histogram_quantile(0.9, {rate})", "90th percentile", color=style.ORANGE, step="6h"),
            unit=units.Seconds,
        ).height(9),
        trend(
            "Lead time of each service, exact",
            "Median and 90th percentile over the window that ends at each point.",
            Query(f"delivery_lead_time_p50_seconds{{{WINDOW}}}", "{{service}} median"),
            Query(f"delivery_lead_time_p90_seconds{{{WINDOW}}}", "{{service}} 90th percentile", dashed=True),
            unit=units.Seconds,
        ),
        bars(
            "Left out of lead time",
            "Promotions without a known commit, spans that came out negative, and lead times that changed after they "
            "were observed. Nothing is dropped unseen.",
            Query(rise("delivery_deployments_without_commits_total"), "without commits", color=style.ORANGE, step="1d"),
            Query(rise("delivery_clock_skew_total"), "clock skew", color=style.PURPLE, step="1d"),
            Query(rise("delivery_lead_time_revisions_total"), "revised", color=style.GREY, step="1d"),
        ),
    ]


def _incidents() -> Panels:
    grouped = "by (service, severity)"
    count = f"sum {grouped} (count_over_time({_RESTORED}[$window]))"
    return [
        dots(
            "Incidents restored",
            "A dot for each incident, at the end of its last open period and as high as it took to restore. One that "
            "is opened anew after that keeps its dot; the exact numbers follow it.",
            Query(f"max {grouped} (last_over_time({_RESTORED}[$__rate_interval]))", "{{service}} {{severity}}"),
            unit=units.Seconds,
        ),
        rows(
            "Times to restore in the window",
            "By severity: how many, their mean, the longest and the last one.",
            {"service": "Service", "severity": "Severity"},
            Column("n", count, decimals=0),
            Column(
                "Mean",
                f"sum {grouped} (sum_over_time({_RESTORED}[$window])) / {count}",
                units.Seconds,
                style.RECOVERY_LEVELS,
                style.GREEN,
                1,
            ),
            Column("Longest", f"max {grouped} (max_over_time({_RESTORED}[$window]))", units.Seconds, decimals=1),
            Column("Last", f"max {grouped} (last_over_time({_RESTORED}[$window]))", units.Seconds, decimals=1),
        ).span(12),
        trend(
            "Incidents open over time",
            "Opened and not resolved.",
            Query(total("delivery_incidents_open", by="service"), "{{service}}"),
        ),
        trend(
            "Times to restore, 90th percentile",
            "Exact, over the window that ends at each point.",
            Query(f"delivery_restore_p90_seconds{{{WINDOW}}}", "{{service}}"),
            unit=units.Seconds,
        ),
    ]


def board() -> builders.Dashboard:
    """The dashboard."""
    return made(
        "candora-service",
        "Service",
        "What one service ships, how it goes, and how fast it recovers.",
        [
            ("", [words("What this means", _ABOUT, 3)]),
            ("Now", _now()),
            ("Deployments", _deployments()),
            ("Lead time", _lead_times()),
            ("Incidents", _incidents()),
        ],
        variables=(env(), service(), window()),
        since="now-30d",
        refresh="1m",
        marked=True,
    )
