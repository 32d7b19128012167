"""An event becomes a fact: what the rules need of it, where it stood in the log, and when the log took it in.

Facts are never changed. What a record stands for is a pure function of its facts, so order and repetition do not
matter (semantics.md, section 2). `offset` says after which message a fact was known: state that was written only
in part can be cut back to the last message that was written whole.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from schemas.fingerprint import fingerprint
from schemas.values import CauseKindName, EventValue, LaneName, Micros
from streams.core.record_key import (
    RecordKey,
    cause_link_key,
    change_key,
    deployment_key,
    incident_key,
    rollback_key,
)

FOR_EVER: Final[Micros] = -(1 << 62)
"""The clock of a computation without a broker while it reads: everything was known for ever."""


class CommitFact(NamedTuple):
    """A commit_created."""

    sha: str
    change_id: str | None
    merge_sha: str | None


class StageFact(NamedTuple):
    """A stage of the pipeline that passed for a commit."""

    sha: str
    stage: str


class CanaryFact(NamedTuple):
    """A canary_started, or a canary_promoted (`promoted`)."""

    promoted: bool
    sha: str | None
    digest: str | None
    included: tuple[str, ...] | None
    url: str | None


class RollbackFact(NamedTuple):
    """A rollback_triggered and the name of what it rolls back: an id, else a SHA, else whatever is in force."""

    env: str
    deployment_id: str | None
    sha: str | None
    trigger: str
    to_sha: str | None
    reason: str | None
    succeeded: bool | None


class CauseFact(NamedTuple):
    """What an incident says caused it."""

    service: str | None
    deployment_id: str | None
    sha: str | None
    kind: CauseKindName


class IncidentFact(NamedTuple):
    """An incident_opened (`opened`) or an incident_resolved."""

    opened: bool
    env: str | None
    severity: str | None
    title: str | None
    slo_met_at: Micros | None
    alert_cleared_at: Micros | None
    cause: CauseFact | None
    deployment_id: str | None
    sha: str | None
    escaped: tuple[str, ...]
    regression_test: str | None


class CauseLinkFact(NamedTuple):
    """An incident of another service whose cause is looked for here; of several, the highest `version` holds."""

    origin: str
    incident_id: str
    env: str
    severity: str | None
    deployment_id: str | None
    sha: str | None
    holds: bool
    version: int


Body = TypeVar("Body", CommitFact, StageFact, CanaryFact, RollbackFact, IncidentFact, CauseLinkFact)

COUNTED_LANES: Final = frozenset(("normal", "hotfix"))


class Fact(NamedTuple, Generic[Body]):
    """One event, as far as the rules need it."""

    event_id: bytes
    mark: bytes
    """Fingerprint of the event's contents."""
    offset: int
    seen_at: Micros
    """The partition's clock when the fact was read."""
    at: Micros
    """Event time."""
    lane: LaneName
    body: Body

    @property
    def counts(self) -> bool:
        """Rehearsal and synthetic events are kept and shown, and enter no number."""
        return self.lane in COUNTED_LANES

    @property
    def rank(self) -> tuple[Micros, bytes]:
        """Of two events with one id, the one with the smaller rank counts."""
        return (self.at, self.mark)


AnyFact = (
    Fact[CommitFact]
    | Fact[StageFact]
    | Fact[CanaryFact]
    | Fact[RollbackFact]
    | Fact[IncidentFact]
    | Fact[CauseLinkFact]
)


def is_rehearsal(fact: AnyFact) -> bool:
    """Whether a rollback was rehearsed by it, and did not report that it failed."""
    return fact.lane == "rehearsal" and isinstance(fact.body, RollbackFact) and fact.body.succeeded is not False


_OF_CHANGES: Final = frozenset(
    ("commit_created", "artifact_built", "tests_passed", "security_scanned", "policy_passed")
)


