"""CDEvents 0.4 and 0.5, and what the draft of 0.6 adds. The version of a type moves on its own and is not looked at.

What 0.5 changed (`context.version` became `specversion`, `subject.type` is gone) is not read either way. The vocabulary
has no commit hash for most of what we need one for: `customData.commit_sha` has it. Custom types of any tool whose
subject and predicate are words of ours are taken too: `dev.cdeventsx.acme-canary.started.0.1.0`.
"""

import re
from typing import Any, Final
from urllib.parse import unquote

from producers.events.event_builder import Assignment
from producers.sidecar.webhooks import fields
from producers.sidecar.webhooks.incidents import IncidentReport, PayloadValue, at_receipt, find, incident_event
from producers.sidecar.webhooks.parts import (
    PayloadField,
    identified,
    included,
    joined,
    labels_of,
    lane,
    note,
    placed,
    placed_in_env,
    take,
    timed,
    words_of,
)
from producers.sidecar.webhooks.reading import (
    DeliveryIgnored,
    DeliveryUnmappable,
    NameResolver,
    WebhookDelivery,
    WebhookReading,
    collect,
)

_SOURCE: Final = "cdevents"
_TYPE: Final = re.compile(
    r"dev\.cdevents(?P<custom>x?)\.(?P<subject>[a-z0-9-]+)\.(?P<predicate>[a-z0-9-]+)\.[0-9]+\.[0-9]+\.[0-9]+(?:-[a-z0-9.]+)?"
)
_MEANINGS: Final = {
    "change.merged": "commit_created",
    "artifact.packaged": "artifact_built",
    "artifact.published": "artifact_built",
    "testsuiterun.finished": "tests_passed",
    "service.deployed": "canary_promoted",
    "service.upgraded": "canary_promoted",
    "service.rolledback": "rollback_triggered",
    "incident.detected": "incident_opened",
    "incident.reported": "incident_opened",
    "incident.resolved": "incident_resolved",
    # The draft of 0.6.
    "deployment.started": "canary_started",
    "deployment.finished": "canary_promoted",
    "approval.closed": "policy_passed",
}
_CUSTOM: Final = {
    "canary.started": "canary_started",
    "canary.promoted": "canary_promoted",
    "rollback.triggered": "rollback_triggered",
    "policy.passed": "policy_passed",
    "tests.passed": "tests_passed",
}
_GOOD: Final = {"success", "pass"}
_APPROVED: Final = {"approve", "approved"}
_OF_A_COMMIT: Final = {"commit_created", "artifact_built", "tests_passed", "policy_passed"}
_COMMIT: Final = ("commit_sha", "commitSha", "sha")


def read(delivery: WebhookDelivery, names: NameResolver) -> WebhookReading:
    """Return the event of one CDEvent, bare or as the data of a structured CloudEvent."""
    body = PayloadField(delivery.body)
    if body.at("context").value is None and body.at("data", "context").value is not None:
        body = body.at("data")
    return collect([lambda: _event(body, delivery, names)])


