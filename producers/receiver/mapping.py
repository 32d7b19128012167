"""From an authentic delivery to events that the contract takes: what `serve` spools and `explain` shows."""

from dataclasses import dataclass
from datetime import datetime

from producers.build_event import Built, build_event
from producers.receiver.webhooks.reading import Delivery, Names
from producers.receiver.webhooks.sources import Source
from schemas.errors import ContractError


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a delivery becomes. One may be events, refused and ignored in its several parts."""

    events: tuple[Built, ...] = ()
    refused: str | None = None
    """Why something in it that is one of the ten events could not be made one: for the dead letters."""
    ignored: str | None = None
    """Why something in it is none of the ten events."""


def map_delivery(source: Source, delivery: Delivery, names: Names, now: datetime) -> Mapped:
    """Return the events of a delivery, each as the contract takes it; one that it does not take is refused alone."""
    reading = source.read(delivery, names)
    built: list[Built] = []
    refused = [reading.refused] if reading.refused else []
    for position, assigned in enumerate(reading.events):
        try:
            built.append(build_event(assigned, now))
        except ContractError as error:
            at = next((entry.origin for entry in assigned if entry.path == error.path), None)
            which = f"event {position + 1}, " if len(reading.events) > 1 else ""
            refused.append(f"{which}{error}" + (f" (from {at})" if at else ""))
    return Mapped(tuple(built), "; ".join(refused) or None, reading.ignored)
