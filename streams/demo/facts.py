"""Build plausible events, with one function per sub-record, as Avro values. Pure; randomness comes from `rng`."""

from collections.abc import Sequence
from random import Random
from typing import Final, Literal, TypedDict

from schemas.events import new_event_id
from schemas.values import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    AnalysisValue,
    ArtifactValue,
    CanaryValue,
    CauseKindName,
    CauseValue,
    CommitValue,
    CoverageValue,
    EventTypeName,
    EventValue,
    IncidentValue,
    LaneName,
    Micros,
    PolicyRuleValue,
    PolicyValue,
    RollbackValue,
    ScanCountsValue,
    ScanValue,
    SourceValue,
    SuiteValue,
    TestsValue,
    plain_event,
)

PROD: Final = "prod"
STAGING: Final = "staging"
_REPORTING_DELAY: Final = 2 * SECOND


class EventFields(TypedDict, total=False):
    """Optional fields of an event, besides its type, time and service."""

    env: str | None
    commit_sha: str | None
    change_id: str | None
    deployment_id: str | None
    incident_id: str | None
    artifact_digest: str | None
    lane: LaneName
    source: SourceValue | None
    commit: CommitValue | None
    artifact: ArtifactValue | None
    tests: TestsValue | None
    scan: ScanValue | None
    policy: PolicyValue | None
    canary: CanaryValue | None
    rollback: RollbackValue | None
    incident: IncidentValue | None


def fact(event_type: EventTypeName, at: Micros, service: str, facts: EventFields) -> EventValue:
    """Build an event. Its id is derived from its content, so that a repeated fact is the same event."""
    names = (facts.get(name) for name in ("env", "commit_sha", "change_id", "deployment_id", "incident_id"))
    natural_key = "|".join(["demo", event_type, str(at), service, *(str(name or "") for name in names)])
    plain = plain_event(event_type, str(new_event_id(natural_key)), at, service)
    return {**plain, "emitted_at": at + _REPORTING_DELAY, **facts}


def new_sha(rng: Random) -> str:
    """Draw a SHA-1 in hexadecimal digits, as git prints it."""
    return rng.randbytes(20).hex()


def source(system: str, run: int | None, actor: str | None) -> SourceValue:
    """Build the source of an event: the system, its run and who started it."""
    return {"system": system, "run_id": None if run is None else str(run), "attempt": 1, "url": None, "actor": actor}


def commit(author: str, branch: str, *, merge_sha: str | None = None, critical: Sequence[str] = ()) -> CommitValue:
    """Build the data of a commit; `merge_sha` is the squash or merge commit on the main branch."""
    return {
        "author": author,
        "branch": branch,
        "merge_sha": merge_sha,
        "parents": None,
        "critical_modules": list(critical) or None,
        "migration": None,
    }


def artifact(rng: Random, service: str, slsa_level: int | None) -> ArtifactValue:
    """Build a container image with its provenance; without a level, it has neither provenance nor signature."""
    signed = slsa_level is not None
    return {
        "kind": "container",
        "slsa_level": slsa_level,
        "provenance_sha256": rng.randbytes(32).hex() if signed else None,
        "signed_by": f"ci@{service}.example" if signed else None,
        "sbom_sha256": rng.randbytes(32).hex() if signed else None,
    }


def tests(rng: Random, module: str, *, thorough: bool) -> TestsValue:
    """Build test results with coverage of the critical module; legacy services lack contract and mutation tests."""
    suites = [_suite(rng, "unit", 900)]
    if thorough:
        suites += [_suite(rng, "integration", 140), _suite(rng, "contract", 36)]
    line = round(rng.uniform(0.84, 0.97) if thorough else rng.uniform(0.41, 0.6), 3)
    coverage: list[CoverageValue] = [
        {"module": module, "critical": True, "line": line, "threshold": 0.8 if thorough else 0.4},
    ]
    return {
        "suites": suites,
        "coverage": coverage,
        "mutation": round(rng.uniform(0.6, 0.85), 3) if thorough else None,
        "contract": True if thorough else None,
        "types": True if thorough else None,
    }


def _suite(rng: Random, kind: str, size: int) -> SuiteValue:
    executed = size + rng.randrange(size // 10 + 1)
    return {"kind": kind, "executed": executed, "passed": executed, "skipped": rng.randrange(4)}


def scan(rng: Random, at: Micros, *, thorough: bool) -> ScanValue:
    """Build a clean scan with some minor findings; an old scanner does not count unrated ones."""
    counts: ScanCountsValue = {
        "critical": 0,
        "high": 0,
        "medium": rng.randrange(5),
        "low": rng.randrange(20),
        "unknown": 0 if thorough else None,
    }
    age = rng.uniform(1, 20) * HOUR if thorough else rng.uniform(3, 30) * DAY
    return {"scanner": "trivy", "db_updated_at": at - round(age), "counts": counts, "kev": [], "licences_denied": []}


def policy(rng: Random, *, thorough: bool) -> PolicyValue:
    """Build the results of policy rules; the legacy service depends on exceptions."""
    ids = ("no-latest-tag", "read-only-root", "resource-limits", "signed-image")
    rules: list[PolicyRuleValue] = [
        {
            "id": rule,
            "evaluated": rng.randrange(3, 12),
            "failures": 0,
            "exceptions": 0 if thorough else rng.randrange(3),
        }
        for rule in ids
    ]
    return {"engine": "conftest", "bundle_sha256": rng.randbytes(32).hex(), "rules": rules}


def canary(shas: Sequence[str], weight: int, *, by: str | None = None, healthy: bool = True) -> CanaryValue:
    """Build a canary at `weight` per cent with its commits and its analysis."""
    value = 0.004 if healthy else 0.061
    analysis: list[AnalysisValue] = [
        {"metric": "error-rate", "verdict": "pass" if healthy else "fail", "value": value, "threshold": 0.02, "n": 5},
    ]
    return {"included_shas": list(shas), "weight": weight, "analysis": analysis, "promoted_by": by}


def rollback(
    trigger: Literal["auto", "manual"], to_sha: str | None, reason: str, *, path: str | None = None
) -> RollbackValue:
    """Build a rollback to `to_sha`; `path` is the hash of a rehearsed rollback path."""
    return {"trigger": trigger, "to_sha": to_sha, "reason": reason, "path_sha256": path, "succeeded": True}


def cause(
    kind: CauseKindName, *, service: str | None = None, deployment: str | None = None, sha: str | None = None
) -> CauseValue:
    """Build the cause found by a review."""
    return {"service": service, "deployment_id": deployment, "commit_sha": sha, "kind": kind}


def incident(
    *,
    severity: str | None = None,
    title: str | None = None,
    slo_met_at: Micros | None = None,
    alert_cleared_at: Micros | None = None,
    found: CauseValue | None = None,
    regression_test: str | None = None,
) -> IncidentValue:
    """Build the data of an incident from pager and review."""
    return {
        "severity": severity,
        "title": title,
        "slo_met_at": slo_met_at,
        "alert_cleared_at": alert_cleared_at,
        "cause": found,
        "escaped_gates": ["canary_analysis"] if regression_test else None,
        "regression_test": regression_test,
    }


def spread(rng: Random, low: Micros, high: Micros) -> Micros:
    """Draw a time between two others, in whole seconds."""
    return rng.randrange(low // SECOND, max(high // SECOND, low // SECOND + 1)) * SECOND


def around(rng: Random, median: Micros, *, sigma: float = 0.7) -> Micros:
    """Draw a log-normal duration with the given median, at least a minute."""
    return max(MINUTE, round(rng.lognormvariate(0, sigma) * median / SECOND) * SECOND)