def _event(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[Assignment]:
    said, kind, what = _meaning(body, delivery)
    if what.startswith("incident."):
        return _of_an_incident(body, kind, said, delivery, names)
    context, subject = body.at("context"), body.at("subject")
    content, own = subject.at("content"), body.at("customData")
    common = joined(
        [
            Assignment("event_type", kind, said.path),
            Assignment("source.system", _SOURCE, "webhook"),
            _id(body, delivery),
        ],
        timed(
            delivery.received_at,
            *([own.at("committed_at")] if kind == "commit_created" else []),
            context.at("timestamp"),
            _header(delivery, "ce-time"),
            read=_time,
        ),
        lane(own.at("lane")),
        take("source.run_id", own.at("run_id"), context.at("chainId")),
        take("source.url", content.at("ticketURI"), content.at("uri"), content.at("url"), read=fields.url),
        take("source.actor", own.at("actor")),
        note("cdevents.type", said),
        note("cdevents.source", context.at("source")),
    )
    facts = _facts(body, what)
    if kind in _OF_A_COMMIT:
        return joined(common, placed(names, _SOURCE, facts), _of_a_commit(kind, what, body))
    return joined(common, placed_in_env(names, _SOURCE, facts), _of_a_deployment(kind, what, body))


def _meaning(body: PayloadField, delivery: WebhookDelivery) -> tuple[PayloadField, str, str]:
    """Where the type stands, what it is to us, and its subject and predicate."""
    said = body.at("context", "type")
    if said.text is None:
        said = _header(delivery, "ce-type")
    match = _TYPE.fullmatch(said.text or "")
    if match is None:
        raise DeliveryUnmappable(
            f"context.type: expected dev.cdevents.<subject>.<predicate>.<version>, got {fields.shown(said.text)}"
        )
    subject = match["subject"].rpartition("-")[2] if match["custom"] else match["subject"]
    what = f"{subject}.{match['predicate']}"
    kind = (_CUSTOM if match["custom"] else _MEANINGS).get(what)
    if kind is None:
        raise DeliveryIgnored(f"{said.text}: none of the ten events")
    content = body.at("subject", "content")
    if what in {"testsuiterun.finished", "deployment.finished"} and content.at("outcome").text not in _GOOD:
        raise DeliveryIgnored(f"{what} with outcome {content.at('outcome').text}: none of the ten events")
    if what == "approval.closed" and (content.at("decision").text or "").lower() not in _APPROVED:
        raise DeliveryIgnored(f"{what} with decision {content.at('decision').text}: none of the ten events")
    return said, kind, what


def _id(body: PayloadField, delivery: WebhookDelivery) -> Assignment:
    """A CDEvent is told apart by its source and id, as a CloudEvent is."""
    context = body.at("context")
    source = context.at("source").text or _header(delivery, "ce-source").text
    number = context.at("id").text or _header(delivery, "ce-id").text
    if source is None or number is None:
        raise DeliveryUnmappable("context.id, context.source: one is missing; both are mandatory in CDEvents")
    return identified(_SOURCE, source, number)


# --- what stands where ------------------------------------------------------------------------------------------------
def _of_a_commit(kind: str, what: str, body: PayloadField) -> list[Assignment]:
    subject, content, own = body.at("subject"), body.at("subject", "content"), body.at("customData")
    commit = take(
        "commit_sha", *(own.at(name) for name in _COMMIT), content.at("change", "id"), subject.at("id"), read=fields.sha
    )
    if not commit and what == "artifact.published":
        raise DeliveryIgnored(
            "artifact.published without customData.commit_sha: artifact.packaged counts, which has the commit"
        )
    if not commit:
        raise DeliveryUnmappable(f"{what}: no full commit hash; put it into customData.commit_sha")
    found = commit
    if kind == "commit_created":
        found += take("change_id", own.at("change_id")) or _change(subject)
        found += take("commit.merge_sha", own.at("merge_sha"), read=fields.sha)
        found += take("commit.branch", own.at("branch"))
        found += take("commit.author", own.at("author"))
    elif kind == "artifact_built":
        found += take("artifact_digest", subject.at("id"), read=_digest)
        found += take("artifact.kind", subject.at("id"), read=_package_type)
        found += take("artifact.signed_by", content.at("user"))
    elif kind == "policy_passed":
        found += take("policy.engine", own.at("engine"), body.at("context", "source"))
    return found


def _change(subject: PayloadField) -> list[Assignment]:
    """A request's number alone would be the same in every repository."""
    request, repository = subject.at("id"), subject.at("content", "repository", "id").text
    words = request.text or ""
    if not words or fields.sha(words):
        return []
    named = f"{repository}#{words}" if words.isdigit() and repository else words
    return [Assignment("change_id", named, request.path)]


def _of_a_deployment(kind: str, what: str, body: PayloadField) -> list[Assignment]:
    subject, content, own = body.at("subject"), body.at("subject", "content"), body.at("customData")
    artifact, commit = content.at("artifactId"), [own.at(name) for name in _COMMIT]
    if kind == "rollback_triggered":
        # The artifact is the one that is gone back to. A chain may be the rollback's own, so it names no deployment.
        return joined(
            take("rollback.trigger", own.at("trigger"), read=_trigger)
            or [Assignment("rollback.trigger", "manual", "default: customData.trigger is neither auto nor manual")],
            take("rollback.to_sha", own.at("to_sha"), *commit, read=fields.sha),
            take("rollback.reason", own.at("reason"), read=fields.title),
            take("commit_sha", own.at("from_sha"), read=fields.sha),
            take("deployment_id", own.at("deployment_id")),
            note("cdevents.to_artifact", artifact),
        )
    found = joined(
        take("commit_sha", *commit, read=fields.sha),
        take("artifact_digest", artifact, read=_digest),
        included(own.at("included_shas")),
        take("deployment_id", own.at("deployment_id"), *([subject.at("id")] if what.startswith("deployment.") else [])),
    )
    if not any(entry.path in {"deployment_id", "commit_sha"} for entry in found):
        found += take("deployment_id", body.at("context", "chainId")) or take("deployment_id", artifact, read=_digest)
    if not any(entry.path in {"deployment_id", "commit_sha"} for entry in found):
        raise DeliveryUnmappable(f"{what}: nothing names the deployment; send customData.deployment_id or commit_sha")
    return found


def _of_an_incident(
    body: PayloadField, kind: str, said: PayloadField, delivery: WebhookDelivery, names: NameResolver
) -> list[Assignment]:
    context, subject, content = body.at("context"), body.at("subject"), body.at("subject", "content")
    incident, identity = find(fields.text, subject.at("id")), _id(body, delivery)
    if incident.value is None:
        raise DeliveryUnmappable("subject.id: is missing; it is mandatory in CDEvents")
    when = find(_time, context.at("timestamp"), _header(delivery, "ce-time"))
    report = IncidentReport(
        source=_SOURCE,
        opened=kind == "incident_opened",
        incident_id=incident,
        occurred_at=when if when.value else at_receipt(delivery),
        facts=words_of(_facts(body, "incident")),
        severities=[find(fields.text, body.at("customData", "severity"))],
        title=find(fields.title, content.at("description")),
        url=find(fields.url, content.at("ticketURI")),
        event_id=PayloadValue(str(identity.value), identity.origin),
    )
    event = incident_event(report, names)
    return joined(event, take("artifact_digest", content.at("artifactId"), read=_digest), note("cdevents.type", said))


def _facts(body: PayloadField, what: str) -> dict[str, PayloadField]:
    """What names the service and the environment: the producer's own words first, a package last; it may be a part."""
    subject, content, own = body.at("subject"), body.at("subject", "content"), body.at("customData")
    repository, name = content.at("repository", "id"), content.at("repository", "name")
    packages = [part._replace(value=_package_name(part.value)) for part in (subject.at("id"), content.at("artifactId"))]
    return labels_of(own, "customData") | {
        "content.service": content.at("service", "id"),
        "subject.service": subject.at("id") if what.startswith("service.") else PayloadField(None),
        "content.environment": content.at("environment", "id"),
        "repository.name": name if name.text else repository._replace(value=(repository.text or "").rpartition("/")[2]),
        "repository.id": repository,
        "package.job": packages[0] if packages[0].text else packages[1],
        "context.source": body.at("context", "source"),
    }


# --- notations --------------------------------------------------------------------------------------------------------
def _header(delivery: WebhookDelivery, name: str) -> PayloadField:
    return PayloadField(delivery.headers.get(name), f"header {name}")


def _time(value: Any) -> str | None:
    """RFC 3339, or what some producers send: milliseconds since 1970, as a number or its digits."""
    return fields.time(value) or fields.from_epoch(value, 1000)


def _trigger(value: Any) -> str | None:
    return value if value in ("auto", "manual") else None


def _digest(value: Any) -> str | None:
    """The digest in a package URL such as "pkg:oci/shop@sha256%3A0b31…"."""
    address = fields.text(value) or ""
    digest = unquote(address.partition("?")[0].rpartition("@")[2])
    return digest if re.fullmatch(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", digest) else None


def _package(value: Any) -> re.Match[str] | None:
    return re.match(r"pkg:([a-zA-Z][a-zA-Z0-9.+-]*)/(?:[^@?#]*/)?([^@?#/]+)", fields.text(value) or "")


def _package_type(value: Any) -> str | None:
    package = _package(value)
    return package[1] if package else None


def _package_name(value: Any) -> str | None:
    package = _package(value)
    return unquote(package[2]) if package else None
