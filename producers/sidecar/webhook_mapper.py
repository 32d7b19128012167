"""Map an authenticated delivery to valid events, which `serve` spools and `explain` shows."""

from dataclasses import dataclass
from datetime import datetime

from producers.events.event_builder import BuiltEvent, build_event
from producers.sidecar.webhooks.reading import NameResolver, WebhookDelivery
from producers.sidecar.webhooks.sources import WebhookSource
from schemas.errors import ContractError


@dataclass(frozen=True, slots=True)
class MappedDelivery:
    """The outcome of a delivery, whose parts may be mapped, refused or ignored independently."""

    events: tuple[BuiltEvent, ...] = ()
    refused: str | None = None
    """Why a part that means one of the ten events could not become one; goes to the dead letters."""
    ignored: str | None = None
    """Why a part means none of the ten events."""


def map_delivery(
    source: WebhookSource, delivery: WebhookDelivery, names: NameResolver, now: datetime
) -> MappedDelivery:
    """Return the valid events of a delivery; an event that violates the contract is refused on its own."""
    reading = source.read(delivery, names)
    built: list[BuiltEvent] = []
    refused = [reading.refused] if reading.refused else []
    for position, assigned in enumerate(reading.events):
        try:
            built.append(build_event(assigned, now))
        except ContractError as error:
            at = next((entry.origin for entry in assigned if entry.path == error.path), None)
            which = f"event {position + 1}, " if len(reading.events) > 1 else ""
            refused.append(f"{which}{error}" + (f" (from {at})" if at else ""))
    return MappedDelivery(tuple(built), "; ".join(refused) or None, reading.ignored)
