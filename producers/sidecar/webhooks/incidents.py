"""What the incident sources have in common: from a report of an incident to the fields of its event."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from producers.events.event_builder import Assignment
from producers.sidecar.webhooks.fields import sha, written
from producers.sidecar.webhooks.parts import PayloadField
from producers.sidecar.webhooks.reading import DeliveryUnmappable, Location, NameResolver, WebhookDelivery

_COMMIT: Final = ("commit_sha", "sha", "git_sha", "commit", "git_commit", "deploy_commit", "revision", "version")
_DEPLOYMENT: Final = ("deployment_id",)
_CAUSE_COMMIT: Final = ("cause_sha", "cause_commit", "cause_commit_sha")
_CAUSE_DEPLOYMENT: Final = ("cause_deployment", "cause_deployment_id")
_CAUSE_SERVICE: Final = ("cause_service",)
_CAUSE_KIND: Final = ("cause_kind",)
_LANE: Final = ("lane",)
_KINDS: Final = frozenset({"change", "infra", "external"})
_LANES: Final = frozenset({"rehearsal", "synthetic"})


class PayloadValue(NamedTuple):
    """A value and where it stands in the delivery; None if it is not there."""

    value: str | None
    origin: str


NOTHING: Final = PayloadValue(None, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentReport:
    """What a source says of one incident at one moment."""

    source: str
    opened: bool
    """Whether the incident is open from then on; else it is resolved."""
    incident_id: PayloadValue
    occurred_at: PayloadValue
    facts: Mapping[str, str]
    """As `NameResolver.place` takes them. Those called sha, deployment_id, cause_sha and the like are read as such."""
    prefix: str = ""
    """Where the facts stand in the delivery: "alerts[0]."."""
    severities: Sequence[PayloadValue] = ()
    """Its words for the severity, the best first: the first that is understood counts."""
    title: PayloadValue = NOTHING
    url: PayloadValue = NOTHING
    alert_cleared_at: PayloadValue = NOTHING
    cause_kind: PayloadValue = NOTHING
    event_id: PayloadValue = NOTHING


def incident_event(report: IncidentReport, names: NameResolver) -> list[Assignment]:
    """Return the fields of the event.

    Raises:
        Unmappable: the service cannot be told, or of an opening the environment.
        Ignored: the mapping file passes it over.
    """
    place = names.place(report.source, report.facts)
    if report.opened and place.env is None:
        raise DeliveryUnmappable(
            f"nothing names the environment of an incident of {place.service}; give the mapping file a rule, an "
            f"env_from or a default_env for sources.{report.source}, or add a label that is called env"
        )
    kind = "incident_opened" if report.opened else "incident_resolved"
    fields = [
        Assignment("event_type", kind, f"what {report.source} says happened"),
        Assignment("service", place.service, _within(report, place.service_origin)),
        Assignment("source.system", report.source, "the source"),
    ]
    found = {
        "event_id": report.event_id,
        "occurred_at": report.occurred_at,
        "incident_id": report.incident_id,
        "env": PayloadValue(place.env, _within(report, place.env_origin or "")),
        "commit_sha": _commit(report, _COMMIT),
        "deployment_id": _fact(report, _DEPLOYMENT),
        "lane": _one_of(_fact(report, _LANE), _LANES),
        "source.url": report.url,
        "incident.severity": _severity(report, place, names),
        "incident.title": report.title,
        "incident.alert_cleared_at": report.alert_cleared_at,
        "incident.cause.commit_sha": _commit(report, _CAUSE_COMMIT),
        "incident.cause.deployment_id": _fact(report, _CAUSE_DEPLOYMENT),
        "incident.cause.service": _fact(report, _CAUSE_SERVICE),
        "incident.cause.kind": _one_of(_fact(report, _CAUSE_KIND), _KINDS),
    }
    if report.cause_kind.value is not None:
        found["incident.cause.kind"] = report.cause_kind
    return fields + [Assignment(path, *entry) for path, entry in found.items() if entry.value is not None]


def find(read: Callable[[Any], str | None], *parts: PayloadField) -> PayloadValue:
    """What `read` makes of the first part of which it makes something."""
    for part in parts:
        value = read(part.value)
        if value is not None:
            return PayloadValue(value, part.path)
    return NOTHING


def at_receipt(delivery: WebhookDelivery) -> PayloadValue:
    """The time of what does not say when it happened."""
    return PayloadValue(written(delivery.received_at), "time of receipt: the delivery does not say when")


def _severity(report: IncidentReport, place: Location, names: NameResolver) -> PayloadValue:
    if place.severity is not None:
        return PayloadValue(place.severity, place.severity_origin or "")
    for words, origin in report.severities:
        severity = names.severity(report.source, words) if words is not None else None
        if severity is not None:
            return PayloadValue(severity, f"{origin}: {words}")
    return NOTHING


def _commit(report: IncidentReport, called: Iterable[str]) -> PayloadValue:
    """A full hash under one of these names; a version that is none says nothing."""
    for name in called:
        for fact, value in report.facts.items():
            digits = sha(value) if _last(fact) == name else None
            if digits is not None:
                return PayloadValue(digits, _within(report, fact))
    return NOTHING


def _fact(report: IncidentReport, called: Iterable[str]) -> PayloadValue:
    wanted = frozenset(called)
    return next(
        (PayloadValue(value, _within(report, fact)) for fact, value in report.facts.items() if _last(fact) in wanted),
        NOTHING,
    )


def _one_of(found: PayloadValue, known: frozenset[str]) -> PayloadValue:
    word = found.value.lower() if found.value is not None else None
    return PayloadValue(word, found.origin) if word in known else NOTHING


def _within(report: IncidentReport, origin: str) -> str:
    """An origin that is a fact, with where the facts stand."""
    fact = origin.partition(", by ")[0]
    return f"{report.prefix}{origin}" if fact in report.facts else origin


def _last(fact: str) -> str:
    return fact.rpartition(".")[2].lower()
