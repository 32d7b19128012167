"""Grafana Alerting, webhook contact point: Alertmanager's list of alerts, with test alerts among them."""

from typing import Any

from producers.sidecar.webhooks.alerts import read_alerts
from producers.sidecar.webhooks.fields import at
from producers.sidecar.webhooks.reading import NameResolver, WebhookDelivery, WebhookReading


def read(delivery: WebhookDelivery, names: NameResolver) -> WebhookReading:
    """Return the events of a delivery."""
    if at(delivery.body, "alerts") is None and at(delivery.body, "ruleId") is not None:
        return WebhookReading(
            [], refused="alerts: is missing; this is the legacy alerting of Grafana 8 and before: upgrade"
        )
    return read_alerts("grafana", delivery, names, _passed_over)


def _passed_over(alert: Any) -> str | None:
    labels = at(alert, "labels")
    if at(labels, "alertname") == "TestAlert" and at(labels, "instance") == "Grafana":
        return "a test of the contact point is no incident"
    return None
