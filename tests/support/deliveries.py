"""Deliveries of webhooks from the fixtures, and what they become.

`fixtures/<source>/<name>.json` is a body as its source sends it, `expected/<source>.json` what each of them becomes.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from producers.events.event_builder import BuiltEvent
from producers.sidecar.name_mapping import MappedNameResolver, NameRules
from producers.sidecar.webhook_mapper import MappedDelivery, map_delivery
from producers.sidecar.webhooks.reading import WebhookDelivery
from producers.sidecar.webhooks.sources import find_source

WEBHOOKS: Final = Path(__file__).parents[1] / "unit" / "producers" / "sidecar" / "webhooks"
RECEIVED: Final = datetime(2026, 3, 3, 12, tzinfo=UTC)
NAMES: Final = MappedNameResolver(NameRules.model_validate({"envs": {"production": "prod"}}))


def body(source: str, name: str) -> Any:
    """The parsed body of a fixture."""
    return json.loads((WEBHOOKS / "fixtures" / source / f"{name}.json").read_bytes())


def names_of(source: str) -> list[str]:
    """The fixtures of a source."""
    return sorted(path.stem for path in (WEBHOOKS / "fixtures" / source).glob("*.json"))


def expected(source: str) -> Mapping[str, Any]:
    """What each fixture of a source becomes: `{"events": […], "refused": …, "ignored": …}`."""
    told: Mapping[str, Any] = json.loads((WEBHOOKS / "expected" / f"{source}.json").read_bytes())
    return told


def headers(source: str, name: str) -> dict[str, str]:
    """The headers that say what a delivery is: the name of a fixture of GitHub begins with its event."""
    return {"x-github-event": name.partition("-")[0]} if source == "github" else {}


def become(source: str, name: str, received_at: datetime = RECEIVED) -> MappedDelivery:
    """What a fixture becomes."""
    return deliver(source, body(source, name), headers(source, name), received_at)


def deliver(
    source: str, content: Any, headers: Mapping[str, str] | None = None, at: datetime = RECEIVED
) -> MappedDelivery:
    """What a body becomes."""
    return map_delivery(find_source(source), WebhookDelivery(headers or {}, content, at), NAMES, at)


def plain(events: Iterable[BuiltEvent]) -> list[Any]:
    """Events as JSON."""
    return [json.loads(event.as_json()) for event in events]


def shown(mapped: MappedDelivery) -> dict[str, Any]:
    """What a delivery became, without what it did not."""
    found = {"events": plain(mapped.events), "refused": mapped.refused, "ignored": mapped.ignored}
    return {name: value for name, value in found.items() if value}


def untold(mapped: MappedDelivery) -> list[str]:
    """The fields that do not say where in the delivery they come from, but for those that the contract fills itself."""
    filled: tuple[object, ...] = ("normal", "unknown", {}, [])
    return [
        path
        for event in mapped.events
        for path, value, origin in event.explained()
        if not origin or (origin == "default of the contract" and value not in filled)
    ]
