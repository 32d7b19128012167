"""Every target of every dashboard, and what it must answer. A new panel, or one more target, needs its line."""

from collections.abc import Mapping
from typing import Final

from schemas.values import DAY
from tests.support.expected import company, pipeline
from tests.support.expected.asked import Between, Table, fixed, panel
from tests.support.expected.company import MONTH, Number, each, heat, median, now, of_a_week, rise, rise_each
from tests.support.expected.pipeline import BOTH, burn, error_ratio, rate
from tests.support.oracle import quantile
from tests.support.oracle.figures import Figures
from tests.support.pipeline_story import (
    A_STEP,
    ASIDE,
    IN_FLIGHT,
    KAFKA_AGE,
    LAG,
    LOG_AGE,
    OBJECTIVES_WAITING,
    SAMPLES_WAITING,
    SPOOL_AGE,
)


def _of(what: str) -> Number:
    """How many deployments or incidents stand like this."""
    return lambda found: found.standing[what]


def _judged(found: Figures) -> int:
    return len(found.judged)


def _changes(found: Figures) -> int:
    return len(found.leads)


def _restored(found: Figures) -> int:
    return len(found.restored)


def _recovered(found: Figures) -> int:
    return len(found.recovered)


def _opened(found: Figures) -> int:
    return len(found.opened)


def _lead(share: float) -> Number:
    return lambda found: quantile(found.leads, share)


def _restore(share: float) -> Number:
    return lambda found: quantile([round(one.seconds * 1e6) for one in found.restored], share)


VARIABLES: Final[Table] = {
    "variable env": company.environments(),
    "variable service": company.services("prod"),
    "variable window": company.windows(),
}
MARKS: Final[Table] = {
    "mark Went live": company.went_live(),
    "mark Failed": company.failed_marks(),
    "mark Judged": company.above_nothing(rise_each("judged")),
}

OVERVIEW: Final[Table] = {
    **VARIABLES,
    **panel("Deployments per day", now(lambda found: found.per_day)),
    **panel("Lead time, median", median()),
    **panel("Change failure rate", now(lambda found: found.failure_ratio)),
    **panel("Time to restore, mean", now(lambda found: found.restore_mean)),
    **panel("Per day: before, n", now(lambda found: found.per_day, ago=MONTH), now(_judged)),
    **panel("Lead time: before, n", median(ago=MONTH), now(_changes)),
    **panel(
        "Failure rate: before, n",
        now(lambda found: found.failure_ratio, ago=MONTH),
        now(lambda found: found.failed),
        now(_judged),
    ),
    **panel("Time to restore: before, n", now(lambda found: found.restore_mean, ago=MONTH), now(_restored)),
    **panel("In flight", now(_of("pending")), now(_of("failing"))),
    **panel("Rework rate", now(lambda found: found.rework_ratio), now(lambda found: found.hotfixes)),
    **panel("Failed deployment recovery", now(lambda found: found.recovery_mean), now(_recovered)),
    **panel(
        "Unattributed incidents",
        now(lambda found: found.unattributed_ratio),
        now(lambda found: found.unattributed),
        now(_opened),
    ),
    **panel("Deployments judged", rise("succeeded"), company.judged_as_failed()),
    **panel("Lead time, median of each service", each(_lead(0.5))),
    **panel("Change failure rate and its n", now(lambda found: found.failure_ratio), now(_judged)),
    **panel(
        "Time to restore and its n",
        now(lambda found: found.restore_mean),
        now(lambda found: found.recovery_mean),
        now(_restored),
    ),
    **panel(
        "Services",
        each(lambda found: found.per_day),
        each(_judged),
        each(_lead(0.5)),
        each(_changes),
        each(lambda found: found.failure_ratio),
        each(lambda found: found.failed),
        each(lambda found: found.restore_mean),
        each(_restored),
        each(lambda found: found.rework_ratio),
        each(_of("pending")),
        each(_of("failing")),
        each(lambda found: found.unattributed),
    ),
}

