"""PagerDuty: incidents and their log entries, as its REST API (v2) lists them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from producers.history_import.deliveries import DeliverySimulator, ExportedObjects
from producers.history_import.exports import ExportObject
from producers.history_import.imported_events import ImportedEvents
from producers.sidecar.webhooks import fields, pagerduty
from producers.sidecar.webhooks.reading import NameResolver

PAGES: Final[tuple[str, ...]] = ("incidents", "log_entries")
"""What wraps a page of results."""

_OPENS: Final = frozenset({"trigger_log_entry", "reopen_log_entry"})
_ENDS: Final = "resolve_log_entry"


def read_pagerduty(entries: Iterable[ExportObject], names: NameResolver, found: ImportedEvents) -> None:
    """Find the events of exports. Without log entries an incident is open once, from its creation to its end."""
    incidents, log = ExportedObjects(), ExportedObjects()
    for entry in entries:
        problem = _take(entry, incidents, log)
        if problem is not None:
            found.refuse(entry.place, problem)
    by_incident: dict[str, list[tuple[str, ExportObject]]] = {}
    for _, entry in log:
        kind, at = fields.text(entry.value.get("type")), fields.time(entry.value.get("created_at"))
        name = fields.text(fields.at(entry.value, "incident", "id"))
        if kind not in _OPENS and kind != _ENDS:
            found.ignored[f"log entry: {fields.shown(kind)}"] += 1
        elif at is None or incidents.get(name) is None:
            missing = "created_at: the export does not say when it happened" if at is None else "in no export"
            found.refuse(entry.place, f"{kind} of {fields.shown(name)}: {missing}")
        else:
            by_incident.setdefault(name or "", []).append((at, entry))
    teller = DeliverySimulator(pagerduty.read, names, found)
    for name, incident in found.through("incidents", incidents):
        _tell_opened(teller, incident)
        _tell_moves(teller, incident, sorted(by_incident.get(name, []), key=lambda one: (one[0], one[1].place)))


def _take(entry: ExportObject, incidents: ExportedObjects, log: ExportedObjects) -> str | None:
    """Why an object is none that is known; None if it is taken."""
    value = entry.value
    if not isinstance(value, dict):
        return f"is no object, but {fields.shown(value)}"
    name, kind = fields.text(value.get("id")), fields.text(value.get("type")) or ""
    if "error" in value:
        return f"is an error that PagerDuty answered: {fields.shown(fields.at(value, 'error', 'message'))}"
    if name is None:
        return "is no incident or log entry of PagerDuty's REST API: it has no id"
    if kind.endswith(("_log_entry", "_log_entry_reference")):
        log.add(name, entry)
    elif "service" in value and "created_at" in value:
        incidents.add(name, entry)
    else:
        return "is no incident or log entry of PagerDuty's REST API; an incident has service and created_at"
    return None


def _tell_opened(teller: DeliverySimulator, incident: ExportObject) -> None:
    _tell(teller, incident.place, "incident.triggered", incident.value, incident.value.get("created_at"))


def _tell_moves(teller: DeliverySimulator, incident: ExportObject, moves: list[tuple[str, ExportObject]]) -> None:
    """Its ends, and its new openings: an opening that follows an end."""
    ended = False
    for at, entry in moves:
        ends = entry.value.get("type") == _ENDS
        if ends:
            _tell(teller, entry.place, "incident.resolved", incident.value, at)
        elif ended:
            _tell(teller, entry.place, "incident.reopened", incident.value, at)
        ended = ends
    # A last change of a status is its end only while it is resolved; later edits do not move it.
    if not any(entry.value.get("type") == _ENDS for _, entry in moves) and incident.value.get("status") == "resolved":
        value = incident.value
        end = fields.time(value.get("resolved_at")) or fields.time(value.get("last_status_change_at"))
        _tell(teller, incident.place, "incident.resolved", value, end)


def _tell(teller: DeliverySimulator, place: str, kind: str, incident: Mapping[str, Any], at: Any) -> None:
    """As the webhook: but for its own id, which the API does not know."""
    data = {**incident, "reopened_at": at if kind == "incident.reopened" else None}
    if kind == "incident.resolved":
        data["resolved_at"] = at
    teller.tell({"event": {"event_type": kind, "occurred_at": at, "data": data}}, place)
