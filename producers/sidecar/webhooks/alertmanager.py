"""Prometheus Alertmanager, webhook format 4: each alert of the group opens or resolves an incident of its own."""

from typing import Any, Final

from producers.sidecar.webhooks.alerts import read_alerts
from producers.sidecar.webhooks.fields import at
from producers.sidecar.webhooks.reading import NameResolver, WebhookDelivery, WebhookReading

_HEARTBEATS: Final = frozenset({"Watchdog", "DeadMansSwitch"})


def read(delivery: WebhookDelivery, names: NameResolver) -> WebhookReading:
    """Return the events of a delivery."""
    return read_alerts("alertmanager", delivery, names, _passed_over)


def _passed_over(alert: Any) -> str | None:
    if at(alert, "labels", "alertname") in _HEARTBEATS:
        return "an alert that always fires, to show that alerting works, is no incident"
    return None
