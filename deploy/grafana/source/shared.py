"""Panels that stand on more than one dashboard."""

from grafana_foundation_sdk.builders import statetimeline, timeseries
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from . import style
from .panels import Query, bars, states
from .queries import rise, total

_PENDING = total("delivery_deployments_pending", by="service")
_FAILING = total("delivery_deployments_failing", by="service")
_REASONS = {"canary_rollback": style.SKY, "rollback": style.ORANGE, "incident": style.RED}


def in_flight() -> statetimeline.Panel:
    """What each service has under way, over time."""
    return states(
        "In flight over time",
        "Whether a service had a deployment that was pending, or one that had failed and was not judged yet.",
        Query(f"2 * ({_FAILING} > bool 0)\n+\n({_FAILING} == bool 0) * ({_PENDING} > bool 0)", "{{service}}"),
        {0: ("quiet", style.GREY), 1: ("pending", style.SKY), 2: ("failing", style.RED)},
    )


def known_failures(step: str) -> timeseries.Panel:
    """Failures as soon as they are known."""
    panel = bars(
        "Failures when they became known",
        "By the reason that came first: rolled back before 100 % (`canary_rollback`), after it (`rollback`), or blamed "
        "for an incident.",
        Query(rise("delivery_deployment_failures_total", by="reason"), "{{reason}}", step=step),
    )
    return by_reason(panel)


def by_reason(panel: timeseries.Panel) -> timeseries.Panel:
    """With the same colour for a reason everywhere."""
    for reason, color in _REASONS.items():
        fixed = DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})
        panel = panel.override_by_name(reason, [fixed])
    return panel