SERVICE: Final[Table] = {
    **VARIABLES,
    **MARKS,
    **panel("Failing now", now(_of("failing"))),
    **panel("Pending", now(_of("pending"))),
    **panel("Incidents open", now(_of("open"))),
    **panel("Change failure rate", now(lambda found: found.failure_ratio), now(_judged)),
    **panel("Lead time, median", median(), now(_changes)),
    **panel("Time to restore, mean", now(lambda found: found.restore_mean), now(_restored)),
    **panel("In flight over time", company.in_flight()),
    **panel("Verdicts", rise("succeeded"), company.judged_as_failed()),
    **panel("Failures when they became known", company.failures_known()),
    **panel("Change failure rate of each service", each(lambda found: found.failure_ratio)),
    **panel("Changed afterwards", company.verdicts_revised(), rise("late failure"), rise("revised restore")),
    **panel("Never finished", now(_of("superseded")), now(_of("abandoned"))),
    **panel("Lead times", heat()),
    **panel("Lead time, median and 90th percentile", of_a_week(0.5), of_a_week(0.9)),
    **panel("Lead time of each service, exact", each(_lead(0.5)), each(_lead(0.9))),
    **panel("Left out of lead time", rise("without commits"), rise("clock skew"), rise("revised lead time")),
    **panel("Incidents restored", company.restores(lambda lengths: lengths[-1], window=None)),
    **panel(
        "Times to restore in the window",
        company.restores(len),
        company.restores(lambda lengths: sum(lengths) / len(lengths)),
        company.restores(max),
        company.restores(lambda lengths: lengths[-1]),
    ),
    **panel("Incidents open over time", each(_of("open"))),
    **panel("Times to restore, 90th percentile", each(_restore(0.9))),
}

CANARY: Final[Table] = {
    **VARIABLES,
    **MARKS,
    "variable app": pipeline.applications(),
    **panel("Error ratio, 5 minutes", error_ratio()),
    **panel("Burn, 1 hour", burn()),
    **panel("In flight", now(_of("pending")), now(_of("failing"))),
    **panel("Rolled back in the canary", now(lambda found: found.reasons["canary_rollback"]), now(_judged)),
    **panel("Error ratio", error_ratio(), error_ratio(), error_ratio()),
    **panel("Requests by status", pipeline.requests()),
    **panel("Burn over 5m and 1h", burn(), burn()),
    **panel("Burn over 30m and 6h", burn(), burn()),
    **panel("Burn over 2h and 1d", burn(), burn()),
    **panel("Burn over 6h and 3d", burn(), burn()),
    **panel("In flight over time", company.in_flight()),
    **panel("Failures when they became known", company.failures_known()),
    **panel("Canaries that nobody finished", now(_of("superseded")), now(_of("abandoned"))),
}

GATES: Final[Table] = {
    **VARIABLES,
    **panel("Since the last rehearsed rollback", company.since_rehearsal()),
    **panel("Never rehearsed", company.never_rehearsed()),
    **panel("Age of the last rehearsal", company.since_rehearsal()),
    **panel("Promotions without commits", rise("without commits", over=MONTH)),
    **panel("Unattributed incidents", now(lambda found: found.unattributed_ratio), now(_opened)),
    **panel("Hotfix share", now(lambda found: found.rework_ratio), now(lambda found: found.hotfixes)),
    **panel("Left unfinished", now(_of("superseded")), now(_of("abandoned"))),
    **panel(
        "By service",
        each(_judged),
        rise_each("without commits", over=MONTH),
        each(lambda found: found.hotfixes),
        each(_opened),
        each(lambda found: found.unattributed),
        each(_of("superseded")),
        each(_of("abandoned")),
    ),
    **panel("Why deployments failed", company.by_reason()),
    **panel(
        "Refused",
        pipeline.rise(A_STEP.dead_letters),
        pipeline.rise(BOTH * A_STEP.no_event, "pagerduty", by=("source",)),
    ),
}

