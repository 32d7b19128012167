"""Define the measures of a review: how each is computed, and its minimum sample size."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from schemas.values import DAY, SECOND, Micros
from streams.report.figures import DurationSample, Estimate, PerDay, Share, differs
from streams.report.period_facts import Cohort

Unit = Literal["share", "length", "rate"]


class Measure(NamedTuple):
    """One measure. `counts` names what its n counts; `least` is the minimum n for any statement."""

    key: str
    name: str
    unit: Unit
    counts: str
    least: int
    figure: Callable[[Cohort, Micros, str], Estimate]
    """Computes the estimate from a cohort, the length of the window and a seed for the bootstrap."""
    more_is_better: bool = False


def _lengths(values: tuple[Micros, ...], name: str, q: float | None = None) -> DurationSample:
    return DurationSample(name, tuple(value / SECOND for value in values), q)


CHANGE_FAILURE_RATE: Final = Measure(
    "change_failure_rate", "Change failure rate", "share", "deployments", 10, lambda c, _, __: Share(c.failed, c.judged)
)
LEAD_TIME: Final = Measure(
    "lead_time_p50", "Lead time, median", "length", "changes", 10, lambda c, _, s: _lengths(c.lead, s, 0.5)
)
LONG_LEAD_TIME: Final = Measure(
    "lead_time_p90", "Lead time, nine in ten", "length", "changes", 20, lambda c, _, s: _lengths(c.lead, s, 0.9)
)
RESTORE: Final = Measure(
    "restore_mean", "Time to restore, mean", "length", "incidents", 10, lambda c, _, s: _lengths(c.restore, s)
)
MEDIAN_RESTORE: Final = Measure(
    "restore_p50", "Time to restore, median", "length", "incidents", 10, lambda c, _, s: _lengths(c.restore, s, 0.5)
)
RECOVERY: Final = Measure(
    "recovery_mean", "Failed-deploy recovery", "length", "incidents", 10, lambda c, _, s: _lengths(c.recovery, s)
)
FREQUENCY: Final = Measure(
    "frequency", "Deployments a day", "rate", "deployments", 10, lambda c, w, _: PerDay(c.judged, w / DAY), True
)
REWORK: Final = Measure(
    "rework_rate", "Rework rate", "share", "deployments", 10, lambda c, _, __: Share(c.hotfix, c.judged)
)

HEADLINE: Final = (
    CHANGE_FAILURE_RATE, LEAD_TIME, LONG_LEAD_TIME, RESTORE, MEDIAN_RESTORE, RECOVERY, FREQUENCY, REWORK,
)  # fmt: skip
BY_SERVICE: Final = (CHANGE_FAILURE_RATE, LEAD_TIME, RESTORE, FREQUENCY)
"""Measures compared with the previous period for each service."""
APART: Final = (CHANGE_FAILURE_RATE, LEAD_TIME, RESTORE)
"""Measures in which a service can be an outlier; deployment frequency alone is no merit."""


class MeasureVerdict(StrEnum):
    """Result of comparing two estimates."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no clear change"
    FEW = "not enough data"
    UNCOVERED = "log began later"


CLEAR: Final = frozenset((MeasureVerdict.BETTER, MeasureVerdict.WORSE))


def enough(measure: Measure, figure: Estimate) -> bool:
    """Return whether the sample suffices for a statement. Rates need no minimum: a low count is meaningful."""
    return figure.value is not None if measure.unit == "rate" else figure.n >= measure.least


def verdict(measure: Measure, one: Estimate, other: Estimate, level: float) -> MeasureVerdict:
    """Compare `one` with `other`."""
    if measure.unit == "rate":  # no events before may mean that nothing was reported yet
        few = one.n + other.n < measure.least or not other.n
    else:
        few = min(one.n, other.n) < measure.least
    if few:
        return MeasureVerdict.FEW
    if not differs(one, other, level):
        return MeasureVerdict.SAME
    rises = (one.value or 0) > (other.value or 0)
    return MeasureVerdict.BETTER if rises == measure.more_is_better else MeasureVerdict.WORSE
