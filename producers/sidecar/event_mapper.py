"""Map authenticated requests to events and dead letters. Pure: times are arguments."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from producers.events.event_builder import BuiltEvent, event_from
from producers.sidecar.auth.access import Caller
from producers.sidecar.cloudevents import RequestItem
from producers.sidecar.json_body import webhook_json
from producers.sidecar.rejections import RequestRejected
from producers.sidecar.webhook_mapper import MappedDelivery, map_delivery
from producers.sidecar.webhooks.reading import NameResolver, WebhookDelivery
from producers.sidecar.webhooks.sources import WebhookSource, find_source
from schemas.errors import ContractError, one_line
from schemas.models import to_micros
from schemas.values import DeadLetterValue, EventValue

UNMAPPABLE: Final = "unmappable"
"""Reason of the sidecar's dead letters: the delivery means one of the ten events but lacks a required value."""
LARGEST: Final = 900_000
"""Maximum bytes of a delivery in a dead letter; Kafka clients limit messages to a million."""
_LONGEST_PROBLEM: Final = 2_000
_KEPT_HEADERS: Final = frozenset({"content-type", "user-agent", "idempotency-key"})
_KEPT_PREFIXES: Final = (
    "ce-",
    "x-github-",
    "x-gitlab-event",
    "x-gitlab-webhook",
    "x-webhook-",
    "webhook-id",
    "svix-id",
)


@dataclass
class MappedRequest:
    """The outcome of a request."""

    events: list[EventValue] = field(default_factory=list)
    dead_letters: list[DeadLetterValue] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Why the other parts mean no event."""


def map_webhook(
    source: WebhookSource, headers: Mapping[str, str], body: bytes, names: NameResolver, now: datetime
) -> MappedRequest:
    """Map a delivery to events, and to a dead letter for what should be an event but cannot become one."""
    try:
        mapped = map_delivery(source, WebhookDelivery(headers, webhook_json(headers, body), now), names, now)
    except RequestRejected as error:  # no sender would change anything for a status; the operator reads the dead letter
        mapped = MappedDelivery(refused=str(error))
    outcome = MappedRequest([built.value for built in mapped.events])
    if mapped.refused:
        outcome.dead_letters.append(_letter(source.name, mapped.refused, headers, body, now))
    if mapped.ignored:
        outcome.ignored.append(mapped.ignored)
    return outcome


def map_events(
    items: Sequence[RequestItem], caller: Caller, headers: Mapping[str, str], names: NameResolver, now: datetime
) -> MappedRequest:
    """Map what a caller reports, all or nothing. A CDEvent that cannot be mapped becomes a dead letter.

    Raises:
        RequestRejected: the contract refuses an event; the message names its position and field.
        AccessRefused: the caller may not report it.
    """
    outcome = MappedRequest()
    for position, item in enumerate(items):
        try:
            if item.is_cdevent:
                _map_cdevent(outcome, item, caller, headers, names, now)
            else:
                outcome.events.append(event_from(caller.bind(item.data), now).value)
        except ContractError as error:
            where = f"event {position + 1} of {len(items)}: " if len(items) > 1 else ""
            raise RequestRejected("invalid", f"{where}{error}"[:_LONGEST_PROBLEM], error) from error
    return outcome


def _map_cdevent(
    outcome: MappedRequest,
    item: RequestItem,
    caller: Caller,
    headers: Mapping[str, str],
    names: NameResolver,
    now: datetime,
) -> None:
    mapped = map_delivery(find_source("cdevents"), WebhookDelivery(headers, item.data, now), names, now)
    outcome.events += [_bound(built, caller, now) for built in mapped.events]
    if mapped.refused:
        outcome.dead_letters.append(_letter("cdevents", mapped.refused, headers, json.dumps(item.data).encode(), now))
    if mapped.ignored:
        outcome.ignored.append(mapped.ignored)


def _bound(built: BuiltEvent, caller: Caller, now: datetime) -> EventValue:
    """Bind an event to what the caller's credentials prove. A derived id is derived again."""
    data = json.loads(built.as_json())
    if built.origins.get("event_id", "").startswith("derived"):
        del data["event_id"]
    return event_from(caller.bind(data), now).value


def _letter(source: str, problem: str, headers: Mapping[str, str], body: bytes, now: datetime) -> DeadLetterValue:
    """Build a dead letter from a delivery, without its credentials."""
    size = len(body)
    if size > LARGEST:
        problem += f" (the delivery has {size} bytes, of which this letter holds the beginning)"
    return {
        "reason": UNMAPPABLE,
        "path": None,
        "problem": one_line(problem)[:_LONGEST_PROBLEM],
        "topic": f"webhooks/{source}",
        "partition": -1,
        "offset": -1,
        "append_time": to_micros(now),
        "key": None,
        "value": body[:LARGEST],
        "headers": {name: value.encode("utf-8", "replace")[:1000] for name, value in headers.items() if _shown(name)},
    }


def _shown(name: str) -> bool:
    return name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIXES)
