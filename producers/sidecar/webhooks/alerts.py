"""The alerts of Alertmanager and of Grafana, which sends the same list: each alert is an incident of its own.

The status of the group is not the status of its alerts: a group that fires carries alerts that are resolved. The
fingerprint is a hash of the labels and returns whenever the same alert fires again, so an incident is a fingerprint
and the moment it fired.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from producers.events.event_builder import Assignment
from producers.sidecar.webhooks import fields
from producers.sidecar.webhooks.incidents import NOTHING, IncidentReport, PayloadValue, at_receipt, find, incident_event
from producers.sidecar.webhooks.parts import PayloadField
from producers.sidecar.webhooks.reading import (
    DeliveryIgnored,
    DeliveryUnmappable,
    NameResolver,
    WebhookDelivery,
    WebhookReading,
    collect,
)

_SEVERITIES: Final = ("severity", "priority", "level")
_TITLES: Final = ("summary", "title", "message", "description")

PassedOver = Callable[[Any], str | None]
"""Why an alert of this source is no incident; None if it is one."""


def read_alerts(source: str, delivery: WebhookDelivery, names: NameResolver, passed_over: PassedOver) -> WebhookReading:
    """Return the events of the alerts in a delivery."""
    body = PayloadField(delivery.body)
    if not isinstance(body.at("alerts").value, list):
        return WebhookReading([], refused=f"alerts: is missing; this is no webhook of {source} with a list of alerts")
    alerts = body.at("alerts").entries()
    if not alerts:
        return WebhookReading([], ignored="alerts: is empty")
    reading = collect(partial(_event, source, delivery, names, passed_over, alert) for alert in alerts)
    truncated = body.at("truncatedAlerts")
    if truncated.text not in {None, "0"}:
        missing = f"truncatedAlerts: {fields.shown(truncated.value)} alerts were left out by the sender"
        cut = f"{missing}; raise max_alerts there, or set it to 0"
        reading = replace(reading, refused=f"{reading.refused}; {cut}" if reading.refused else cut)
    return reading


def _event(
    source: str, delivery: WebhookDelivery, names: NameResolver, passed_over: PassedOver, alert: PayloadField
) -> list[Assignment]:
    status = alert.at("status").text
    if status not in {"firing", "resolved"}:
        raise DeliveryUnmappable(
            f"{alert.path}.status: is {fields.shown(alert.at('status').value)}, not firing or resolved"
        )
    reason = passed_over(alert.value)
    if reason is not None:
        raise DeliveryIgnored(f"{alert.path}: {reason}")
    started = find(fields.time, alert.at("startsAt"))
    ended = find(fields.time, alert.at("endsAt")) if status == "resolved" else NOTHING
    report = IncidentReport(
        source=source,
        opened=status == "firing",
        incident_id=_incident_id(alert, started),
        occurred_at=started if status == "firing" else ended if ended.value else at_receipt(delivery),
        facts=_facts(alert, PayloadField(delivery.body)),
        prefix=f"{alert.path}.",
        severities=[find(fields.text, alert.at("labels", name)) for name in _SEVERITIES],
        title=find(fields.title, *(alert.at("annotations", name) for name in _TITLES), alert.at("labels", "alertname")),
        url=find(fields.url, alert.at("generatorURL"), PayloadField(delivery.body).at("externalURL")),
        alert_cleared_at=ended,
    )
    try:
        return incident_event(report, names)
    except (DeliveryUnmappable, DeliveryIgnored) as error:
        raise type(error)(f"{alert.path}: {error}") from error


def _incident_id(alert: PayloadField, started: PayloadValue) -> PayloadValue:
    fingerprint = alert.at("fingerprint").text
    if started.value is None or fingerprint is None:
        missing = "startsAt" if started.value is None else "fingerprint"
        raise DeliveryUnmappable(
            f"{alert.path}.{missing}: is {fields.shown(alert.at(missing).value)}; which incident this is cannot be told"
        )
    return PayloadValue(f"{fingerprint}@{started.value}", f"{alert.path}.fingerprint and {started.origin}")


def _facts(alert: PayloadField, body: PayloadField) -> dict[str, str]:
    """The alert's own labels, which have those of its group among them, then its annotations and the receiver."""
    facts = dict(fields.flat("labels", alert.at("labels").value))
    facts.update(fields.flat("annotations", alert.at("annotations").value))
    receiver = body.at("receiver").text
    return facts if receiver is None else {**facts, "receiver": receiver}
