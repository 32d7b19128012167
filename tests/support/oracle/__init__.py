"""A second reading of what the numbers mean: slow, without state, one small function per sentence.

It shares no code with the core, so that a mistake must be made twice to go unseen. Times are microseconds.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypedDict

from schemas.values import SECOND, EventValue, Micros
from streams.core.settings import MetricSettings
from tests.support.oracle.facts import Facts, derived, facts

__all__ = ["EnvSummary", "Facts", "derived", "facts", "quantile", "reference", "summary"]


class EnvSummary(TypedDict):
    """What `candora compute --json` prints of one service and env; lengths in seconds, null where there is no value."""

    judged: int
    failed: int
    ratio: float | None
    reasons: dict[str, int]
    pending: int
    superseded: int
    abandoned: int
    deployments_total: int
    deployments_success_total: int
    lead_count: int
    lead_p50: float | None
    lead_p90: float | None
    restore_count: int
    restore_mean: float | None
    restore_p50: float | None
    open: int
    unattributed: int
    attribution: dict[str, list[str | None]]


def quantile(lengths: Sequence[Micros], share: float) -> float | None:
    """The exact quantile in seconds, between two order statistics by a straight line (type 7)."""
    if not lengths:
        return None
    ordered = sorted(lengths)
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return (ordered[below] + (ordered[above] - ordered[below]) * (place - below)) / SECOND


def summary(known: Facts, service: str, env: str, at: Micros, settings: MetricSettings, window: Micros) -> EnvSummary:
    """The numbers of one service and env."""
    settled, cohort = at - settings.lateness, at - settings.lateness - settings.failure_window
    verdicts = [verdict for key, verdict in known.verdicts.items() if key[:2] == (service, env)]
    judged_ever = [one for one in verdicts if one.name in {"succeeded", "failed"}]
    judged = [one for one in judged_ever if one.finished_at is not None and cohort - window < one.finished_at <= cohort]
    failed = [one for one in judged if one.name == "failed"]
    leads = [
        one.lead_time
        for one in known.promotions
        if (one.service, one.env) == (service, env)
        and settled - window < one.promoted_at <= settled
        and one.lead_time is not None
        and one.lead_time >= 0
    ]
    incidents = [(one, put) for one, put in known.incidents if (one.service, one.env) == (service, env)]
    restores = [
        one.time_to_restore
        for one, _ in incidents
        if one.time_to_restore is not None and one.ended_at is not None and settled - window < one.ended_at <= settled
    ]
    return {
        "judged": len(judged),
        "failed": len(failed),
        "ratio": len(failed) / len(judged) if judged else None,
        "reasons": dict(Counter(one.failure.reason for one in failed if one.failure is not None)),
        "pending": sum(one.name == "pending" for one in verdicts),
        "superseded": sum(one.name == "superseded" for one in verdicts),
        "abandoned": sum(one.name == "abandoned" for one in verdicts),
        "deployments_total": len(judged_ever),
        "deployments_success_total": sum(one.name == "succeeded" for one in judged_ever),
        "lead_count": len(leads),
        "lead_p50": quantile(leads, 0.5),
        "lead_p90": quantile(leads, 0.9),
        "restore_count": len(restores),
        "restore_mean": sum(restores) / len(restores) / SECOND if restores else None,
        "restore_p50": quantile(restores, 0.5),
        "open": sum(one.ended_at is None for one, _ in incidents),
        "unattributed": sum(put.rule == "none" for _, put in incidents),
        "attribution": {one.incident_id: [put.shown, put.rule] for one, put in incidents},
    }


def reference(
    events: Iterable[EventValue], at: Micros, settings: MetricSettings, window: Micros
) -> dict[str, EnvSummary]:
    """What `candora compute` prints at a moment, by "SERVICE/ENV"."""
    known = facts(events, at, settings)
    return {
        f"{service}/{env}": summary(known, service, env, at, settings, window) for service, env in sorted(known.envs)
    }
