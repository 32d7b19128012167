"""Flagger: the events of a canary's analysis (`type: event`), and its `post-rollout` hooks.

Flagger knows no commit and no number of a revision. What names a version is the checksum of what was applied, and that
one lags: "New revision detected!" still has the old one. So the start is read from "Starting canary analysis", and the
message decides, not the phase: "Promotion completed!" is told in the phase Finalising.
"""

from typing import Final

from producers.events.event_builder import Assignment
from producers.sidecar.webhooks import fields
from producers.sidecar.webhooks.parts import (
    PayloadField,
    facts_of,
    identified,
    joined,
    lane,
    note,
    placed_in_env,
    take,
    timed,
)
from producers.sidecar.webhooks.reading import (
    DeliveryIgnored,
    DeliveryUnmappable,
    NameResolver,
    WebhookDelivery,
    WebhookReading,
    collect,
)

_SOURCE: Final = "flagger"
_MESSAGES: Final = (
    ("starting canary analysis", "canary_started", "", "started"),
    ("promotion completed!", "canary_promoted", "", "promoted"),
    ("canary failed!", "rollback_triggered", "auto", "failed"),
)
"""How a message begins, what it means, who rolled back, and what tells it from the others of the same version."""
_ROLLING_BACK: Final = "rolling back"
_BY_HAND: Final = "manual webhook invoked"
_PHASES: Final = {
    "Progressing": ("canary_started", ""),
    "Succeeded": ("canary_promoted", ""),
    "Failed": ("rollback_triggered", "auto"),
}
"""What the hooks that have no message say."""


def read(delivery: WebhookDelivery, names: NameResolver) -> WebhookReading:
    """Return the event of one call."""
    body = PayloadField(delivery.body)
    return collect([lambda: _event(body, delivery, names)])


def _event(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[Assignment]:
    kind, trigger, step, said_by = _meaning(body)
    name, namespace, version = (body.at(field).text for field in ("name", "namespace", "checksum"))
    if name is None or namespace is None:
        raise DeliveryUnmappable("name, namespace: one is missing: this is no call of Flagger")
    extra = body.at("metadata")
    deployment = take("deployment_id", extra.at("deployment_id"), body.at("checksum"))
    commit = take("commit_sha", extra.at("commit_sha"), read=fields.sha)
    if not deployment and not commit:
        raise DeliveryUnmappable(
            "checksum: is missing, so nothing tells one rollout from the next; Flagger 1.34 and later send it"
        )
    moment = extra.at("timestamp").text or ""
    event = joined(
        [
            Assignment("event_type", kind, said_by.path),
            Assignment("source.system", _SOURCE, "webhook"),
            identified(_SOURCE, f"{namespace}/{name}", version or str(deployment or commit), step, moment),
        ],
        timed(delivery.received_at, extra.at("timestamp"), read=lambda value: fields.from_epoch(value, 1000)),
        placed_in_env(names, _SOURCE, _facts(body)),
        deployment,
        commit,
        lane(extra.at("lane")),
        note("flagger.canary", body.at("name")),
        note("flagger.namespace", body.at("namespace")),
        note("flagger.phase", body.at("phase")),
    )
    if kind == "rollback_triggered":
        event.append(Assignment("rollback.trigger", trigger, said_by.path))
        event += take("rollback.reason", extra.at("eventMessage"), read=fields.title)
    return event


def _meaning(body: PayloadField) -> tuple[str, str, str, PayloadField]:
    """The type, who rolled back, the step for the id, and what says so."""
    message, phase = body.at("metadata", "eventMessage"), body.at("phase")
    words = message.text
    if words is None:
        if phase.text not in _PHASES:
            raise DeliveryIgnored(f"phase {phase.text}: no start and no end of a canary")
        kind, trigger = _PHASES[phase.text]
        return kind, trigger, f"phase {phase.text}", phase
    for beginning, kind, trigger, step in _MESSAGES:
        if words.lower().startswith(beginning):
            return kind, trigger, step, message
    if words.lower().startswith(_ROLLING_BACK):
        return "rollback_triggered", "manual" if _BY_HAND in words else "auto", "rolling back", message
    raise DeliveryIgnored(f"{fields.shown(words)}: no start and no end of a canary")


def _facts(body: PayloadField) -> dict[str, PayloadField]:
    """What the operator put into the hook's `metadata` first. A canary's name and namespace are its Kubernetes ones."""
    extra = body.at("metadata")
    kubernetes = {"metadata.name": body.at("name"), "metadata.namespace": body.at("namespace")}
    return facts_of(extra.at("service"), extra.at("env")) | kubernetes
