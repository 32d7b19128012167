"""PagerDuty, webhooks v3. A change of priority is the opening told again: of an incident the worst severity counts."""

from typing import Final

from producers.events.event_builder import Assignment
from producers.events.event_id import derived_id
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

_OPENED: Final = frozenset({"incident.triggered", "incident.reopened", "incident.priority_updated"})
_RESOLVED: Final = "incident.resolved"


def read(delivery: WebhookDelivery, names: NameResolver) -> WebhookReading:
    """Return the event of a delivery."""
    return collect([lambda: _event(delivery, names)])


def _event(delivery: WebhookDelivery, names: NameResolver) -> list[Assignment]:
    body = PayloadField(delivery.body)
    event = body.at("event")
    kind = event.at("event_type").text
    if kind is None:
        if body.at("messages").entries():
            raise DeliveryUnmappable(
                "messages: this is a webhook of version 2; add a subscription of version 3 at PagerDuty"
            )
        raise DeliveryUnmappable("event.event_type: is missing; this is no webhook of PagerDuty, version 3")
    if kind not in _OPENED and kind != _RESOLVED:
        raise DeliveryIgnored(f"event.event_type: {fields.shown(kind)} neither opens nor resolves an incident")
    data = event.at("data")
    if data.at("id").text is None:
        raise DeliveryUnmappable("event.data.id: is missing; which incident this is cannot be told")
    return incident_event(
        IncidentReport(
            source="pagerduty",
            opened=kind != _RESOLVED,
            incident_id=find(fields.text, data.at("id")),
            occurred_at=_occurred_at(kind, event, delivery),
            facts=_facts(data),
            prefix="event.data.",
            severities=[
                find(fields.text, data.at("priority", "summary"), data.at("priority", "name")),
                find(fields.text, data.at("urgency")),
            ],
            title=find(fields.title, data.at("title"), data.at("summary")),
            url=find(fields.url, data.at("html_url")),
            event_id=_event_id(event),
        ),
        names,
    )


def _occurred_at(kind: str, event: PayloadField, delivery: WebhookDelivery) -> PayloadValue:
    """When it opened or was resolved. Older payloads have no `created_at`, and `reopened_at` is null but once."""
    data, told = event.at("data"), event.at("occurred_at")
    reopened, created = data.at("reopened_at"), data.at("created_at")
    match kind:
        case "incident.triggered":
            found = find(fields.time, reopened, created, told)
        case "incident.reopened":
            found = find(fields.time, reopened, told)
        case "incident.priority_updated":
            found = find(fields.time, reopened, created)
            if found.value is None:
                raise DeliveryIgnored("event.data.created_at: is missing; the priority will come with the resolution")
        case _:
            found = find(fields.time, told, data.at("resolved_at"))
    return found if found.value is not None else at_receipt(delivery)


def _event_id(event: PayloadField) -> PayloadValue:
    """PagerDuty's id of what happened, the same in every attempt to deliver it."""
    own = event.at("id").text
    return NOTHING if own is None else PayloadValue(derived_id(f"pagerduty|{own}"), "derived from event.id")


def _facts(data: PayloadField) -> dict[str, str]:
    facts = {}
    for field in data.at("custom_fields").entries():
        name, value = field.at("name").text, field.at("value").text
        if name is not None and value is not None:
            facts[f"custom_fields.{name}"] = value
    facts.update(fields.flat("service", data.at("service").value))
    for name in ("title", "urgency", "incident_key"):
        facts.update(_one(data, name))
    for name in ("priority", "escalation_policy"):
        facts.update(_one(data, name, "summary"))
    facts.update(_one(data, "incident_type", "name"))
    for team in data.at("teams").entries()[:1]:
        facts.update({"team.summary": team.at("summary").text or ""})
    return facts


def _one(data: PayloadField, *path: str) -> dict[str, str]:
    value = data.at(*path).text
    return {} if value is None else {".".join(path): value}
