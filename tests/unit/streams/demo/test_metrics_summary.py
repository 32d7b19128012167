"""The summary: what a scrape says is what the table shows, and no value is a dash, never a zero."""

import pytest

from streams.demo.metrics_summary import MetricsSummary, ServiceSummary, read_summary

SCRAPE = """\
# TYPE deployments_total counter
deployments_total{service="shop",env="prod"} 61
deployments_total{service="shop",env="staging"} 70
deployments_total{service="bank",env="prod"} 0
# TYPE delivery_change_failure_ratio gauge
delivery_change_failure_ratio{service="shop",env="prod",window="90d"} 0.05
delivery_change_failure_ratio{service="shop",env="prod",window="7d"} 0.5
delivery_change_failure_ratio{service="shop",env="staging",window="90d"} 0.7
# TYPE delivery_change_failures gauge
delivery_change_failures{service="shop",env="prod",window="90d"} 3
# TYPE delivery_change_failures_by_reason gauge
delivery_change_failures_by_reason{service="shop",env="prod",window="90d",reason="rollback"} 2
# TYPE delivery_deployments_judged gauge
delivery_deployments_judged{service="shop",env="prod",window="90d"} 60
# TYPE delivery_lead_time_observations gauge
delivery_lead_time_observations{service="shop",env="prod",window="90d"} 158
# TYPE delivery_lead_time_p50_seconds gauge
delivery_lead_time_p50_seconds{service="shop",env="prod",window="90d"} 62820
# TYPE delivery_lead_time_p90_seconds gauge
delivery_lead_time_p90_seconds{service="shop",env="prod",window="90d"} 252000
# TYPE delivery_restore_observations gauge
delivery_restore_observations{service="shop",env="prod",window="90d"} 6
# TYPE delivery_restore_mean_seconds gauge
delivery_restore_mean_seconds{service="shop",env="prod",window="90d"} 3660
# TYPE delivery_window_incidents_unattributed gauge
delivery_window_incidents_unattributed{service="shop",env="prod",window="90d"} 2
# TYPE delivery_deployments_pending gauge
delivery_deployments_pending{service="shop",env="prod"} 4
# TYPE delivery_deployments_failing gauge
delivery_deployments_failing{service="shop",env="prod"} 1
# TYPE delivery_deployments_superseded gauge
delivery_deployments_superseded{service="shop",env="prod"} 5
# TYPE delivery_deployments_abandoned gauge
delivery_deployments_abandoned{service="shop",env="prod"} 8
# TYPE delivery_incidents_open gauge
delivery_incidents_open{service="shop",env="prod"} 9
"""

SHOP = ServiceSummary(
    service="shop",
    judged=60,
    failed=3,
    ratio=0.05,
    lead_count=158,
    lead_p50=62820,
    lead_p90=252000,
    restore_count=6,
    restore_mean=3660,
    pending=4,
    failing=1,
    superseded=5,
    abandoned=8,
    incidents_open=9,
    unattributed=2,
)
NEW = ServiceSummary("bank", 0, 0, None, 0, None, None, 0, None, 0, 0, 0, 0, 0, 0)


def test_it_has_one_line_per_service_of_production() -> None:
    assert read_summary(SCRAPE) == MetricsSummary((NEW, SHOP))


def test_a_summary_is_empty_without_a_service_in_production() -> None:
    assert read_summary("\n".join(line for line in SCRAPE.splitlines() if 'env="prod"' not in line) + "\n").empty
    assert not MetricsSummary((NEW,)).empty


def test_text_in_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="html"):
        read_summary("<html>not found</html>")
