"""PagerDuty, webhooks v3. A change of priority is the opening told again: of an incident the worst severity counts."""

from typing import Final

from producers.build_event import Assigned
from producers.natural_key import derived_id
from producers.receiver.webhooks import fields
from producers.receiver.webhooks.incidents import NOTHING, Found, Report, at_receipt, find, incident_event
from producers.receiver.webhooks.parts import Part
from producers.receiver.webhooks.reading import Delivery, Ignored, Names, Reading, Unmappable, collect

_OPENED: Final = frozenset({"incident.triggered", "incident.reopened", "incident.priority_updated"})
_RESOLVED: Final = "incident.resolved"


def read(delivery: Delivery, names: Names) -> Reading:
    """Return the event of a delivery."""
    return collect([lambda: _event(delivery, names)])


def _event(delivery: Delivery, names: Names) -> list[Assigned]:
    body = Part(delivery.body)
    event = body.at("event")
    kind = event.at("event_type").text
    if kind is None:
        if body.at("messages").entries():
            raise Unmappable("messages: this is a webhook of version 2; add a subscription of version 3 at PagerDuty")
        raise Unmappable("event.event_type: is missing; this is no webhook of PagerDuty, version 3")
    if kind not in _OPENED and kind != _RESOLVED:
        raise Ignored(f"event.event_type: {fields.shown(kind)} neither opens nor resolves an incident")
    data = event.at("data")
    if data.at("id").text is None:
        raise Unmappable("event.data.id: is missing; which incident this is cannot be told")
    return incident_event(
        Report(
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


def _occurred_at(kind: str, event: Part, delivery: Delivery) -> Found:
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
                raise Ignored("event.data.created_at: is missing; the priority will come with the resolution")
        case _:
            found = find(fields.time, told, data.at("resolved_at"))
    return found if found.value is not None else at_receipt(delivery)


def _event_id(event: Part) -> Found:
    """PagerDuty's id of what happened, the same in every attempt to deliver it."""
    own = event.at("id").text
    return NOTHING if own is None else Found(derived_id(f"pagerduty|{own}"), "derived from event.id")


def _facts(data: Part) -> dict[str, str]:
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


def _one(data: Part, *path: str) -> dict[str, str]:
    value = data.at(*path).text
    return {} if value is None else {".".join(path): value}
