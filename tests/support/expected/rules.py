"""What every recording rule, and every series that the docs name, must say at the end of the ninety days."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from schemas.values import DAY, SECOND, Micros
from tests.support.company_history import END
from tests.support.expected.asked import COUNTED, Between, Expectation, Line, Table, Values
from tests.support.expected.company import (
    MONTH,
    REASONS,
    WEEK,
    Number,
    conflicts_of,
    count_of,
    counted,
    environments_of,
    facts_at,
    figures_at,
    last_events,
    read_off,
    rehearsed,
    services_of,
)
from tests.support.expected.pipeline import error_ratio, scrapes
from tests.support.expected.pipeline import settings as settings_info
from tests.support.oracle import quantile
from tests.support.oracle.figures import Figures, Restored
from tests.support.pipeline_story import A_STEP, KAFKA_AGE, LAG, LOG_AGE, SAMPLES_WAITING

PAIR: Final = ("service", "env")
WINDOWED: Final = (*PAIR, "window")
WINDOWS: Final[Mapping[str, Micros]] = {"7d": WEEK, "30d": MONTH, "90d": 90 * DAY}


def pairs() -> list[tuple[str, str]]:
    """Every service with every environment that it is in."""
    return sorted(facts_at(END).envs)


def standing(read: Number) -> Expectation:
    """A number of each pair, whatever the window."""
    return Expectation(
        lambda _: {(service, env): read(figures_at(END, (service,), env=env)) for service, env in pairs()}, PAIR
    )


def windowed(read: Number) -> Expectation:
    """A number of each pair over each window."""

    def found(_: object) -> Values:
        return {
            (service, env, name): read(figures_at(END, (service,), window, env))
            for service, env in pairs()
            for name, window in WINDOWS.items()
        }

    return Expectation(found, WINDOWED)


def together(read: Number) -> Expectation:
    """A number of all services of an environment over each window."""

    def found(_: object) -> Values:
        return {
            (env, name): read(figures_at(END, services_of(env), window, env))
            for env in environments_of(END)
            for name, window in WINDOWS.items()
        }

    return Expectation(found, ("env", "window"))


def by_reason() -> Expectation:
    """Judged failures of each pair over each window, by reason."""

    def found(_: object) -> Values:
        return {
            (service, env, name, reason): figures_at(END, (service,), window, env).reasons[reason]
            for service, env in pairs()
            for name, window in WINDOWS.items()
            for reason in REASONS
        }

    return Expectation(found, (*WINDOWED, "reason"))


def total(what: str, by: Line = PAIR, labels: Iterable[Line] = ((),)) -> Expectation:
    """What was counted of each pair in all."""
    lines = tuple(labels)

    def found(_: object) -> Values:
        return {
            (service, env, *line): count_of(END, what, " ".join(line), service, env)
            for service, env in pairs()
            for line in lines
        }

    return Expectation(found, by)


def _month(what: str, service: str | None, env: str) -> float:
    """By how much it rose in thirty days."""
    return count_of(END, what, "", service, env) - count_of(END - MONTH, what, "", service, env)


def risen(read: Callable[[float, float], float | None]) -> Expectation:
    """Of what was judged and succeeded in thirty days, for each pair."""

    def found(_: object) -> Values:
        return {(service, env): read(*(_month(what, service, env) for what in JUDGED)) for service, env in pairs()}

    return Expectation(found, PAIR, COUNTED)


def risen_together(read: Callable[[float, float], float | None], env: str | None = None) -> Expectation:
    """The same of each environment, or of one only."""

    def of(each: str) -> float | None:
        return read(*(_month(what, None, each) for what in JUDGED))

    if env is not None:
        return Expectation(lambda _: {(): of(env)}, (), COUNTED)
    return Expectation(lambda _: {(each,): of(each) for each in environments_of(END)}, ("env",), COUNTED)


JUDGED: Final = ("judged", "succeeded")


def failed_ratio(judged: float, succeeded: float) -> float | None:
    """What did not succeed, of all."""
    return (judged - succeeded) / judged if judged else None


def as_written(judged: float, succeeded: float) -> float:
    """The rate without its parentheses."""
    return judged - succeeded / judged


def restores(read: Callable[[list[float]], float], by: Line) -> Expectation:
    """Of the times to restore of thirty days, each incident counted once."""

    def found(_: object) -> Values:
        lengths: dict[Line, list[float]] = {}
        for env, one in sorted(counted().restored, key=lambda one: one[1].ended_at):
            if one.ended_at > END - MONTH:
                lengths.setdefault(_labels(env, one, by), []).append(one.seconds)
        return {line: read(group) for line, group in lengths.items()}

    return Expectation(found, by)


def _labels(env: str, one: Restored, by: Line) -> Line:
    known = {"service": one.service, "env": env, "severity": one.severity}
    return tuple(known[name] for name in by)


def mean(lengths: list[float]) -> float:
    """The arithmetic mean."""
    return sum(lengths) / len(lengths)


def median_of_a_week() -> Expectation:
    """Of each service, in every environment together: as the document has it."""

    def found(_: object) -> Values:
        leads = {
            service: sorted(
                lead for env in environments_of(END) for lead in figures_at(END, (service,), WEEK, env).leads
            )
            for service in services_of(None)
        }
        return {(service,): read_off(lengths, 0.5) for service, lengths in leads.items()}

    return Expectation(found, ("service",))


def median_of_a_month() -> Expectation:
    """Of each environment."""
    return Expectation(
        lambda _: {
            (env,): read_off(figures_at(END, services_of(env), MONTH, env).leads, 0.5) for env in environments_of(END)
        },
        ("env",),
    )


def stored(amount: int, by: Line = (), line: Line = ()) -> Expectation:
    """What has risen by so much at each scrape after the first one of the pipeline's story."""
    return Expectation(lambda _: {line: amount * (scrapes() - 1)}, by)


