"""What a webhook is given, and what it makes of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from producers.events.event_builder import Assignment

_SHOWN: Final = 5
"""Reasons that are told of a delivery of many parts; the rest is counted."""


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One request of a source, its authenticity settled."""

    headers: Mapping[str, str]
    """By lower-case name."""
    body: Any
    """The parsed JSON."""
    received_at: datetime
    """For what happened at a time that the source does not tell."""


@dataclass(frozen=True, slots=True)
class WebhookReading:
    """The events of a delivery, each as its assigned fields, and why the rest of it is none.

    An event's fields name themselves and where in the delivery they come from: `Assigned("env", "prod",
    "alerts[0].labels.env")`. `event_id` is not among them but for a source that has an id of its own for what
    happened; else it follows from `natural_key`.
    """

    events: Sequence[Sequence[Assignment]]
    refused: str | None = None
    """One line for people: what could not be mapped, and what to do about it. It goes to the dead letters."""
    ignored: str | None = None
    """One line: what this delivery is, if it is well understood and stands for none of the ten events."""


class DeliveryUnmappable(Exception):
    """A delivery, or a part of it, stands for one of the ten events, but lacks what the event needs."""


class DeliveryIgnored(Exception):
    """A delivery, or a part of it, is well understood and stands for none of the ten events, or is not wanted."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where something happened, in our words, and where each word comes from."""

    service: str
    service_origin: str
    env: str | None = None
    env_origin: str | None = None
    severity: str | None = None
    """What the mapping file makes of every incident of this place."""
    severity_origin: str | None = None


class NameResolver(Protocol):
    """From a source's words to ours, as the operator's mapping file says."""

    def place(self, source: str, facts: Mapping[str, str]) -> Location:
        """Where it happened.

        `facts` are the source's own words by dotted name, in the order of their weight: `{"labels.service": "shop-api",
        "labels.namespace": "prod-eu", "labels.job": "shop"}`.

        Raises:
            Unmappable: no rule and no fact names a service; the message says which facts there were.
            Ignored: the mapping file says that what has these facts is to be passed over.
        """
        ...

    def severity(self, source: str, words: str) -> str | None:
        """Return "sev1" to "sev5" for a source's own words ("P1", "critical"), None for words that nobody explained."""
        ...


class Webhook(Protocol):
    """One source: a module's `read`."""

    def __call__(self, delivery: WebhookDelivery, names: NameResolver) -> WebhookReading:
        """Return the events of a delivery. Pure, and never raises for anything that JSON can say."""
        ...


def collect(parts: Iterable[Callable[[], Sequence[Assignment]]]) -> WebhookReading:
    """Combine the parts of a delivery: each is an event, `DeliveryUnmappable` or `DeliveryIgnored`."""
    events: list[Sequence[Assignment]] = []
    refused: dict[str, None] = {}
    ignored: dict[str, None] = {}
    for part in parts:
        try:
            events.append(part())
        except DeliveryUnmappable as reason:
            refused[str(reason)] = None
        except DeliveryIgnored as reason:
            ignored[str(reason)] = None
    return WebhookReading(events, _joined(refused), _joined(ignored))


def _joined(reasons: Iterable[str]) -> str | None:
    shown = list(reasons)
    rest = f"; and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return "; ".join(shown[:_SHOWN]) + rest or None
