"""Fields of an event out of a delivery, each with the place in the delivery where it stands."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple, get_args

from producers.events.event_builder import Assignment
from producers.events.event_id import derived_id
from producers.sidecar.webhooks import fields
from producers.sidecar.webhooks.reading import DeliveryIgnored, DeliveryUnmappable, NameResolver, WebhookReading
from schemas.values import LaneName

Facts = Mapping[str, "PayloadField"]
"""What a mapping file goes by, by the names that it knows them under, in the order of their weight."""
Reader = Callable[[Any], object]
"""Makes a field of what stands somewhere; None if it is not what the field needs."""

_FACTS: Final = 12
_ATTRIBUTE: Final = 900
"""Characters of an attribute: with its name below what the contract takes."""


class PayloadField(NamedTuple):
    """A place in a delivery, and what stands there: None if the delivery ends before."""

    value: Any
    path: str = ""

    def at(self, *steps: str) -> "PayloadField":
        """The place further down."""
        return PayloadField(fields.at(self.value, *steps), ".".join((self.path, *steps) if self.path else steps))

    def entries(self) -> "list[PayloadField]":
        """The places in a list; none if no list stands here."""
        return [PayloadField(entry, f"{self.path}[{n}]") for n, entry in enumerate(fields.entries(self.value))]

    @property
    def text(self) -> str | None:
        """What stands here, if it is words or a whole number."""
        return fields.text(self.value)


def take(field: str, *parts: PayloadField, read: Reader = fields.text) -> list[Assignment]:
    """The field from the first part that has what it needs; nothing if none has."""
    for part in parts:
        value = read(part.value)
        if value is not None:
            return [Assignment(field, value, part.path)]
    return []


def note(name: str, part: PayloadField) -> list[Assignment]:
    """An attribute for people, on one line and cut where the contract would refuse it."""
    line = fields.title(part.value)
    return [] if line is None else [Assignment(f"attributes.{name}", line[:_ATTRIBUTE], part.path)]


def timed(received_at: datetime, *parts: PayloadField, read: Reader = fields.time) -> list[Assignment]:
    """`occurred_at` from the first part that has a time, else when the delivery arrived."""
    return take("occurred_at", *parts, read=read) or [
        Assignment("occurred_at", fields.written(received_at), "when the delivery arrived: it says no time")
    ]


def identified(*key: str) -> Assignment:
    """The `event_id` for what the source itself can tell from everything else."""
    # Half a character, which JSON can say, has no bytes to make an id of; the contract refuses it where it is a field.
    whole = "|".join(key).encode(errors="replace").decode()
    return Assignment("event_id", derived_id(whole), f"derived from {whole}")


def placed(names: NameResolver, source: str, facts: Facts) -> list[Assignment]:
    """The service of the facts, for what happens in no environment.

    Raises:
        Unmappable: nothing names it.
        Ignored: the mapping file passes it over.
    """
    place = names.place(source, words_of(facts))
    return [Assignment("service", place.service, _origin(place.service_origin, facts))]


def placed_in_env(names: NameResolver, source: str, facts: Facts) -> list[Assignment]:
    """The service and the environment of the facts.

    Raises:
        Unmappable: nothing names one of them.
        Ignored: the mapping file passes it over.
    """
    told = words_of(facts)
    place = names.place(source, told)
    if place.env is None:
        shown = ", ".join(f"{name}={fields.shown(value)}" for name, value in islice(told.items(), _FACTS)) or "none"
        raise DeliveryUnmappable(
            f"nothing names the environment of {place.service}; the facts are {shown}. "
            f"Add a rule for sources.{source} to the mapping file, or a default_env"
        )
    return [
        Assignment("service", place.service, _origin(place.service_origin, facts)),
        Assignment("env", place.env, _origin(place.env_origin or "", facts)),
    ]


def facts_of(*parts: PayloadField) -> dict[str, PayloadField]:
    """The parts as facts that are called by their paths."""
    return {part.path: part for part in parts}


def labels_of(labels: PayloadField, called: str = "labels") -> dict[str, PayloadField]:
    """The entries of an object as facts: `labels.team`."""
    return {f"{called}.{name}": labels.at(name) for name in fields.named(labels.value)}


def words_of(facts: Facts) -> dict[str, str]:
    """The facts as `NameResolver.place` takes them: those that say something."""
    return {name: part.text for name, part in facts.items() if part.text is not None}


def _origin(origin: str, facts: Facts) -> str:
    """An origin that names a fact, with the place of that fact instead."""
    name, comma, by = origin.partition(", by ")
    return f"{facts[name].path}{comma}{by}" if name in facts else origin


def lane(*parts: PayloadField) -> list[Assignment]:
    """How the change travels, where the operator says it in a word of the contract's."""
    return take("lane", *parts, read=lambda word: word if word in get_args(LaneName) else None)


def included(*parts: PayloadField) -> list[Assignment]:
    """The commits that a deployment brings besides its own, where the deployer lists them: full hashes all."""
    return take("canary.included_shas", *parts, read=_hashes)


def _hashes(value: Any) -> list[str] | None:
    hashes = [commit for entry in fields.entries(value) if (commit := fields.sha(entry))]
    return hashes if hashes and len(hashes) == len(fields.entries(value)) else None


def tagged_sha(image: Any) -> str | None:
    """The commit hash that an image has as its tag, if it is a full one."""
    name = (fields.text(image) or "").partition("@")[0]
    return fields.sha(name.rpartition(":")[2])


def pinned_digest(image: Any) -> str | None:
    """The digest that an image is pinned to, such as "sha256:…"."""
    _, _, digest = (fields.text(image) or "").partition("@")
    algorithm, colon, digits = digest.partition(":")
    plain = algorithm in {"sha256", "sha512"} and len(digits) in {64, 128} and set(digits) <= set("0123456789abcdef")
    return digest if colon and plain else None


def joined(*groups: Iterable[Assignment]) -> list[Assignment]:
    """One event of several groups of fields."""
    return [entry for group in groups for entry in group]


def several(events: Callable[[], Sequence[Sequence[Assignment]]]) -> WebhookReading:
    """The reading of a delivery whose events have so much in common that it is mapped whole or not at all."""
    try:
        return WebhookReading(events())
    except DeliveryUnmappable as reason:
        return WebhookReading((), refused=str(reason))
    except DeliveryIgnored as reason:
        return WebhookReading((), ignored=str(reason))
