"""Expressions that several dashboards ask. The parts stand beside every rate, and sums come before divisions."""

from typing import Final

CHOSEN: Final = 'env="$env", service=~"$service"'
"""The services chosen above, in their environment."""
WINDOW: Final = f'{CHOSEN}, window="$window"'
BEFORE: Final = " offset $window"
"""The same as long ago as the window is long."""


def total(name: str, matchers: str = CHOSEN, when: str = "", by: str = "") -> str:
    """The sum over the services, or by a label."""
    grouped = f" by ({by}) " if by else ""
    return f"sum{grouped}({name}{{{matchers}}}{when})"


def share(part: str, whole: str, when: str = "", by: str = "") -> str:
    """A ratio over the window. No value where there is no whole: nothing of nothing is not 0 %."""
    return f"{total(part, WINDOW, when, by)} / ({total(whole, WINDOW, when, by)} > 0)"


def mean(name: str, count: str, when: str = "", by: str = "") -> str:
    """The mean over all services: each one's mean weighs as much as it has observations. Exact."""
    grouped = f" by ({by}) " if by else ""
    weighed = f"{name}{{{WINDOW}}}{when} * {count}{{{WINDOW}}}{when}"
    return f"sum{grouped}({weighed}) / ({total(count, WINDOW, when, by)} > 0)"


def failure_rate(when: str = "", by: str = "") -> str:
    """Judged failed / judged."""
    return share("delivery_change_failures", "delivery_deployments_judged", when, by)


def restore_mean(when: str = "", by: str = "") -> str:
    """Mean time to restore."""
    return mean("delivery_restore_mean_seconds", "delivery_restore_observations", when, by)


def recovery_mean(when: str = "") -> str:
    """Mean time to restore of the incidents that a deployment is blamed for."""
    return mean(
        "delivery_failed_deployment_recovery_mean_seconds", "delivery_failed_deployment_recovery_observations", when
    )


def lead_time(quantile: float, when: str = "") -> str:
    """Exact for one service. Quantiles of several cannot be joined, so then it is read off the summed histogram."""
    exact = f"delivery_lead_time_p{quantile * 100:.0f}_seconds{{{WINDOW}}}{when}"
    buckets = f"sum by (le) (increase(lead_time_seconds_bucket{{{CHOSEN}}}[$window]{when}))"
    return f"(sum({exact}) and count({exact}) == 1) or histogram_quantile({quantile:g}, {buckets})"


def rise(name: str, matchers: str = CHOSEN, by: str = "", over: str = "$__rate_interval") -> str:
    """By how much a counter rose: between two points of a graph, or over a longer time."""
    grouped = f" by ({by}) " if by else ""
    return f"sum{grouped}(increase({name}{{{matchers}}}[{over}]))"