def owner_of(event: EventValue) -> RecordKey:
    """The key, unique within the service, of the record that keeps this event."""
    kind = event["event_type"]
    if kind in _OF_CHANGES:
        return change_key(event["change_id"] or event["commit_sha"] or "")
    if kind in ("canary_started", "canary_promoted"):
        return deployment_key(event["env"] or "", event["deployment_id"] or event["commit_sha"] or "")
    if kind in ("incident_opened", "incident_resolved"):
        return incident_key(event["incident_id"] or "")
    if kind == "rollback_triggered":
        return rollback_key(event["event_id"])
    if kind == "cause_linked":
        return cause_link_key(event["attributes"]["origin"], event["incident_id"] or "")
    raise ValueError(f"no record keeps events of type {kind}")


def fact_of(event: EventValue, seen_at: Micros, offset: int) -> AnyFact:
    """What the rules need of a valid event. Raises ValueError for a type that no rule reads (clock_tick, UNKNOWN)."""
    kind = event["event_type"]
    read = _READERS.get(kind)
    if read is None:
        message = f"no rule reads events of type {kind}"
        raise ValueError(message)
    event_id = bytes.fromhex(event["event_id"].replace("-", ""))
    return Fact(event_id, fingerprint(event), offset, seen_at, event["occurred_at"], event["lane"], read(event))


def _commit(event: EventValue) -> CommitFact:
    commit = event["commit"]
    return CommitFact(event["commit_sha"] or "", event["change_id"], commit["merge_sha"] if commit else None)


def _stage(event: EventValue) -> StageFact:
    return StageFact(event["commit_sha"] or "", event["event_type"])


def _canary(event: EventValue) -> CanaryFact:
    canary, source = event["canary"], event["source"]
    included = canary["included_shas"] if canary else None
    return CanaryFact(
        event["event_type"] == "canary_promoted",
        event["commit_sha"],
        event["artifact_digest"],
        None if included is None else tuple(included),
        source["url"] if source else None,
    )


def _rollback(event: EventValue) -> RollbackFact:
    env, named, sha, rollback = event["env"] or "", event["deployment_id"], event["commit_sha"], event["rollback"]
    if rollback is None:
        return RollbackFact(env, named, sha, "manual", None, None, None)
    reason, succeeded = rollback["reason"], rollback["succeeded"]
    return RollbackFact(env, named, sha, rollback["trigger"], rollback["to_sha"], reason, succeeded)


def _report(event: EventValue) -> IncidentFact:
    opened = event["event_type"] == "incident_opened"
    names = (event["deployment_id"], event["commit_sha"])
    incident = event["incident"]
    if incident is None:
        return IncidentFact(opened, event["env"], None, None, None, None, None, *names, (), None)
    cause = incident["cause"]
    return IncidentFact(
        opened,
        event["env"],
        incident["severity"],
        incident["title"],
        incident["slo_met_at"],
        incident["alert_cleared_at"],
        CauseFact(cause["service"], cause["deployment_id"], cause["commit_sha"], cause["kind"]) if cause else None,
        *names,
        tuple(incident["escaped_gates"] or ()),
        incident["regression_test"],
    )


def _link(event: EventValue) -> CauseLinkFact:
    incident, attributes = event["incident"], event["attributes"]
    return CauseLinkFact(
        attributes["origin"],
        event["incident_id"] or "",
        event["env"] or "",
        incident["severity"] if incident else None,
        event["deployment_id"],
        event["commit_sha"],
        attributes["holds"] == "true",
        int(attributes["version"]),
    )


_READERS: Final[Mapping[str, Callable[[EventValue], Any]]] = {
    "commit_created": _commit,
    "artifact_built": _stage,
    "tests_passed": _stage,
    "security_scanned": _stage,
    "policy_passed": _stage,
    "canary_started": _canary,
    "canary_promoted": _canary,
    "rollback_triggered": _rollback,
    "incident_opened": _report,
    "incident_resolved": _report,
    "cause_linked": _link,
}
"""What makes the body of a fact, by type of event."""
