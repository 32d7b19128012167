"""Gates: how far what ships can be trusted to be tested, undone and traced."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import units

from . import style
from .board import Panels, env, service, window
from .board import board as made
from .panels import Column, Query, bars, number, rows, trend, words
from .queries import WINDOW, rise, share, total
from .shared import by_reason

_ABOUT = """\
What metrics can say of the gates: whether a rollback was **rehearsed**, whether deployments can be **traced** to
commits and incidents to deployments, how many went around through the **hotfix** lane, and what was **refused**.
Tests, scans and policies are evidence in the events, where each change has its own; no metric stands for them."""

_REHEARSED = 'delivery_rollback_rehearsed_timestamp_seconds{service=~"$service"}'
_SHIPPED = 'deployments_total{service=~"$service"}'
_AGE = ((style.REHEARSE_SECONDS, style.RED),)


def _rehearsals() -> Panels:
    age = f"time() - max by (service, env) ({_REHEARSED})"
    never = f"count by (service) ({_SHIPPED}) unless on (service) count by (service) ({_REHEARSED})"
    return [
        rows(
            "Since the last rehearsed rollback",
            "In any environment: rehearsals are mostly done in staging. Red after 30 days.",
            {"service": "Service", "env": "Environment"},
            Column("Age", age, units.Seconds, _AGE, style.GREEN, 1),
        ).span(12),
        rows(
            "Never rehearsed",
            "Services of which no rehearsal is known, and in how many environments they are deployed.",
            {"service": "Service"},
            Column("Environments", never, steps=((1, style.RED),), decimals=0),
        ).span(12),
        trend(
            "Age of the last rehearsal",
            "It falls to zero with each rehearsal. The dashed line is at 30 days.",
            Query(age, "{{service}} {{env}}"),
            unit=units.Seconds,
            steps=_AGE,
        ).span(24),
    ]


def _traced() -> Panels:
    without = rise("delivery_deployments_without_commits_total", over="$window")
    unattributed = "delivery_window_incidents_unattributed"
    return [
        number(
            "Promotions without commits",
            "Promotions of the window of which no commit is known, so that they gave no lead time.",
            Query(f"round({without})"),
            steps=((1, style.ORANGE),),
            below=style.GREEN,
            decimals=0,
        ),
        number(
            "Unattributed incidents",
            "Incidents of the window that no deployment is blamed for / all. Red above the threshold of the alert.",
            Query(share(unattributed, "delivery_window_incidents"), "share"),
            Query(total("delivery_window_incidents", WINDOW), "incidents", count=True),
            unit=units.PercentUnit,
            steps=((style.UNATTRIBUTED_SHARE, style.RED),),
            below=style.GREEN,
            decimals=0,
            nothing="no incident",
        ),
        number(
            "Hotfix share",
            "Judged deployments of the window in the hotfix lane / all.",
            Query(share("delivery_deployments_hotfix", "delivery_deployments_judged"), "share"),
            Query(total("delivery_deployments_hotfix", WINDOW), "hotfixes", count=True),
            unit=units.PercentUnit,
            decimals=1,
            nothing="none judged",
        ),
        number(
            "Left unfinished",
            "Deployments that a newer one replaced, and those that nobody finished within the canary timeout.",
            Query(total("delivery_deployments_superseded"), "superseded"),
            Query(total("delivery_deployments_abandoned"), "abandoned"),
            decimals=0,
        ),
        rows(
            "By service",
            "The same over the window, by service.",
            {"service": "Service"},
            Column("Judged", total("delivery_deployments_judged", WINDOW, by="service"), decimals=0),
            Column(
                "Without commits",
                f"round({rise('delivery_deployments_without_commits_total', by='service', over='$window')})",
                steps=((1, style.ORANGE),),
                decimals=0,
            ),
            Column("Hotfixes", total("delivery_deployments_hotfix", WINDOW, by="service"), decimals=0),
            Column("Incidents", total("delivery_window_incidents", WINDOW, by="service"), decimals=0),
            Column("Unattributed", total(unattributed, WINDOW, by="service"), decimals=0),
            Column("Superseded", total("delivery_deployments_superseded", by="service"), decimals=0),
            Column("Abandoned", total("delivery_deployments_abandoned", by="service"), decimals=0),
        ),
    ]


def _failures() -> Panels:
    return [
        by_reason(
            trend(
                "Why deployments failed",
                "Judged deployments of the window that failed, by the reason that came first: a canary stopped before "
                "100 % harmed few, an incident many.",
                Query(total("delivery_change_failures_by_reason", WINDOW, by="reason"), "{{reason}}"),
            )
        ),
        bars(
            "Refused",
            "Messages that the workers or the sidecar refused, and reports to the sidecar that are no events, by "
            "source.",
            Query(
                "increase(delivery_dead_letters_total[$__rate_interval])", "dead letters", color=style.RED, step="1h"
            ),
            Query(
                "sum by (source) (increase(delivery_sidecar_dead_letters_total[$__rate_interval])) > 0",
                "sidecar: {{source}}",
                step="1h",
            ),
        ),
    ]


def board() -> builders.Dashboard:
    """The dashboard."""
    return made(
        "candora-gates",
        "Gates",
        "Rehearsed rollbacks, traceable deployments and incidents, hotfixes, and what was refused.",
        [
            ("", [words("What this means", _ABOUT, 3)]),
            ("Rollbacks rehearsed", _rehearsals()),
            ("Traceable", _traced()),
            ("What the gates let through, and what was refused", _failures()),
        ],
        variables=(env(), service(), window()),
        since="now-30d",
        refresh="5m",
    )
