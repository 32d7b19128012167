"""Whom every alert must name at the end of the company's ninety days, from its events and from the pipeline's story."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from schemas.values import DAY
from tests.support.company_history import END
from tests.support.expected.asked import View
from tests.support.expected.company import (
    ENV,
    MONTH,
    WEEK,
    environments_of,
    figures_at,
    last_events,
    rehearsed,
    risen,
    services_of,
)
from tests.support.pipeline_story import A_STEP, ERRORS, LAG, LOG_AGE, REQUESTS

Names = set[tuple[str, ...]]
BUDGET: Final = 0.001
"""Of the requests to the canaried application."""


class Firing(NamedTuple):
    """The labels that tell whom an alert is about, and whom; without labels it is one alert or none."""

    by: tuple[str, ...]
    names: Callable[[], Names]


def failing_too_often() -> Names:
    """More than one in seven of ten or more deployments to production."""
    return {
        (service,)
        for service in services_of(ENV)
        for one in [figures_at(END, (service,))]
        if len(one.judged) >= 10 and (one.failure_ratio or 0) > 0.15
    }


def failing_now() -> Names:
    return {(service,) for service in services_of(ENV) if figures_at(END, (service,)).standing["failing"]}


def deploying() -> Iterator[str]:
    return (service for service in services_of(ENV) if figures_at(END, (service,)).judged)


def last_rehearsals() -> dict[str, int]:
    """In whatever environment."""
    found: dict[str, int] = {}
    for (service, _), at in rehearsed(View(END, DAY, services_of(None))).items():
        found[service] = max(at, found.get(service, 0))
    return found


def not_rehearsed_lately() -> Names:
    last = last_rehearsals()
    return {(service,) for service in deploying() if service in last and END - last[service] > MONTH}


def never_rehearsed() -> Names:
    last = last_rehearsals()
    return {(service,) for service in deploying() if service not in last}


def mostly_unattributed() -> Names:
    """More than half of four or more incidents."""
    return {
        (service, env)
        for env in environments_of(END)
        for service in services_of(env)
        for one in [figures_at(END, (service,), env=env)]
        if len(one.opened) >= 4 and (one.unattributed_ratio or 0) > 0.5
    }


def risen_today(what: str) -> Firing:
    """A counter of each service and environment, within a day."""

    def names() -> Names:
        places = [(service, env) for env in environments_of(END) for service in services_of(env)]
        return {(service, env) for service, env in places if risen(View(END, DAY, (service,)), DAY, what, env=env)}

    return Firing(("service", "env"), names)


def silent() -> Names:
    """Since a week, but not since a month."""
    last = last_events(services_of(None))
    return {(service,) for service, at in last.items() if WEEK < END - at < MONTH}


def if_so(fires: object, *name: str, by: tuple[str, ...] = ()) -> Firing:
    """One, or nobody: of what is told in the story."""
    return Firing(by, lambda: {name} if fires else set())


FIRING: Final = {
    "CandoraChangeFailureRateHigh": Firing(("service",), failing_too_often),
    "CandoraDeploymentFailing": Firing(("service",), failing_now),
    "CandoraRollbackNotRehearsed": Firing(("service",), not_rehearsed_lately),
    "CandoraRollbackNeverRehearsed": Firing(("service",), never_rehearsed),
    "CandoraIncidentsUnattributed": Firing(("service", "env"), mostly_unattributed),
    "CandoraDeploymentsWithoutCommits": risen_today("without commits"),
    "CandoraClockSkew": risen_today("clock skew"),
    "CandoraServiceSilent": Firing(("service",), silent),
    "CandoraCanaryErrorRatioHigh": if_so(ERRORS / REQUESTS > 0.02),
    "CandoraErrorBudgetBurnsFast": if_so(ERRORS / REQUESTS > 6 * BUDGET, "myapp", by=("app",)),
    "CandoraErrorBudgetBurnsSlowly": if_so(ERRORS / REQUESTS > BUDGET, "myapp", by=("app",)),
    "CandoraMetricsAbsent": if_so(fires=True),  # backfilled: no target was ever up
    "CandoraServedTwice": if_so(fires=False),  # by one process
    "CandoraServingStale": if_so(fires=False),  # it is ready
    "CandoraWorkersSilent": if_so(LOG_AGE > 300),
    "CandoraWorkersBehind": if_so(LAG > 1000),
    "CandoraDeadLetters": if_so(A_STEP.dead_letters),
    "CandoraBadRecords": if_so(A_STEP.undecodable, "incidents", "undecodable", by=("topic", "reason")),
    "CandoraSamplesDropped": if_so(A_STEP.out_of_bounds),
}
