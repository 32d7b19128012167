"""Why a deployment has its verdict, and an incident its deployment: the rule, in words (semantics.md, 4 to 6)."""

from typing import Final

from schemas.values import SECOND, Micros, RuleName
from streams.core.deployment import DeploymentState
from streams.core.facts import COUNTED_LANES
from streams.core.incident import NOBODYS, IncidentState
from streams.core.outputs import attribution_of, deployment_value
from streams.core.service_state import ServiceState
from streams.replay.known_states import ServiceStates
from streams.report.formatting import moment, setting, short
from streams.terminal.durations import length
from streams.trace.chain import NOWHERE, blamed

_RULES: Final[dict[RuleName, str]] = {
    "explicit": "named by the incident",
    "sha": "its commit is named by the incident",
    "in_force": "in force when it opened",
}


def why_verdict(state: ServiceState, one: DeploymentState) -> str:
    """Return the rule behind the verdict of a deployment."""
    settings, timeline = state.settings, state.timeline(one.env)
    window = setting(settings.failure_window)
    match one.verdict:
        case "failed":
            why = _failure(state, one)
        case "succeeded":
            severities = " or ".join(settings.failing_severities)
            why = f"no rollback of it, no incident of {severities} on it, up to {window} after it finished"
        case "superseded" if one.place is not None:
            newer, inheritor = timeline.after(one.place), timeline.inheritor(one.place)
            why = f"{newer[1] if newer else 'another'} began before it had finished"
            why += f"; its changes went on to {inheritor[1]}" if inheritor else "; its changes wait for a promotion"
        case "abandoned":
            why = f"not finished {setting(settings.canary_timeout)} after it began (canary timeout)"
        case "excluded":
            why = f"lane {one.lane}: in no number"
        case "pending":
            due = one.judge(state.clock, settings, newer=state.superseded(one))
            then = "judged" if one.finished_at is not None else "given up, if it has not finished,"
            why = f"{then} at {moment(due)}" if due is not None else ""
            why = f"failing: {_failure(state, one)}; {why}" if one.failing else why
        case _:
            why = "neither its start nor its promotion is known"
    return f"{why}; what came later than {window} after it finished does not count" if one.late else why


def _failure(state: ServiceState, one: DeploymentState) -> str:
    failure = one.failure
    if failure is None:
        return ""
    if failure.reason != "incident":
        when = "before it had 100 %" if failure.reason == "canary_rollback" else _after(one, failure.at)
        return f"rolled back {when}"
    incidents = deployment_value(state, one, NOWHERE)["incidents"]
    names = [
        f"{each['severity']} {each['incident_id']}"
        + (f" of {each['service']}" if each["service"] != state.service else "")
        for each in incidents
        if each["opened_at"] == failure.at and each["severity"] in state.settings.failing_severities
    ]
    return f"incident {' and '.join(names) or 'of many'} opened {_after(one, failure.at)}"


def _after(one: DeploymentState, at: Micros) -> str:
    """Return how long after it had finished, or, before that, after it began."""
    if one.finished_at is not None and at >= one.finished_at:
        return f"{_length(at - one.finished_at)} after it finished"
    return f"{_length(at - (one.begun_at or at))} after it began"


def why_put(services: ServiceStates, state: ServiceState, one: IncidentState) -> str:
    """Return the rule that put an incident on its deployment, or on none."""
    if not one.opened:
        return f"lane {one.lane}: in no number" if one.lane not in COUNTED_LANES else "its opening is not known"
    if one.cause is not None and one.cause.kind in NOBODYS:
        return f"put on no deployment: its cause is {one.cause.kind}"
    found = blamed(services, state, one)
    if one.link is not None and found is None:
        claim = one.link[1]
        meant = claim.deployment_id or (short(claim.sha) if claim.sha else "what was in force")
        return f"put on {meant} of {one.link[0]}, its cause, where none such is known"
    if found is None:
        return f"unattributed: {_nowhere(state, one)}"
    home, target = found
    where = f" of {home.service}" if home is not state else ""
    rule = "named as its cause" if one.cause is not None else _RULES[one.rule]
    return f"put on {target.name}{where}: {rule}{_no_failure(home, one, target)}"


def _nowhere(state: ServiceState, one: IncidentState) -> str:
    waits_for, claim = attribution_of(one)["waits_for"], one.claim
    if waits_for is not None and claim is not None:
        if claim.deployment_id is not None:
            return f"it names {waits_for}, which is not known in {one.env}"
        return f"it names {short(waits_for)}, no deployment of which had begun in {one.env}"
    name = state.timeline(one.env or "").in_force(one.at)
    last = state.deployment(one.env or "", name) if name is not None else None
    if last is None:
        return f"nothing had been deployed to {one.env} when it opened"
    if last.finished_at is None:
        limit = f"longer than the canary timeout of {setting(state.settings.canary_timeout)}"
        return f"{name}, the last one begun, had not finished in {_length(one.at - (last.begun_at or 0))}: {limit}"
    limit = f"longer than the failure window of {setting(state.settings.failure_window)}"
    return f"{name}, in force when it opened, had finished {_length(one.at - last.finished_at)} before: {limit}"


def _no_failure(home: ServiceState, one: IncidentState, target: DeploymentState) -> str:
    if one.severity not in home.settings.failing_severities:
        return f"; {one.severity or 'no severity'}: no failure of it"
    return "; opened before it began: no failure of it" if one.at < (target.begun_at or 0) else ""


def _length(micros: Micros) -> str:
    return length(micros / SECOND)