PIPELINE: Final[Table] = {
    "variable service": company.services(None),
    **panel("Serving", fixed(1)),
    **panel("Last message in the log", fixed(LOG_AGE)),
    **panel("Messages waiting", fixed(LAG)),
    **panel("Dead letters, 24 hours", pipeline.rise_of_a_day(A_STEP.dead_letters)),
    **panel("Kafka heard", fixed(KAFKA_AGE)),
    **panel("Served by", fixed(1)),
    **panel("Messages waiting over time", fixed(LAG)),
    **panel("Dead letters", pipeline.rise(A_STEP.dead_letters)),
    **panel("Age of the last message", fixed(LOG_AGE), fixed(KAFKA_AGE)),
    **panel("Doubts about the events", company.conflicting(), rise("clock skew", env=None)),
    **panel(
        "Revisions",
        company.verdicts_revised_in_all(),
        rise("revised lead time", env=None),
        rise("revised restore", env=None),
    ),
    **panel(
        "Services by silence",
        company.silent_for(),
        company.numbers_of(),
        company.conflicting(DAY, by_service=True),
        rise_each("clock skew", over=DAY, env=None),
    ),
    **panel(
        "Records read",
        rate((("delivery_metrics",), A_STEP.read_metrics), (("incidents",), A_STEP.read_incidents), by=("topic",)),
    ),
    **panel(
        "Records not used",
        pipeline.rise(A_STEP.undecodable, "incidents", "undecodable", by=("topic", "reason")),
        pipeline.rise(A_STEP.stale, "delivery_metrics", by=("topic",)),
    ),
    **panel("Incident samples", fixed(SAMPLES_WAITING), pipeline.rise(A_STEP.out_of_bounds)),
    **panel("Settings", pipeline.settings()),
    **panel("Spool, by number", pipeline.files_share()),
    **panel("Spool, by bytes", pipeline.bytes_share()),
    **panel("Oldest in the spool", pipeline.waiting_for()),
    **panel("Put aside", fixed(BOTH * ASIDE)),
    **panel("Waiting for an objective", fixed(BOTH * OBJECTIVES_WAITING)),
    **panel("Last delivery", fixed(SPOOL_AGE)),
    **panel("Requests by source", rate((("github",), BOTH * A_STEP.received), by=("source",))),
    **panel(
        "Not taken",
        pipeline.rise(BOTH * A_STEP.rejected, "bad_signature", by=("reason",)),
        pipeline.rise(BOTH * A_STEP.no_event),
        pipeline.rise(BOTH * A_STEP.stands_for_none),
    ),
    **panel(
        "Promised and delivered",
        rate(((), BOTH * A_STEP.spooled)),
        rate(((), BOTH * (A_STEP.delivered + A_STEP.delivered_dead))),
        rate(((), BOTH * A_STEP.aside)),
    ),
    **panel("Spool", pipeline.files(), fixed(BOTH * IN_FLIGHT)),
    **panel(
        "Failures to deliver",
        pipeline.rise(BOTH, "unreachable", by=("cause",)),
        pipeline.rise(BOTH * A_STEP.unanswered),
    ),
    **panel(
        "How long it takes, 99th percentile",
        fixed(Between(0.01, 0.025)),
        fixed(Between(0.0025, 0.005)),
        fixed(Between(0.25, 0.5)),
    ),
    **panel("Resolutions that waited", pipeline.rise(BOTH * A_STEP.released), pipeline.rise(BOTH * A_STEP.gave_up)),
}

TABLES: Final[Mapping[str, Table]] = {
    "candora-overview": OVERVIEW,
    "candora-service": SERVICE,
    "candora-canary": CANARY,
    "candora-gates": GATES,
    "candora-pipeline": PIPELINE,
}