def at(ago: float) -> Expectation:
    """A moment so many seconds before the end."""
    return Expectation(lambda _: {(): END / SECOND - ago})


def fixed(value: float) -> Expectation:
    """Always this."""
    return Expectation(lambda _: {(): value})


RULES: Final[Table] = {
    "service_env:deployments:increase30d": risen(lambda judged, _: judged),
    "service_env:deployments_success:increase30d": risen(lambda _, succeeded: succeeded),
    "service_env:deployments_failed:ratio_increase30d": risen(failed_ratio),
    "env:deployments_failed:ratio_increase30d": risen_together(failed_ratio),
    "production:deployments_failed:as_written30d": risen_together(as_written, "prod"),
    "service:lead_time_seconds:p50_7d": median_of_a_week(),
    "env:lead_time_seconds:p50_30d": median_of_a_month(),
    "service_env_severity:incident_resolution_seconds:avg30d": restores(mean, (*PAIR, "severity")),
    "service_env:incident_resolution_seconds:avg30d": restores(mean, PAIR),
    "env_window:delivery_change_failure:ratio": together(lambda found: found.failure_ratio),
    "env_window:delivery_deployment_frequency:per_day": together(lambda found: found.per_day),
    "env_window:delivery_rework:ratio": together(lambda found: found.rework_ratio),
    "env_window:delivery_restore_seconds:mean": together(lambda found: found.restore_mean),
    "env_window:delivery_failed_deployment_recovery_seconds:mean": together(lambda found: found.recovery_mean),
    "env_window:delivery_incidents_unattributed:ratio": together(lambda found: found.unattributed_ratio),
    **{
        f"app:http_requests_error:ratio_rate{one}": error_ratio() for one in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
    },
}
"""By what is recorded."""


def _restore(share: float) -> Number:
    return lambda found: quantile([round(one.seconds * 1e6) for one in found.restored], share)


def _recovery(found: Figures) -> float | None:
    return quantile([round(seconds * 1e6) for seconds in found.recovered], 0.5)


def _rehearsals() -> Expectation:
    return Expectation(lambda view: {line: when / SECOND for line, when in rehearsed(view).items()}, PAIR)


def _last_events() -> Expectation:
    return Expectation(
        lambda view: {(one,): when / SECOND for one, when in last_events(view.services).items()}, ("service",)
    )


def _clocks() -> Expectation:
    """Somewhere between the last event and now."""
    return Expectation(
        lambda view: {(one,): Between(when / SECOND, END / SECOND) for one, when in last_events(view.services).items()},
        ("service",),
    )


def _conflicting() -> Expectation:
    return Expectation(lambda view: {(one,): conflicts_of(one, END) for one in view.services}, ("service",))


