"""Delivery overview: how fast and how safe, now and in the period before."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import units

from . import style
from .board import Panels, env, service, window
from .board import board as made
from .panels import Column, Query, bars, number, rows, trend, words
from .queries import BEFORE, WINDOW, failure_rate, lead_time, recovery_mean, restore_mean, rise, share, total

_ABOUT = """\
Deployments enter these numbers when they are **judged**: once, a day after they finished, whether they failed or
not. So the youngest day is in no rate; what fails right now stands under *Beside them*. Every rate stands beside
its **n**: of a few deployments it says little. *Before* is the same number one window earlier."""

_JUDGED = "delivery_deployments_judged"
_TO_SERVICE = "/d/candora-service?var-service=${__data.fields.Service}&var-env=${env}&var-datasource=${datasource}"


def _keys() -> Panels:
    return [
        number(
            "Deployments per day",
            "Judged deployments per day over the window, of all chosen services together. "
            "No level is shown for it: a sum over services is no application's.",
            Query(total("delivery_deployment_frequency_per_day", WINDOW)),
            decimals=2,
        ),
        number(
            "Lead time, median",
            "From a change's first commit to its promotion to 100 %. Exact if one service is chosen; of several it is "
            "read off the histogram, exact to the width of a bucket. Colours: levels of the 2023 report.",
            Query(lead_time(0.5)),
            unit=units.Seconds,
            steps=style.LEAD_TIME_LEVELS,
            below=style.GREEN,
            decimals=1,
        ),
        number(
            "Change failure rate",
            "Failed / judged deployments of the window. Canary rollbacks count as failures. "
            "Colours: levels of the 2023 report.",
            Query(failure_rate()),
            unit=units.PercentUnit,
            steps=style.FAILURE_RATE_LEVELS,
            below=style.GREEN,
            decimals=1,
            nothing="none judged",
        ),
        number(
            "Time to restore, mean",
            "Mean over the incidents that ended in the window, each until the service met its objective and the alert "
            "was clear. Exact. Colours: levels of the 2023 report.",
            Query(restore_mean()),
            unit=units.Seconds,
            steps=style.RECOVERY_LEVELS,
            below=style.GREEN,
            decimals=1,
            nothing="no incident",
        ),
    ]


def _parts() -> Panels:
    return [
        number(
            "Per day: before, n",
            "The frequency one window earlier, and the number of deployments that make it up now.",
            Query(total("delivery_deployment_frequency_per_day", WINDOW, BEFORE), "before"),
            Query(total(_JUDGED, WINDOW), "judged", count=True),
            decimals=2,
        ),
        number(
            "Lead time: before, n",
            "The median one window earlier, and the number of changes in the median now.",
            Query(lead_time(0.5, BEFORE), "before"),
            Query(total("delivery_lead_time_observations", WINDOW), "changes", count=True),
            unit=units.Seconds,
            decimals=1,
        ),
        number(
            "Failure rate: before, n",
            "The rate one window earlier, and the two numbers that make it up now.",
            Query(failure_rate(BEFORE), "before"),
            Query(total("delivery_change_failures", WINDOW), "failed", count=True),
            Query(total(_JUDGED, WINDOW), "judged", count=True),
            unit=units.PercentUnit,
            decimals=1,
        ),
        number(
            "Time to restore: before, n",
            "The mean one window earlier, and the number of incidents in the mean now.",
            Query(restore_mean(BEFORE), "before"),
            Query(total("delivery_restore_observations", WINDOW), "incidents", count=True),
            unit=units.Seconds,
            decimals=1,
        ),
    ]


def _trends() -> Panels:
    return [
        bars(
            "Deployments judged",
            "By their verdict, at the time when it was due: a day after the deployment had finished.",
            Query(rise("deployments_success_total"), "succeeded", color=style.BLUE, step="1d"),
            Query(
                f"{rise('deployments_total')} - {rise('deployments_success_total')}",
                "failed",
                color=style.RED,
                step="1d",
            ),
        ),
        trend(
            "Lead time, median of each service",
            "Exact, over the window that ends at each point.",
            Query(f"delivery_lead_time_p50_seconds{{{WINDOW}}}", "{{service}}"),
            unit=units.Seconds,
        ),
        trend(
            "Change failure rate and its n",
            "Over the window that ends at each point; the bars are the judged deployments that it is made of. "
            "The dashed line is the target of the alert.",
            Query(failure_rate(), "change failure rate", color=style.RED),
            Query(total(_JUDGED, WINDOW), "judged", count=True, right=True),
            unit=units.PercentUnit,
            steps=((style.FAILURE_RATE_TARGET, style.ORANGE),),
        ),
        trend(
            "Time to restore and its n",
            "Mean over the window that ends at each point; the bars are the incidents that it is made of.",
            Query(restore_mean(), "mean time to restore", color=style.PURPLE),
            Query(recovery_mean(), "of incidents that a deployment is blamed for", color=style.RED),
            Query(total("delivery_restore_observations", WINDOW), "incidents", count=True, right=True),
            unit=units.Seconds,
        ),
    ]


def _beside() -> Panels:
    unattributed = "delivery_window_incidents_unattributed"
    return [
        number(
            "In flight",
            "Begun and not judged yet, and how many of them have failed already: those will count as failures.",
            Query(total("delivery_deployments_pending"), "pending"),
            Query(total("delivery_deployments_failing"), "failing", steps=((1, style.RED),)),
            decimals=0,
        ),
        number(
            "Rework rate",
            "Deployments in the hotfix lane / judged deployments of the window.",
            Query(share("delivery_deployments_hotfix", _JUDGED), "rate"),
            Query(total("delivery_deployments_hotfix", WINDOW), "hotfixes", count=True),
            unit=units.PercentUnit,
            decimals=1,
            nothing="none judged",
        ),
        number(
            "Failed deployment recovery",
            "Mean time to restore of the incidents that a deployment is blamed for.",
            Query(recovery_mean(), "mean"),
            Query(total("delivery_failed_deployment_recovery_observations", WINDOW), "incidents", count=True),
            unit=units.Seconds,
            decimals=1,
            nothing="no incident",
        ),
        number(
            "Unattributed incidents",
            "Incidents of the window that no deployment is blamed for. With many of them the failure rate may be too "
            "low.",
            Query(share(unattributed, "delivery_window_incidents"), "share"),
            Query(total(unattributed, WINDOW), "unattributed", count=True),
            Query(total("delivery_window_incidents", WINDOW), "incidents", count=True),
            unit=units.PercentUnit,
            decimals=0,
            nothing="no incident",
        ),
    ]


def _table() -> Panels:
    def own(name: str) -> str:
        return total(name, WINDOW, by="service")

    columns = (
        Column(
            "per day",
            own("delivery_deployment_frequency_per_day"),
            steps=style.FREQUENCY_LEVELS,
            below=style.RED,
            decimals=2,
        ),
        Column("Judged", own(_JUDGED), decimals=0),
        Column(
            "Lead time p50",
            own("delivery_lead_time_p50_seconds"),
            units.Seconds,
            style.LEAD_TIME_LEVELS,
            style.GREEN,
            1,
        ),
        Column("Changes", own("delivery_lead_time_observations"), decimals=0),
        Column(
            "Failure rate", failure_rate(by="service"), units.PercentUnit, style.FAILURE_RATE_LEVELS, style.GREEN, 1
        ),
        Column("Failed", own("delivery_change_failures"), decimals=0),
        Column("Time to restore", restore_mean(by="service"), units.Seconds, style.RECOVERY_LEVELS, style.GREEN, 1),
        Column("Incidents", own("delivery_restore_observations"), decimals=0),
        Column("Rework", share("delivery_deployments_hotfix", _JUDGED, by="service"), units.PercentUnit, decimals=1),
        Column("Pending", total("delivery_deployments_pending", by="service"), decimals=0),
        Column("Failing", total("delivery_deployments_failing", by="service"), steps=((1, style.RED),), decimals=0),
        Column("Unattributed", own("delivery_window_incidents_unattributed"), decimals=0),
    )
    return [
        rows(
            "Services",
            "All numbers over the window and exact, each rate followed by its n. A dash: there is no value. "
            "Colours: levels of the 2023 report. A service leads to its own dashboard.",
            {"service": "Service"},
            *columns,
            link=_TO_SERVICE,
        )
    ]


def board() -> builders.Dashboard:
    """The dashboard."""
    return made(
        "candora-overview",
        "Delivery overview",
        "The four keys of software delivery with what they are made of, now and before, and a line for each service.",
        [
            ("", [words("What this means", _ABOUT, 3)]),
            ("The four keys", [*_keys(), *_parts()]),
            ("Beside them", _beside()),
            ("Trends", _trends()),
            ("By service", _table()),
            ("Levels", [words("Levels of the 2023 report", style.LEVELS, 9)]),
        ],
        variables=(env(), service(), window()),
        since="now-90d",
        refresh="5m",
    )
