"""Render a review as JSON: every number with its sample size, every list complete, durations in seconds."""

from typing import Any

from schemas.values import SECOND
from streams.report.bands import YEAR
from streams.report.figures import LEVEL, STRICT, Estimate, Share, difference
from streams.report.formatting import iso
from streams.report.measures import CHANGE_FAILURE_RATE, LEAD_TIME, RESTORE, Measure, enough
from streams.report.period_facts import GATES, FailedDeployment, IncidentSummary, ServiceEnv
from streams.report.periods import ReviewPeriod
from streams.report.review import MeasureComparison, Review, ServiceLine, TrendWeek


def as_json(review: Review, refused: int | None = None) -> dict[str, Any]:
    """Return a review as plain values; None without a value, or without enough data for a range."""
    settings = review.settings.to_value()
    return {
        "period": _period(review.question.pair.now),
        "before": _period(review.question.pair.before),
        "envs": list(review.question.envs),
        "services_asked": list(review.question.services),
        "settings": {
            **settings,
            **{key: settings[key] / SECOND for key in ("failure_window", "lateness", "max_future", "canary_timeout")},
        },
        "deployments_finished_after": iso(review.judged_span[0]),
        "deployments_finished_until": iso(review.judged_span[1]),
        "log_begins": None if review.log_begins is None else iso(review.log_begins),
        "log_covers_period": review.whole,
        "compared": review.covered,
        "levels": {"range": LEVEL, "change": LEVEL, "services": STRICT, "dora_report": YEAR},
        "measures": {one.measure.key: _comparison(one, LEVEL) for one in review.headline},
        "reasons": dict(review.total.reasons),
        "reasons_before": dict(review.before.reasons),
        "services": [_line(one) for one in review.lines],
        "apart": [
            {
                **_place(one.place),
                "measure": one.measure.key,
                "own": _figure(one.measure, one.own),
                "others": _figure(one.measure, one.rest),
                "verdict": one.verdict,
            }
            for one in review.outliers
        ],
        "gates": [
            {
                **_place(place),
                "deployments": one.deployments,
                **dict(zip(GATES, one.seen, strict=True)),
                "every": one.every,
            }
            for place, one in sorted(review.gate_coverage.items())
        ],
        "apart_compared": review.outlier_comparisons,
        "changed": [
            {**_place(place), "measure": one.measure.key, **_comparison(one, STRICT)} for place, one in review.shifts
        ],
        "changed_compared": review.shift_comparisons,
        "weeks": [_week(one) for one in review.weeks],
        "failed_deployments": [_failed(one) for one in review.failures],
        "restored": [_incident(one) for one in review.restored],
        "open": [_incident(one) for one in review.open],
        "unattributed": [_incident(one) for one in review.unattributed],
        "unknown": {
            **review.present._asdict(),
            **review.oddities._asdict(),
            "incidents": review.total.incidents,
            "unattributed": review.total.unattributed,
            "silent": {one.service: iso(one.last_event_at) for one in review.silent},
            "refused_messages": refused,
        },
    }


def _period(one: ReviewPeriod) -> dict[str, str]:
    return {"name": one.name, "begin": iso(one.begin), "end": iso(one.end)}


def _place(place: ServiceEnv) -> dict[str, str]:
    return place._asdict()


def _figure(measure: Measure, figure: Estimate) -> dict[str, Any]:
    interval = figure.interval() if enough(measure, figure) else None
    parts = {"hits": figure.hits} if isinstance(figure, Share) else {}
    return {"value": figure.value, "n": figure.n, **parts, "range": None if interval is None else list(interval)}


def _comparison(one: MeasureComparison, level: float) -> dict[str, Any]:
    both = enough(one.measure, one.now) and enough(one.measure, one.before)
    gap = difference(one.now, one.before, level) if both else None
    return {
        "now": _figure(one.measure, one.now),
        "before": _figure(one.measure, one.before),
        "difference": None if gap is None else list(gap),
        "verdict": one.verdict,
        "dora": one.band,
    }


def _line(one: ServiceLine) -> dict[str, Any]:
    return {
        **_place(one.place),
        CHANGE_FAILURE_RATE.key: _figure(CHANGE_FAILURE_RATE, one.rate),
        LEAD_TIME.key: _figure(LEAD_TIME, one.lead),
        RESTORE.key: _figure(RESTORE, one.restore),
        "deployments_a_day": one.frequency.value,
        **one.present._asdict(),
    }


def _week(one: TrendWeek) -> dict[str, Any]:
    measures = (CHANGE_FAILURE_RATE, LEAD_TIME, RESTORE)
    return {"end": iso(one.end), **{measure.key: _figure(measure, one.figure(measure)) for measure in measures}}


def _failed(one: FailedDeployment) -> dict[str, Any]:
    times = {"finished_at": iso(one.finished_at), "failed_at": iso(one.failed_at)}
    named = {"deployment_id": one.deployment_id, "commit_sha": one.sha}
    return {**_place(one.place), **named, **times, "reason": one.reason, "detail": one.detail}


def _incident(one: IncidentSummary) -> dict[str, Any]:
    return {
        **_place(one.place),
        "incident_id": one.incident_id,
        "severity": one.severity,
        "title": one.title,
        "opened_at": iso(one.opened_at),
        "ended_at": None if one.ended_at is None else iso(one.ended_at),
        "time_to_restore": None if one.length is None else one.length / SECOND,
        "rule": one.rule,
        "put_on": one.blamed,
        "regression_test": one.regression_test,
        "escaped_gates": list(one.escaped_gates),
    }
