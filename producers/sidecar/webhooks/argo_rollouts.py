"""Argo Rollouts, as the templates in `deploy/argo-rollouts/notifications-configmap.yaml` let it speak.

A notification is made from the rollout as it was before the controller changed it, so nothing of its status is read but
whether somebody had asked for an abort. The same notification may come several times: an abort by deadline is told
twice, and each replica of the controller tells everything.
"""

import json
import re
from math import isfinite
from typing import Any, Final

from producers.events.event_builder import Assignment
from producers.sidecar.webhooks import fields
from producers.sidecar.webhooks.parts import (
    PayloadField,
    facts_of,
    identified,
    joined,
    labels_of,
    lane,
    note,
    pinned_digest,
    placed_in_env,
    tagged_sha,
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

_SOURCE: Final = "argo_rollouts"
_REVISION: Final = "rollout.argoproj.io/revision"
_COMMIT: Final = "candora.dev/commit-sha"
_LANE: Final = "candora.dev/lane"
_VERSION: Final = "app.kubernetes.io/version"
_TYPES: Final = {
    "RolloutUpdated": "canary_started",
    "RolloutCompleted": "canary_promoted",
    "RolloutAborted": "rollback_triggered",
}
_ROLLED_BACK: Final = {"RolledBack", "FastRolledBack"}
_NOT_PROMOTED: Final = {"Aborted", "Superseded"}
_FAILED: Final = {"Failed": "fail", "Error": "error"}
_VERDICTS: Final = {"Successful": "pass", "Inconclusive": "inconclusive", **_FAILED}
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")
_INSTALL: Final = "use the templates of deploy/argo-rollouts/notifications-configmap.yaml"


def read(delivery: WebhookDelivery, names: NameResolver) -> WebhookReading:
    """Return the event of one notification about a rollout."""
    body = PayloadField(delivery.body)
    return collect([lambda: _event(body, delivery, names)])


def _event(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[Assignment]:
    kind, reason, went_back = _meaning(body)
    uid, revision = _identity(body)
    # The revision that is rolled back from is the one that the notification is about, but for a completed way back:
    # that is a revision of its own, one further than what it replaces.
    about = revision - 1 if went_back else revision
    event = joined(
        [
            Assignment("event_type", kind, "completionStatus" if went_back else "reason"),
            identified(_SOURCE, uid, str(revision), reason),
            Assignment("deployment_id", _deployment(body, uid, about), "metadata: name, revision and uid"),
            Assignment("source.system", _SOURCE, "webhook"),
        ],
        timed(delivery.received_at, body.at("time")),
        placed_in_env(names, _SOURCE, _facts(body)),
        lane(body.at("pod", "annotations", _LANE), body.at("metadata", "annotations", _LANE)),
        take("source.run_id", body.at("metadata", "uid")),
        note("argo.namespace", body.at("metadata", "namespace")),
        note("argo.revision", body.at("metadata", "annotations", _REVISION)),
        note("argo.completion_status", body.at("completionStatus")),
    )
    if went_back:
        event.append(Assignment("rollback.trigger", "manual", "completionStatus: the spec was set back"))
        return event + _commit("rollback.to_sha", body)
    event += joined(_commit("commit_sha", body), _digest(body))
    if kind == "rollback_triggered":
        event += _rollback(body)
    elif kind == "canary_promoted":
        event += _analysis(body)
    return event


def _meaning(body: PayloadField) -> tuple[str, str, bool]:
    """The type, the reason, and whether an old version was set again and promoted."""
    reason, completion = body.at("reason").text, body.at("completionStatus").text
    if reason is None:
        raise DeliveryUnmappable(f"reason: is missing, so nobody can say what happened; {_INSTALL}")
    if reason not in _TYPES:
        raise DeliveryIgnored(f"{reason}: counts with the start, the completion or the abort of its rollout")
    if reason == "RolloutCompleted" and completion in _NOT_PROMOTED:
        raise DeliveryIgnored(f"{reason} with completionStatus {completion}: this revision was not promoted")
    if reason == "RolloutCompleted" and completion in _ROLLED_BACK:
        return "rollback_triggered", reason, True
    return _TYPES[reason], reason, False


def _identity(body: PayloadField) -> tuple[str, int]:
    uid = body.at("metadata", "uid").text
    revision = body.at("metadata", "annotations", _REVISION).text
    if uid is None:
        raise DeliveryUnmappable(f"metadata.uid: is missing; {_INSTALL}")
    if revision is None or not _NUMBER.fullmatch(revision):
        raise DeliveryUnmappable(
            f"metadata.annotations.{_REVISION}: is missing, or no number of a revision; {_INSTALL}"
        )
    return uid, int(revision)


def _deployment(body: PayloadField, uid: str, revision: int) -> str:
    """One name for the start, the promotion and the abort of a revision. A rollout made anew counts from 1 again."""
    name = body.at("metadata", "name").text or "rollout"
    return f"{name[:200]}:{revision}@{uid[:8]}"


def _facts(body: PayloadField) -> dict[str, PayloadField]:
    """The rollout's own annotations first, then labels, its pods' too, then where it is."""
    metadata, pod = body.at("metadata"), body.at("pod")
    own = {f"candora.{word}": metadata.at("annotations", f"candora.dev/{word}") for word in ("service", "env")}
    labels = labels_of(pod.at("labels")) | labels_of(metadata.at("labels"))
    return own | labels | facts_of(metadata.at("name"), metadata.at("namespace"))


def _commit(field: str, body: PayloadField) -> list[Assignment]:
    """The commit that the image was built from. After an abort the pod template still is the aborted one."""
    pod, metadata = body.at("pod"), body.at("metadata")
    named = [
        *(holder.at(kind, _COMMIT) for holder in (pod, metadata) for kind in ("annotations", "labels")),
        *(holder.at("labels", _VERSION) for holder in (pod, metadata)),
    ]
    return take(field, *named, read=fields.sha) or take(field, *_images(body), read=tagged_sha)


def _digest(body: PayloadField) -> list[Assignment]:
    return take("artifact_digest", *_images(body), read=pinned_digest)


def _images(body: PayloadField) -> list[PayloadField]:
    """The images, of the container first that has the name of its rollout."""
    name = body.at("metadata", "name").text
    containers = sorted(body.at("pod", "containers").entries(), key=lambda container: container.at("name").text != name)
    return [container.at("image") for container in containers]


def _rollback(body: PayloadField) -> list[Assignment]:
    """Who aborted: the controller, if an analysis failed, or if nobody had asked for it in the rollout's status."""
    for run in body.at("analysisRuns").entries():
        if run.at("phase").text in _FAILED:
            words = ": ".join(filter(None, ("analysis failed", run.at("message").text or _failed_metrics(run))))
            return [
                Assignment("rollback.trigger", "auto", run.at("phase").path),
                Assignment("rollback.reason", fields.title(words), run.path),
            ]
    asked = body.at("abortAsked")
    if asked.value is True:
        return [
            Assignment("rollback.trigger", "manual", asked.path),
            Assignment("rollback.reason", "somebody asked for the abort", asked.path),
        ]
    return [
        Assignment("rollback.trigger", "auto", asked.path),
        Assignment("rollback.reason", "the controller aborted: deadline passed, or another check failed", asked.path),
    ]


def _failed_metrics(run: PayloadField) -> str | None:
    failed = (metric.at("name").text for metric in run.at("metrics").entries() if metric.at("phase").text in _FAILED)
    return ", ".join(filter(None, failed)) or None


def _analysis(body: PayloadField) -> list[Assignment]:
    """What the analysis measured, dry runs left out: they decide nothing."""
    rows = [
        {
            "metric": metric.at("name").text,
            "verdict": _VERDICTS.get(metric.at("phase").text or "", "unknown"),
            "value": _number(metric.at("last").value),
            "n": count if isinstance(count := metric.at("count").value, int) and count >= 0 else None,
        }
        for run in body.at("analysisRuns").entries()
        for metric in run.at("metrics").entries()
        if metric.at("name").text and metric.at("dryRun").value is not True
    ]
    return [Assignment("canary.analysis", rows, "analysisRuns")] if rows else []


def _number(value: Any) -> float | None:
    """A measurement is JSON in a text: `0.99`, `[0.99]`, or words of the provider."""
    try:
        number = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return None
    if isinstance(number, list) and len(number) == 1:
        number = number[0]
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    try:
        return float(number) if isfinite(number) else None
    except OverflowError:
        return None
