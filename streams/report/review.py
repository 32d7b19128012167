"""Compute a review: all results, before they are laid out for a terminal, a page or JSON. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import ceil
from statistics import median_low
from typing import Final, NamedTuple

from schemas.values import DAY, EventValue, Micros
from streams.core.settings import MetricSettings
from streams.report.bands import Band, band, spans_at_most_two_bands
from streams.report.figures import LEVEL, STRICT, Estimate, PerDay
from streams.report.measures import (
    APART,
    BY_SERVICE,
    CHANGE_FAILURE_RATE,
    CLEAR,
    FREQUENCY,
    HEADLINE,
    LEAD_TIME,
    RESTORE,
    Measure,
    MeasureVerdict,
    verdict,
)
from streams.report.period_facts import (
    Cohort,
    FailedDeployment,
    GateCoverage,
    IncidentSummary,
    Oddities,
    PeriodFacts,
    PresentState,
    ServiceEnv,
    cohorts,
    deployed,
    facts_at,
    failures,
    gate_coverage,
    incidents,
    last_event_at,
    oddities,
    pooled,
    present,
)
from streams.report.periods import WEEK, PeriodPair, ReviewPeriod

_FEWEST_WEEKS: Final = 13
_MOST_WEEKS: Final = 53
_SILENCE: Final = 14 * DAY
"""A service without events for so long, or for the whole of a shorter period, is reported as silent."""
_TOLERANCE: Final = 10
"""A log that begins within the first tenth of the period counts as covering it: with rare deployments there is no event
at its very start."""


@dataclass(frozen=True)
class ReviewRequest:
    """Parameters of a review. `services` are glob patterns; empty means all."""

    pair: PeriodPair
    envs: tuple[str, ...]
    services: tuple[str, ...] = ()

    def wanted(self, place: ServiceEnv) -> bool:
        """Return whether the review includes this service in this environment."""
        return self.named(place.service) and place.env in self.envs

    def named(self, service: str) -> bool:
        """Return whether the review includes this service in any environment."""
        return not self.services or any(fnmatchcase(service, pattern) for pattern in self.services)


class MeasureComparison(NamedTuple):
    """A measure in the period and in the previous one."""

    measure: Measure
    now: Estimate
    before: Estimate
    verdict: MeasureVerdict
    band: Band | None = None
    """DORA level, if the range is narrow enough; for deployment frequency, that of the median service."""


class ServiceLine(NamedTuple):
    """One service in one environment."""

    place: ServiceEnv
    cohort: Cohort
    present: PresentState
    rate: Estimate
    lead: Estimate
    restore: Estimate
    frequency: Estimate
    deployed_at: Micros | None
    """When the last known deployment happened."""


class Outlier(NamedTuple):
    """A service that is clearly better or worse than all others together."""

    place: ServiceEnv
    measure: Measure
    own: Estimate
    rest: Estimate
    verdict: MeasureVerdict


class MeasureShift(NamedTuple):
    """A service whose measure clearly changed."""

    place: ServiceEnv
    comparison: MeasureComparison


class TrendWeek(NamedTuple):
    """Seven days of the trend, up to `end`."""

    end: Micros
    total: Cohort
    places: Mapping[ServiceEnv, Cohort]

    def figure(self, measure: Measure) -> Estimate:
        """Compute a measure for this week."""
        return measure.figure(self.total, WEEK, f"{measure.key} of the week to {self.end}")


class SilentService(NamedTuple):
    """A service that has sent no events for some time."""

    service: str
    last_event_at: Micros


@dataclass(frozen=True)
class Review:
    """All results of a review."""

    question: ReviewRequest
    settings: MetricSettings
    log_begins: Micros | None
    """When the earliest event happened, possibly after the period; None for an empty log."""
    covered: bool
    """Whether the log covers the previous period, so that the two can be compared."""
    whole: bool
    """Whether the log covers the period, within _TOLERANCE."""
    elsewhere: tuple[str, ...]
    """Other environments in which the requested services have events."""
    total: Cohort
    before: Cohort
    headline: tuple[MeasureComparison, ...]
    lines: tuple[ServiceLine, ...]
    outliers: tuple[Outlier, ...]
    outlier_comparisons: int
    """Number of comparisons with all other services for which there was enough data."""
    shifts: tuple[MeasureShift, ...]
    shift_comparisons: int
    weeks: tuple[TrendWeek, ...]
    """Oldest first, without weeks that the log does not cover."""
    present: PresentState
    gate_coverage: Mapping[ServiceEnv, GateCoverage]
    """How many judged deployments had which gate reported."""
    failures: tuple[FailedDeployment, ...]
    restored: tuple[IncidentSummary, ...]
    """Longest first."""
    unattributed: tuple[IncidentSummary, ...]
    open: tuple[IncidentSummary, ...]
    oddities: Oddities
    silent: tuple[SilentService, ...]

    @property
    def eventful(self) -> bool:
        """Whether any week of the trend has data."""
        return any(week.total != Cohort() for week in self.weeks)

    @property
    def judged_span(self) -> tuple[Micros, Micros]:
        """The interval, open at its start, in which the deployments counted by the rates finished."""
        lag = self.settings.failure_window + self.settings.lateness
        return self.question.pair.now.begin - lag, self.question.pair.now.end - lag


def review(events: Iterable[EventValue], question: ReviewRequest, settings: MetricSettings) -> Review:
    """Compute a review from events in the order of `event_time`."""
    now, before = question.pair
    settings = replace(settings, windows=tuple(dict.fromkeys((now.length, before.length, WEEK))))
    week_ends = _week_ends(question.pair, settings.lateness)
    earlier: dict[ServiceEnv, Cohort] = {}
    weeks: list[TrendWeek] = []
    last = PeriodFacts(now.end, {}, None)
    for facts in facts_at(events, sorted({now.begin, now.end, *week_ends}), settings):
        last = facts
        if facts.at == now.begin:
            earlier = cohorts(facts.services, before.length, settings, question.wanted)
        if facts.at in week_ends:
            by_place = cohorts(facts.services, WEEK, settings, question.wanted)
            weeks.append(TrendWeek(facts.at, pooled(by_place.values()), by_place))
    return _ReviewBuilder(question, settings, last, earlier).build(weeks)


def _week_ends(pair: PeriodPair, gap: Micros) -> list[Micros]:
    """Return the ends of the trend's weeks, counted back from the end, none closer than `gap` to the period's begin."""
    begin, end = pair.now.begin, pair.now.end
    count = min(max(_FEWEST_WEEKS, ceil(pair.now.length / WEEK)), _MOST_WEEKS)
    ends = [end - number * WEEK for number in range(count)]
    return [at for at in ends if at == begin or abs(at - begin) >= gap]


class _ReviewBuilder:
    """Builds a review from the service states at the end of the period and the cohorts of the previous period."""

    def __init__(
        self, question: ReviewRequest, settings: MetricSettings, last: PeriodFacts, earlier: Mapping[ServiceEnv, Cohort]
    ) -> None:
        self._question = question
        self._pair = question.pair
        self._settings = settings
        self._last = last
        self._earlier = earlier
        self._estimates: dict[str, Estimate] = {}
        self._cohorts = cohorts(last.services, self._pair.now.length, settings, question.wanted)
        now, first = self._pair.now, last.first_event_at
        self._covered = first is not None and first <= self._pair.before.begin
        self._whole = first is not None and first <= now.begin + now.length // _TOLERANCE

    def build(self, weeks: Sequence[TrendWeek]) -> Review:
        first, now, wanted, services = (
            self._last.first_event_at,
            self._pair.now,
            self._question.wanted,
            self._last.services,
        )
        lag, verdict_lag = self._settings.lateness, self._settings.lateness + self._settings.failure_window
        begin, end = now.begin - lag, now.end - lag
        states, incident_list = present(services, wanted), incidents(services, wanted)
        restored = (one for one in incident_list if one.length is not None and begin < (one.ended_at or 0) <= end)
        total, before = pooled(self._cohorts.values()), pooled(self._earlier.values())
        deployed_at = deployed(services)
        outliers, outlier_comparisons = self._outliers()
        shifts, shift_comparisons = self._shifts()
        return Review(
            question=self._question,
            settings=self._settings,
            log_begins=first,
            covered=self._covered,
            whole=self._whole,
            elsewhere=self._elsewhere(),
            total=total,
            before=before,
            headline=tuple(self._headline(one, total, before) for one in HEADLINE),
            lines=tuple(self._line(place, states[place], deployed_at.get(place)) for place in self._cohorts),
            outliers=outliers,
            outlier_comparisons=outlier_comparisons,
            shifts=shifts,
            shift_comparisons=shift_comparisons,
            weeks=tuple(one for one in weeks if first is not None and one.end - WEEK >= first),
            present=PresentState(
                *(sum(counts) for counts in zip(PresentState(0, 0, 0), *states.values(), strict=True))
            ),
            gate_coverage=gate_coverage(services, now.begin - verdict_lag, now.end - verdict_lag, wanted),
            failures=tuple(failures(services, now.begin - verdict_lag, now.end - verdict_lag, wanted)),
            restored=tuple(sorted(restored, key=lambda one: -(one.length or 0))),
            unattributed=tuple(one for one in incident_list if one.unattributed and begin < one.opened_at <= end),
            open=tuple(one for one in incident_list if one.length is None),
            oddities=oddities(services, begin, end, wanted, self._settings),
            silent=tuple(self._silent()),
        )

    def _figures(self, measure: Measure, now: Cohort, before: Cohort, who: str) -> tuple[Estimate, Estimate]:
        return self._figure(measure, now, self._pair.now, who), self._figure(measure, before, self._pair.before, who)

    def _figure(self, measure: Measure, cohort: Cohort, period: ReviewPeriod, who: str) -> Estimate:
        """Return an estimate, cached: a bootstrap is slow, and services are compared more than once."""
        name = f"{measure.key} of {who} to {period.end}"
        if name not in self._estimates:
            length = period.length if self._whole else 0
            self._estimates[name] = measure.figure(cohort, length, name)
        return self._estimates[name]

    def _compare(self, measure: Measure, figures: tuple[Estimate, Estimate], level: float) -> MeasureComparison:
        conclusion = verdict(measure, *figures, level) if self._covered else MeasureVerdict.UNCOVERED
        return MeasureComparison(measure, *figures, conclusion)

    def _headline(self, measure: Measure, now: Cohort, before: Cohort) -> MeasureComparison:
        """Compare a measure and add its DORA level; for deployment frequency, that of the median service."""
        found = self._compare(measure, self._figures(measure, now, before, "all"), LEVEL)
        level_of = self._median_frequency() if measure is FREQUENCY else found.now
        value, interval = level_of.value, level_of.interval()
        if found.now.n < measure.least or interval is None or not spans_at_most_two_bands(measure.key, *interval):
            return found
        return found._replace(band=band(measure.key, value))

    def _median_frequency(self) -> PerDay:
        """Return the median deployment frequency of services deployed in this period or the previous one."""
        nothing = Cohort()
        both = ((cohort.judged, self._earlier.get(place, nothing).judged) for place, cohort in self._cohorts.items())
        counts = [now for now, before in both if now or before]
        days = self._pair.now.length / DAY if self._whole else 0.0
        return PerDay(median_low(counts) if counts else 0, days)

    def _line(self, place: ServiceEnv, state: PresentState, deployed_at: Micros | None) -> ServiceLine:
        cohort = self._cohorts[place]
        own = {one: self._figure(one, cohort, self._pair.now, str(place)) for one in BY_SERVICE}
        return ServiceLine(
            place, cohort, state, own[CHANGE_FAILURE_RATE], own[LEAD_TIME], own[RESTORE], own[FREQUENCY], deployed_at
        )

    def _outliers(self) -> tuple[tuple[Outlier, ...], int]:
        """Compare each service with all others together."""
        found, compared = [], 0
        for place, cohort in self._cohorts.items():
            rest = pooled(one for other, one in self._cohorts.items() if other != place)
            for measure in APART:
                own = self._figure(measure, cohort, self._pair.now, str(place))
                others = self._figure(measure, rest, self._pair.now, f"all but {place}")
                conclusion = verdict(measure, own, others, STRICT)
                compared += conclusion is not MeasureVerdict.FEW
                if conclusion in CLEAR:
                    found.append(Outlier(place, measure, own, others, conclusion))
        return tuple(
            sorted(found, key=lambda one: (one.verdict is MeasureVerdict.BETTER, APART.index(one.measure), one.place))
        ), compared

    def _shifts(self) -> tuple[tuple[MeasureShift, ...], int]:
        """Compare each service with itself in the previous period."""
        found, compared = [], 0
        for place, cohort in self._cohorts.items():
            for measure in BY_SERVICE if self._covered else ():
                figures = self._figures(measure, cohort, self._earlier.get(place, Cohort()), str(place))
                comparison = self._compare(measure, figures, STRICT)
                compared += comparison.verdict is not MeasureVerdict.FEW
                if comparison.verdict in CLEAR:
                    found.append(MeasureShift(place, comparison))
        return tuple(found), compared

    def _elsewhere(self) -> tuple[str, ...]:
        request = self._question
        pairs = ((service, env) for service, state in self._last.services.items() for env in state.environments if env)
        return tuple(sorted({env for service, env in pairs if request.named(service) and env not in request.envs}))

    def _silent(self) -> Iterator[SilentService]:
        silence = min(_SILENCE, self._pair.now.length)
        for service in sorted({place.service for place in self._cohorts}):
            at = last_event_at(self._last.services[service])
            if at is not None and at <= self._pair.now.end - silence:
                yield SilentService(service, at)
