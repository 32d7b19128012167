"""incident.io, public incident webhooks v2.

An incident in triage is none yet: it opens when it is accepted, at the time it was reported. One that is declined,
merged or canceled before that never was one; later, it ends, and no deployment is blamed for it. Deliveries come in any
order, so every event is made of what its own delivery says.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
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

_CREATED: Final = "public_incident.incident_created_v2"
_STATUS: Final = "public_incident.incident_status_updated_v2"
_UPDATED: Final = "public_incident.incident_updated_v2"

_OPEN: Final = frozenset({"live", "paused"})
_RESTORED: Final = frozenset({"learning", "closed"})
_WITHDRAWN: Final = frozenset({"declined", "merged", "canceled", "cancelled"})
_TESTS: Final = frozenset({"test", "tutorial"})

_REPORTED_AT: Final = ("reported at",)
_RESOLVED_AT: Final = ("resolved at", "fixed at")


@dataclass(frozen=True, slots=True)
class _Incident:
    delivery: WebhookDelivery
    names: NameResolver
    part: PayloadField

    def opened(self, at: PayloadValue) -> list[Assignment]:
        return incident_event(self._report(at, opened=True), self.names)

    def resolved(self, at: PayloadValue, cause_kind: PayloadValue = NOTHING) -> list[Assignment]:
        return incident_event(self._report(at, opened=False, cause_kind=cause_kind), self.names)

    def reported_at(self) -> PayloadValue:
        found = _timestamp(self.part, _REPORTED_AT)
        return found if found.value is not None else self._or_receipt(self.part.at("created_at"))

    def resolved_at(self) -> PayloadValue:
        found = _timestamp(self.part, _RESOLVED_AT)
        return found if found.value is not None else self.updated_at()

    def updated_at(self) -> PayloadValue:
        return self._or_receipt(self.part.at("updated_at"))

    def _or_receipt(self, part: PayloadField) -> PayloadValue:
        found = find(fields.time, part)
        return found if found.value is not None else at_receipt(self.delivery)

    def _report(self, at: PayloadValue, *, opened: bool, cause_kind: PayloadValue = NOTHING) -> IncidentReport:
        part = self.part
        return IncidentReport(
            source="incident_io",
            opened=opened,
            incident_id=find(fields.text, part.at("id")),
            occurred_at=at,
            facts=_facts(part),
            prefix=f"{part.path}.",
            severities=[find(fields.text, part.at("severity", "name"))],
            title=find(fields.title, part.at("name"), part.at("reference")),
            url=find(fields.url, part.at("permalink")),
            cause_kind=cause_kind,
        )


def read(delivery: WebhookDelivery, names: NameResolver) -> WebhookReading:
    """Return the events of a delivery."""
    try:
        events = _events(delivery, names)
    except DeliveryUnmappable as reason:
        return WebhookReading([], refused=str(reason))
    except DeliveryIgnored as reason:
        return WebhookReading([], ignored=str(reason))
    return collect(events)


def _events(delivery: WebhookDelivery, names: NameResolver) -> list[Callable[[], list[Assignment]]]:
    body = PayloadField(delivery.body)
    kind = body.at("event_type").text
    if kind is None:
        raise DeliveryUnmappable("event_type: is missing; this is no webhook of incident.io")
    if kind not in {_CREATED, _STATUS, _UPDATED}:
        raise DeliveryIgnored(f"event_type: {fields.shown(kind)} neither opens nor resolves a public incident")
    content = PayloadField(fields.named(body.value).get(kind), f"['{kind}']")
    part = content.at("incident") if kind == _STATUS else content
    if part.at("id").text is None:
        raise DeliveryUnmappable(f"{part.path}.id: is missing; which incident this is cannot be told")
    mode = part.at("mode").text
    if mode in _TESTS:
        raise DeliveryIgnored(f"{part.path}.mode: a {mode} is no incident")
    incident = _Incident(delivery, names, part)
    return _changed(incident, content) if kind == _STATUS else _told(incident, created=kind == _CREATED)


def _told(incident: _Incident, *, created: bool) -> list[Callable[[], list[Assignment]]]:
    """The incident as it is: new, or with another severity, another cause."""
    status = incident.part.at("incident_status", "category")
    category = status.text
    opened = partial(incident.opened, incident.reported_at())
    resolved = partial(incident.resolved, incident.resolved_at())
    if category == "triage" or category in _WITHDRAWN:
        raise DeliveryIgnored(
            f"{status.path}: is {category}, which is no incident{' yet' if category == 'triage' else ''}"
        )
    if category not in _RESTORED:
        return [opened]
    if created:  # written down afterwards
        return [opened, resolved]
    if _timestamp(incident.part, _RESOLVED_AT).value is None:
        raise DeliveryIgnored(
            f"{status.path}: is {category} without a time of its resolution; the change of status has told it"
        )
    return [resolved]


def _changed(incident: _Incident, content: PayloadField) -> list[Callable[[], list[Assignment]]]:
    """What a change of the status means, by the categories before and after."""
    status = content.at("new_status", "category")
    new, old = status.text, content.at("previous_status", "category").text
    if new in _RESTORED and old not in _RESTORED:
        return [partial(incident.resolved, incident.resolved_at())]
    if new in _WITHDRAWN and old in _OPEN | _RESTORED:
        nobody = PayloadValue("external", f"{status.path}: {new}")
        return [partial(incident.resolved, incident.updated_at(), nobody)]
    if new in _OPEN and old in _RESTORED | _WITHDRAWN:
        return [partial(incident.opened, incident.updated_at())]
    if new in _OPEN and old not in _OPEN:
        return [partial(incident.opened, incident.reported_at())]
    raise DeliveryIgnored(
        f"{status.path}: from {fields.shown(old)} to {fields.shown(new)} neither opens nor resolves the incident"
    )


def _timestamp(part: PayloadField, wanted: tuple[str, ...]) -> PayloadValue:
    """A timestamp of the incident by its name in incident.io, where each organisation may name its own."""
    for name in wanted:
        for entry in part.at("incident_timestamp_values").entries():
            called = entry.at("incident_timestamp", "name").text
            if called is not None and called.lower() == name:
                found = find(fields.time, entry.at("value", "value"), entry.at("value"))
                if found.value is not None:
                    return found
    return NOTHING


def _facts(part: PayloadField) -> dict[str, str]:
    """Custom fields by their names in small letters with underscores, then what every incident has."""
    facts = {}
    for entry in part.at("custom_field_entries").entries():
        name = entry.at("custom_field", "name").text
        value = next(filter(None, map(_value, entry.at("values").entries())), None)
        if name is not None and value is not None:
            facts[f"custom_fields.{re.sub(r'[^0-9a-z]+', '_', name.lower()).strip('_')}"] = value
    for path in (("severity", "name"), ("incident_type", "name"), ("name",), ("mode",)):
        words = part.at(*path).text
        if words is not None:
            facts[".".join(path) if path != ("name",) else "title"] = words
    return facts


def _value(entry: PayloadField) -> str | None:
    """What a field says, of whichever type it is; of a field with several values the first."""
    ways: Any = (
        entry.at("value_catalog_entry", "name"),
        entry.at("value_option", "value"),
        entry.at("value_text"),
        entry.at("value_link"),
        entry.at("value_numeric"),
    )
    return find(fields.text, *ways).value
