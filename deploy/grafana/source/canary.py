"""Canary: the errors of the application, how fast they use up its budget, and the deployments beside them."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.models import units

from . import style
from .board import Panels, app, env, service, window
from .board import board as made
from .panels import Query, number, trend, words
from .queries import WINDOW, total
from .shared import in_flight, known_failures

_BUDGET = 1 - style.CANARY_OBJECTIVE
_ABOUT = f"""\
Error ratios are recorded by `candora.rules.yaml` for the application that its configuration names. **Burn** is the
ratio divided by what the objective ({style.CANARY_OBJECTIVE:.1%}) allows: at 1 the budget lasts its month, at 14.4
two days. An alert wants a long and a short window at once. Without traffic there is no ratio, and no ratio is no
reason to promote. The verdict of an analysis travels in the events; of it the metrics say only which canaries were
rolled back."""


def _ratio(window: str) -> str:
    return f'app:http_requests_error:ratio_rate{window}{{app="$app"}}'


def _burn(short: str, long: str, factor: float, when: str) -> timeseries.Panel:
    return trend(
        f"Burn over {short} and {long}",
        f"{when} if both are above the dashed line at {factor:g}.",
        Query(f"{_ratio(short)} / {_BUDGET:g}", short, color=style.SKY),
        Query(f"{_ratio(long)} / {_BUDGET:g}", long, color=style.BLUE),
        unit=units.Short,
        steps=((factor, style.RED),),
    )


def _errors() -> Panels:
    return [
        number(
            "Error ratio, 5 minutes",
            "Requests that failed / all requests. The alert of the canary fires above its threshold.",
            Query(_ratio("5m")),
            unit=units.PercentUnit,
            steps=((style.CANARY_ERROR_RATIO, style.RED),),
            below=style.GREEN,
            decimals=2,
            nothing="no traffic",
        ),
        number(
            "Burn, 1 hour",
            "How many times faster than allowed the error budget is used up.",
            Query(f"{_ratio('1h')} / {_BUDGET:g}"),
            steps=((1, style.ORANGE), (14.4, style.RED)),
            below=style.GREEN,
            decimals=1,
            nothing="no traffic",
        ),
        number(
            "In flight",
            "Deployments of the chosen services that are not judged yet, and how many of them have failed already.",
            Query(total("delivery_deployments_pending"), "pending"),
            Query(total("delivery_deployments_failing"), "failing", steps=((1, style.RED),)),
            decimals=0,
        ),
        number(
            "Rolled back in the canary",
            "Judged deployments of the window that failed before 100 %, and all that were judged.",
            Query(total("delivery_change_failures_by_reason", f'{WINDOW}, reason="canary_rollback"'), "rolled back"),
            Query(total("delivery_deployments_judged", WINDOW), "judged"),
            decimals=0,
        ),
        trend(
            "Error ratio",
            "Over five minutes, half an hour and an hour. The dashed line is where the alert of the canary fires.",
            Query(_ratio("5m"), "5m", color=style.SKY),
            Query(_ratio("30m"), "30m", color=style.BLUE),
            Query(_ratio("1h"), "1h", color=style.PURPLE),
            unit=units.PercentUnit,
            steps=((style.CANARY_ERROR_RATIO, style.RED),),
        ),
        trend(
            "Requests by status",
            "What the error ratio is made of: of few requests it says little.",
            Query('sum by (status) (rate(http_requests_total{app="$app"}[$__rate_interval]))', "{{status}}"),
            unit=units.RequestsPerSecond,
        ),
    ]


def _burns() -> Panels:
    return [
        _burn("5m", "1h", 14.4, "The alert for a fast burn fires"),
        _burn("30m", "6h", 6, "The alert for a fast burn fires"),
        _burn("2h", "1d", 3, "The alert for a slow burn fires"),
        _burn("6h", "3d", 1, "The alert for a slow burn fires"),
    ]


def _deployments() -> Panels:
    return [
        in_flight(),
        known_failures("1h"),
        trend(
            "Canaries that nobody finished",
            "Replaced by a newer one, or left alone until the canary timeout. They are in no rate.",
            Query(total("delivery_deployments_superseded"), "superseded", color=style.SKY),
            Query(total("delivery_deployments_abandoned"), "abandoned", color=style.ORANGE),
        ),
    ]


def board() -> builders.Dashboard:
    """The dashboard."""
    return made(
        "candora-canary",
        "Canary",
        "Whether a canary harms: errors, burn of the error budget, and the deployments that are under way.",
        [
            ("", [words("What this means", _ABOUT, 4)]),
            ("Errors", _errors()),
            ("Burn of the error budget", _burns()),
            ("Deployments beside it", _deployments()),
        ],
        variables=(env(), service(), window(), app()),
        since="now-6h",
        refresh="30s",
        marked=True,
    )
