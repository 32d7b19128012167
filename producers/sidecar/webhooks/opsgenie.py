"""Opsgenie and Jira Service Management Operations: an alert is an incident. Its times are numbers, in two units."""

from functools import partial
from typing import Any, Final

from producers.events.event_builder import Assignment
from producers.sidecar.webhooks import fields
from producers.sidecar.webhooks.incidents import IncidentReport, PayloadValue, at_receipt, find, incident_event
from producers.sidecar.webhooks.parts import PayloadField
from producers.sidecar.webhooks.reading import (
    DeliveryIgnored,
    DeliveryUnmappable,
    NameResolver,
    WebhookDelivery,
    WebhookReading,
    collect,
)

_OPENED: Final = frozenset({"Create", "UpdatePriority"})
"""A new priority is the opening told again: of an incident the worst severity counts."""
_ENDED: Final = frozenset({"Close", "Delete"})
"""An alert that is deleted while it is open ends then: nothing else would ever end it."""

_MILLISECONDS: Final = partial(fields.from_epoch, per_second=1_000)
_NANOSECONDS: Final = partial(fields.from_epoch, per_second=1_000_000_000)


def read(delivery: WebhookDelivery, names: NameResolver) -> WebhookReading:
    """Return the event of a delivery."""
    return collect([lambda: _event(delivery, names)])


def _event(delivery: WebhookDelivery, names: NameResolver) -> list[Assignment]:
    body = PayloadField(delivery.body)
    action = body.at("action").text
    alert = body.at("alert")
    if action is None:
        raise DeliveryUnmappable("action: is missing; this is no webhook of Opsgenie")
    if action not in _OPENED | _ENDED:
        raise DeliveryIgnored(f"action: {fields.shown(action)} neither opens nor closes an alert")
    if alert.at("alertId").text is None:
        raise DeliveryUnmappable("alert.alertId: is missing; which incident this is cannot be told")
    return incident_event(
        IncidentReport(
            source="opsgenie",
            opened=action in _OPENED,
            incident_id=find(fields.text, alert.at("alertId")),
            occurred_at=_occurred_at(action, alert, delivery),
            facts=_facts(body),
            prefix="alert.",
            severities=[find(_priority, alert.at("priority"))],
            title=find(fields.title, alert.at("message"), alert.at("description")),
        ),
        names,
    )


def _occurred_at(action: str, alert: PayloadField, delivery: WebhookDelivery) -> PayloadValue:
    opened = find(_MILLISECONDS, alert.at("createdAt"))
    if action == "UpdatePriority" and opened.value is None:
        raise DeliveryIgnored("alert.createdAt: is missing; the priority will come with the end of the alert")
    found = opened if action in _OPENED else find(_NANOSECONDS, alert.at("updatedAt"))
    return found if found.value is not None else at_receipt(delivery)


def _priority(value: Any) -> str | None:
    """A priority, which some integrations send as "P3" and some as 3."""
    word = fields.text(value)
    return f"P{word}" if word is not None and word.isdigit() else word


def _facts(body: PayloadField) -> dict[str, str]:
    """Details, then tags of the form "service:shop-api", then what every alert has."""
    alert = body.at("alert")
    facts = dict(fields.flat("details", alert.at("details").value))
    for tag in alert.at("tags").entries():
        name, _, value = (tag.text or "").replace("=", ":", 1).partition(":")
        if name.strip() and value.strip():
            facts.setdefault(f"tags.{name.strip()}", value.strip())
    for name in ("entity", "alias", "message", "source", "team", "priority"):
        words = alert.at(name).text
        if words is not None:
            facts[name] = words
    integration = body.at("integrationName").text
    return facts if integration is None else {**facts, "integration.name": integration}