SERIES: Final[Table] = {
    "deployments_total": total("judged"),
    "deployments_success_total": total("succeeded"),
    "incident_resolution_seconds": restores(lambda lengths: lengths[-1], (*PAIR, "severity")),
    "delivery_deployment_failures_total": total("failure", (*PAIR, "reason"), [(one,) for one in REASONS]),
    "delivery_late_failures_total": total("late failure"),
    "delivery_verdict_revisions_total": total(
        "revised verdict", (*PAIR, "from", "to"), [("failed", "succeeded"), ("succeeded", "failed")]
    ),
    "delivery_deployments_without_commits_total": total("without commits"),
    "delivery_clock_skew_total": total("clock skew"),
    "delivery_lead_time_revisions_total": total("revised lead time"),
    "delivery_restore_revisions_total": total("revised restore"),
    "delivery_conflicting_events_total": _conflicting(),
    "delivery_deployments_pending": standing(lambda found: found.standing["pending"]),
    "delivery_deployments_failing": standing(lambda found: found.standing["failing"]),
    "delivery_deployments_superseded": standing(lambda found: found.standing["superseded"]),
    "delivery_deployments_abandoned": standing(lambda found: found.standing["abandoned"]),
    "delivery_incidents_open": standing(lambda found: found.standing["open"]),
    "delivery_incidents_unattributed": standing(lambda found: found.standing["unattributed"]),
    "delivery_rollback_rehearsed_timestamp_seconds": _rehearsals(),
    "delivery_last_event_timestamp_seconds": _last_events(),
    "delivery_clock_timestamp_seconds": _clocks(),
    "delivery_settings_info": settings_info(),
    "delivery_change_failure_ratio": windowed(lambda found: found.failure_ratio),
    "delivery_change_failures": windowed(lambda found: found.failed),
    "delivery_change_failures_by_reason": by_reason(),
    "delivery_deployments_judged": windowed(lambda found: len(found.judged)),
    "delivery_deployment_frequency_per_day": windowed(lambda found: found.per_day),
    "delivery_deployments_hotfix": windowed(lambda found: found.hotfixes),
    "delivery_rework_ratio": windowed(lambda found: found.rework_ratio),
    "delivery_lead_time_observations": windowed(lambda found: len(found.leads)),
    "delivery_lead_time_p50_seconds": windowed(lambda found: quantile(found.leads, 0.5)),
    "delivery_lead_time_p90_seconds": windowed(lambda found: quantile(found.leads, 0.9)),
    "delivery_restore_observations": windowed(lambda found: len(found.restored)),
    "delivery_restore_mean_seconds": windowed(lambda found: found.restore_mean),
    "delivery_restore_p50_seconds": windowed(_restore(0.5)),
    "delivery_restore_p90_seconds": windowed(_restore(0.9)),
    "delivery_failed_deployment_recovery_observations": windowed(lambda found: len(found.recovered)),
    "delivery_failed_deployment_recovery_mean_seconds": windowed(lambda found: found.recovery_mean),
    "delivery_failed_deployment_recovery_p50_seconds": windowed(_recovery),
    "delivery_window_incidents": windowed(lambda found: len(found.opened)),
    "delivery_window_incidents_unattributed": windowed(lambda found: found.unattributed),
    "delivery_serving_ready": fixed(1),
    "delivery_serving_records_total": Expectation(
        lambda _: {
            ("delivery_metrics",): A_STEP.read_metrics * (scrapes() - 1),
            ("incidents",): A_STEP.read_incidents * (scrapes() - 1),
        },
        ("topic",),
    ),
    "delivery_serving_bad_records_total": stored(A_STEP.undecodable, ("topic", "reason"), ("incidents", "undecodable")),
    "delivery_serving_stale_records_total": stored(A_STEP.stale, ("topic",), ("delivery_metrics",)),
    "delivery_serving_last_read_timestamp_seconds": at(KAFKA_AGE),
    "delivery_serving_incident_samples_waiting": fixed(SAMPLES_WAITING),
    "delivery_worker_lag_messages": fixed(LAG),
    "delivery_log_last_append_timestamp_seconds": at(LOG_AGE),
    "delivery_dead_letters_total": stored(A_STEP.dead_letters),
}
"""By the name of a series, whole."""
