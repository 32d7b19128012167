"""What is published of a record: the joined view, ready for Avro."""

from typing import Final

from schemas.values import (
    AsOfValue,
    AttributionValue,
    ChangeValue,
    DeploymentValue,
    IncidentRecordValue,
    LinkedIncidentValue,
    PromotionValue,
    RollbackEntryValue,
    StageValue,
)
from streams.core.change import ChangeState
from streams.core.claims import Claimant, RollbackClaim
from streams.core.claims import LinkedIncidentClaim as Linked
from streams.core.deployment import DeploymentState
from streams.core.facts import StageFact
from streams.core.incident import IncidentState
from streams.core.record_key import names_of
from streams.core.service_state import ServiceState

SHOWN_ROLLBACKS: Final = 20
SHOWN_INCIDENTS: Final = 100
SHOWN_COMMITS: Final = 2_048
"""The most that a record shows of a list, so that no record outgrows its topic. Nothing is counted by what is shown."""


def deployment_value(state: ServiceState, deployment: DeploymentState, as_of: AsOfValue) -> DeploymentValue:
    """One deployment with everything that points at it."""
    failure = deployment.failure
    commits = state.commits
    shas = deployment.shas if deployment.place and not deployment.carried else ()
    carried = deployment.carried or {change for sha in shas if (change := commits.change_of(sha))}
    return {
        "service": state.service,
        "env": deployment.env,
        "deployment_id": deployment.name,
        "as_of": as_of,
        "lane": deployment.lane,
        "commit_sha": deployment.sha,
        "artifact_digest": deployment.digest,
        "included_shas": list(deployment.included),
        "url": deployment.url,
        "started_at": deployment.started_at,
        "promoted_at": deployment.promoted_at,
        "finished_at": deployment.finished_at,
        "verdict": deployment.verdict,
        "judged_at": deployment.history[0].at if deployment.history else None,
        "failing": deployment.failing,
        "reason": failure.reason if failure else None,
        "failed_at": failure.at if failure else None,
        "late_failure": deployment.late,
        "revisions": max(len(deployment.history) - 1, 0),
        "changes": sorted(carried)[:SHOWN_COMMITS],
        "rollbacks": sorted(_rollbacks(deployment.rollbacks), key=lambda one: (one["occurred_at"], one["event_id"]))[
            -SHOWN_ROLLBACKS:
        ],
        "incidents": sorted(
            (_linked(state.service, one) for one in deployment.incidents),
            key=lambda one: (one["opened_at"], one["service"], one["incident_id"]),
        )[-SHOWN_INCIDENTS:],
    }


def _rollbacks(claimants: list[Claimant]) -> list[RollbackEntryValue]:
    return [
        {
            "event_id": names_of(claimant.key),
            "occurred_at": fact.at,
            "trigger": fact.body.trigger,
            "to_sha": fact.body.to_sha,
            "reason": fact.body.reason,
        }
        for claimant in claimants
        if isinstance(claimant, RollbackClaim)
        for fact in claimant.facts
    ]


def _linked(service: str, claimant: Claimant) -> LinkedIncidentValue:
    name = claimant.name if isinstance(claimant, IncidentState) else ""
    if isinstance(claimant, Linked):
        service, name = claimant.facts[0].body.origin, claimant.facts[0].body.incident_id
    return {"service": service, "incident_id": name, "opened_at": claimant.at, "severity": claimant.severity}


def change_value(state: ServiceState, change: ChangeState, as_of: AsOfValue) -> ChangeValue:
    """One change: its commits, the stages they passed, and when it reached each environment."""
    commits = state.commits
    members = commits.members(change.name)
    first = commits.first_of(change.name)
    promotions: list[PromotionValue] = []
    if first is not None:
        promotions = [
            {
                "env": env,
                "deployment_id": promotion.deployment_id,
                "promoted_at": promotion.at,
                "lead_time": promotion.at - first.at,
                "observed": _observed(change, env),
            }
            for env, promotion in sorted(change.promotions().items())
        ]
    return {
        "service": state.service,
        "change_id": change.name,
        "as_of": as_of,
        "commits": sorted(members)[:SHOWN_COMMITS],
        "first_commit_at": first.at if first else None,
        "first_commit_sha": first.body.sha if first else None,
        "stages": _stages(state, change, members),
        "promotions": promotions,
        "revisions": sum(len(history) - 1 for history in change.history.values()),
    }


def _observed(change: ChangeState, env: str) -> bool:
    history = change.history.get(env)
    length = history[-1].value if history else None
    return length is not None and length >= 0


def _stages(state: ServiceState, change: ChangeState, members: set[str]) -> list[StageValue]:
    """The earliest report of each stage for each commit, from wherever its commits were reported."""
    earliest: dict[tuple[str, str], int] = {}
    holders = [change, *(state.change(sha) for sha in members)]
    for holder in holders:
        if not isinstance(holder, ChangeState):
            continue
        for fact in holder.facts:
            if isinstance(fact.body, StageFact) and fact.counts:
                stage = (fact.body.stage, fact.body.sha)
                earliest[stage] = min(fact.at, earliest.get(stage, fact.at))
    return [
        {"stage": stage, "commit_sha": sha, "occurred_at": at}
        for (stage, sha), at in sorted(earliest.items())[: 4 * SHOWN_COMMITS]
    ]


def incident_value(state: ServiceState, incident: IncidentState, as_of: AsOfValue) -> IncidentRecordValue:
    """One incident with its open periods and the deployment it is put on."""
    reports = [fact.body for fact in sorted(incident.facts, key=lambda fact: fact.rank)]
    ended_at = incident.ended_at
    observed = incident.history.get(incident.env or "")
    return {
        "service": state.service,
        "incident_id": incident.name,
        "env": incident.env,
        "as_of": as_of,
        "lane": incident.lane,
        "severity": incident.severity,
        "failing": incident.severity in state.settings.failing_severities,
        "title": incident.title,
        "opened_at": incident.at if incident.opened else None,
        "open": incident.open,
        "ended_at": ended_at,
        "periods": [{"opened_at": one.opened_at, "ended_at": one.ended_at} for one in incident.periods],
        "time_to_restore": incident.time_to_restore,
        "observed": observed is not None and observed[-1].value is not None,
        "attribution": attribution_of(incident),
        "escaped_gates": sorted({gate for report in reports for gate in report.escaped})[:SHOWN_INCIDENTS],
        "regression_test": next((one.regression_test for one in reports if one.regression_test), None),
        "revisions": sum(len(history) - 1 for history in incident.history.values()),
    }


def attribution_of(incident: IncidentState) -> AttributionValue:
    """The deployment an incident is put on and the rule that decided; a name that is unknown decides nothing yet."""
    kind = incident.cause.kind if incident.cause else None
    if incident.link is not None:
        service, claim, _ = incident.link
        return {
            "rule": "explicit",
            "service": service,
            "deployment_id": claim.deployment_id,
            "cause_kind": kind,
            "waits_for": None,
        }
    target, claim_here = incident.target, incident.claim
    waits_for = None
    if target is None and claim_here is not None:
        waits_for = claim_here.deployment_id or claim_here.sha
    return {
        "rule": "none" if incident.unattributed else incident.rule,
        "service": None,
        "deployment_id": target.name if target else None,
        "cause_kind": kind,
        "waits_for": waits_for,
    }
