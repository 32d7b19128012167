"""What a webhook is given, and what it makes of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from producers.build_event import Assigned

_SHOWN: Final = 5
"""Reasons that are told of a delivery of many parts; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request of a source, its authenticity settled."""

    headers: Mapping[str, str]
    """By lower-case name."""
    body: Any
    """The parsed JSON."""
    received_at: datetime
    """For what happened at a time that the source does not tell."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The events of a delivery, each as its assigned fields, and why the rest of it is none.

    An event's fields name themselves and where in the delivery they come from: `Assigned("env", "prod",
    "alerts[0].labels.env")`. `event_id` is not among them but for a source that has an id of its own for what
    happened; else it follows from `natural_key`.
    """

    events: Sequence[Sequence[Assigned]]
    refused: str | None = None
    """One line for people: what could not be mapped, and what to do about it. It goes to the dead letters."""
    ignored: str | None = None
    """One line: what this delivery is, if it is well understood and stands for none of the ten events."""


class Unmappable(Exception):
    """A delivery, or a part of it, stands for one of the ten events, but lacks what the event needs."""


class Ignored(Exception):
    """A delivery, or a part of it, is well understood and stands for none of the ten events, or is not wanted."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something happened, in our words, and where each word comes from."""

    service: str
    service_origin: str
    env: str | None = None
    env_origin: str | None = None
    severity: str | None = None
    """What the mapping file makes of every incident of this place."""
    severity_origin: str | None = None


class Names(Protocol):
    """From a source's words to ours, as the operator's mapping file says."""

    def place(self, source: str, facts: Mapping[str, str]) -> Place:
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

    def __call__(self, delivery: Delivery, names: Names) -> Reading:
        """Return the events of a delivery. Pure, and never raises for anything that JSON can say."""
        ...


def collect(parts: Iterable[Callable[[], Sequence[Assigned]]]) -> Reading:
    """Return the reading of a delivery of several parts, each of which is an event, `Unmappable` or `Ignored`."""
    events: list[Sequence[Assigned]] = []
    refused: dict[str, None] = {}
    ignored: dict[str, None] = {}
    for part in parts:
        try:
            events.append(part())
        except Unmappable as reason:
            refused[str(reason)] = None
        except Ignored as reason:
            ignored[str(reason)] = None
    return Reading(events, _joined(refused), _joined(ignored))


def _joined(reasons: Iterable[str]) -> str | None:
    shown = list(reasons)
    rest = f"; and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return "; ".join(shown[:_SHOWN]) + rest or None
