"""A DeployEvent as people and JSON meet it: frozen models with the field names of the Avro schema.

A model that exists is valid: its types, and the rules of `schemas.rules`, were checked when it was made.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self, get_args
from uuid import UUID, uuid5

from pydantic import BeforeValidator, Field, Strict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from schemas.errors import InvalidEvent
from schemas.models import Instant, Items, Model, Record
from schemas.rules import check_event
from schemas.values import CauseKindName, EventValue

NAMESPACE: Final = UUID("6a1f0f5e-9c3b-5d0a-8f5e-0f4c2b7d9e31")
"""Of every event id made by `new_event_id`. Changing it would make every retry a new event."""


class EventType(StrEnum):
    """What happened. UNKNOWN is how an older reader sees a later type; clock_tick and cause_linked are internal."""

    UNKNOWN = "UNKNOWN"
    COMMIT_CREATED = "commit_created"
    ARTIFACT_BUILT = "artifact_built"
    TESTS_PASSED = "tests_passed"
    SECURITY_SCANNED = "security_scanned"
    POLICY_PASSED = "policy_passed"
    CANARY_STARTED = "canary_started"
    CANARY_PROMOTED = "canary_promoted"
    ROLLBACK_TRIGGERED = "rollback_triggered"
    INCIDENT_OPENED = "incident_opened"
    INCIDENT_RESOLVED = "incident_resolved"
    CLOCK_TICK = "clock_tick"
    CAUSE_LINKED = "cause_linked"


class Lane(StrEnum):
    """How a change travels. Rehearsals and synthetic events enter no number but the freshness of rehearsals."""

    NORMAL = "normal"
    HOTFIX = "hotfix"
    REHEARSAL = "rehearsal"
    SYNTHETIC = "synthetic"


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _uuid(value: object) -> object:
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            raise PydanticCustomError("uuid", "is not a UUID such as 1ca7beda-8189-5879-88f0-921bb32c06b2") from None
    return value


Sha = Annotated[str, BeforeValidator(_lower)]
"""A hash in hexadecimal digits, lower-cased when read."""
EventId = Annotated[UUID, BeforeValidator(_uuid)]


class Source(Model):
    system: str
    run_id: str | None = None
    attempt: int | None = None
    url: str | None = None
    actor: str | None = None


class Commit(Model):
    author: str | None = None
    branch: str | None = None
    merge_sha: Sha | None = None
    parents: Items[Sha] | None = None
    critical_modules: Items[str] | None = None
    migration: bool | None = None


class Artifact(Model):
    kind: str | None = None
    slsa_level: int | None = None
    provenance_sha256: Sha | None = None
    signed_by: str | None = None
    sbom_sha256: Sha | None = None


class Suite(Model):
    kind: str
    executed: int
    passed: int
    skipped: int


class Coverage(Model):
    module: str
    critical: bool
    line: float
    threshold: float


class Tests(Model):
    suites: Items[Suite] = ()
    coverage: Items[Coverage] = ()
    mutation: float | None = None
    contract: bool | None = None
    types: bool | None = None


class ScanCounts(Model):
    critical: int
    high: int
    medium: int
    low: int
    unknown: int | None = None


class Scan(Model):
    scanner: str
    db_updated_at: Instant | None = None
    counts: ScanCounts
    kev: Items[str] | None = None
    licences_denied: Items[str] | None = None


class PolicyRule(Model):
    id: str
    evaluated: int
    failures: int
    exceptions: int


class Policy(Model):
    engine: str
    bundle_sha256: Sha | None = None
    rules: Items[PolicyRule] = ()


class Analysis(Model):
    metric: str
    verdict: str
    value: float | None = None
    threshold: float | None = None
    n: int | None = None


class Canary(Model):
    included_shas: Items[Sha] | None = None
    weight: int | None = None
    analysis: Items[Analysis] | None = None
    promoted_by: str | None = None


class Rollback(Model):
    trigger: Literal["auto", "manual"]
    to_sha: Sha | None = None
    reason: str | None = None
    path_sha256: Sha | None = None
    succeeded: bool | None = None


class Cause(Model):
    service: str | None = None
    deployment_id: str | None = None
    commit_sha: Sha | None = None
    kind: CauseKindName = "unknown"


class Incident(Model):
    severity: str | None = None
    title: str | None = None
    slo_met_at: Instant | None = None
    alert_cleared_at: Instant | None = None
    cause: Cause | None = None
    escaped_gates: Items[str] | None = None
    regression_test: str | None = None


class DeployEvent(Record[EventValue]):
    event_id: EventId
    event_type: Annotated[EventType, Strict(strict=False)]
    occurred_at: Instant
    emitted_at: Instant | None = None
    service: str
    env: str | None = None
    commit_sha: Sha | None = None
    change_id: str | None = None
    deployment_id: str | None = None
    incident_id: str | None = None
    artifact_digest: str | None = None
    lane: Annotated[Lane, Strict(strict=False)] = Lane.NORMAL
    source: Source | None = None
    commit: Commit | None = None
    artifact: Artifact | None = None
    tests: Tests | None = None
    scan: Scan | None = None
    policy: Policy | None = None
    canary: Canary | None = None
    rollback: Rollback | None = None
    incident: Incident | None = None
    attributes: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _obeys_the_rules(self) -> Self:
        check_event(self.to_value())
        return self


def new_event_id(natural_key: str) -> UUID:
    """Return the id of the event that `natural_key` names: the same key gives the same id, so a retry is no new event.

    The key says who reported what: "github|deployment_status|4711".
    """
    return uuid5(NAMESPACE, natural_key)


def parse_event(data: Mapping[str, Any] | str | bytes) -> DeployEvent:
    """Return the event written in JSON, or given as a mapping of the same shape.

    InvalidEvent, with the path of the first field at fault, if it is none; further faults are in the message.
    """
    try:
        if isinstance(data, str | bytes):
            return DeployEvent.model_validate_json(data)
        return DeployEvent.model_validate(data)
    except ValidationError as error:
        raise as_invalid_event(error) from error


def as_invalid_event(error: ValidationError) -> InvalidEvent:
    """Return what pydantic found, as the contract says it."""
    faults = [_fault(detail) for detail in error.errors(include_url=False, include_input=False)]
    first, *rest = faults
    if not rest:
        return first
    more = ", ".join(f"{fault.path}: {fault.problem}" for fault in rest)
    return InvalidEvent(f"{first.problem} (and {more})", path=first.path, hint=first.hint)


_PROBLEMS: Final = {
    "tuple_type": "should be a list",
    "model_type": "should be an object with fields of its own",
    "string_type": "should be text",
}
"""What pydantic says of its own types, as the contract says it."""


_NOT_REPORTED: Final = frozenset({EventType.UNKNOWN, EventType.CLOCK_TICK, EventType.CAUSE_LINKED})
"""What nobody outside says of themselves."""


def _fault(detail: ErrorDetails) -> InvalidEvent:
    found = detail.get("ctx", {}).get("error")
    if isinstance(found, InvalidEvent):
        return found
    path = _dotted(detail["loc"])
    match detail["type"]:
        case "missing":
            return InvalidEvent("is missing", path=path, hint="set it")
        case "extra_forbidden":
            return InvalidEvent("is not a field of the contract", path=path, hint=_known_fields(detail["loc"]))
        case "json_invalid":
            return InvalidEvent(detail["msg"], hint="give one JSON object per event")
        case "enum" if path == "event_type":
            names = [name for name in EventType if name not in _NOT_REPORTED]
            return InvalidEvent(f"should be one of {', '.join(names)}", path=path)
        case kind:
            problem = _PROBLEMS.get(kind) or detail["msg"].replace("Input should be", "should be")
            return InvalidEvent(problem, path=path)


def _dotted(loc: Sequence[str | int]) -> str | None:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return path.removeprefix(".") or None


def _known_fields(loc: Sequence[str | int]) -> str:
    """Return which field was perhaps meant by an unknown one at `loc`, or those that there are."""
    model: type[Model] = DeployEvent
    for part in loc[:-1]:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation) or model
    close = get_close_matches(str(loc[-1]), model.model_fields, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(model.model_fields)}"


def _model_in(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
