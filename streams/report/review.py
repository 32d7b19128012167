"""A review: everything that the reader is told, before it is laid out for a terminal, a page or a program. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import ceil
from statistics import median_low
from typing import Final, NamedTuple

from schemas.values import DAY, EventValue, Micros
from streams.core.settings import MetricSettings
from streams.report.bands import Band, band, told_apart
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
_SILENT: Final = 14 * DAY
"""No event for so long, or for the whole of a shorter period, is worth a question."""
_NEARLY: Final = 10
"""A log that begins within this part of the period reaches over it: who deploys seldom has no event at its begin."""


@dataclass(frozen=True)
class ReviewRequest:
    """What is asked. `services` are patterns; none: all."""

    pair: PeriodPair
    envs: tuple[str, ...]
    services: tuple[str, ...] = ()

    def wanted(self, place: ServiceEnv) -> bool:
        """Whether the review is about this service in this environment."""
        return self.named(place.service) and place.env in self.envs

    def named(self, service: str) -> bool:
        """Whether the review is about this service somewhere."""
        return not self.services or any(fnmatchcase(service, pattern) for pattern in self.services)


class MeasureComparison(NamedTuple):
    """A measure in the period and in the one before."""

    measure: Measure
    now: Estimate
    before: Estimate
    verdict: MeasureVerdict
    band: Band | None = None
    """Its level by DORA, if the range tells it; of the middle service where it is about how often one is deployed."""


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
    """The last deployment that is known."""


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
    """Seven days of the trend."""

    end: Micros
    total: Cohort
    places: Mapping[ServiceEnv, Cohort]

    def figure(self, measure: Measure) -> Estimate:
        """The measure of this week."""
        return measure.figure(self.total, WEEK, f"{measure.key} of the week to {self.end}")


class SilentService(NamedTuple):
    """A service that nothing was heard of."""

    service: str
    last_event_at: Micros


@dataclass(frozen=True)
class Review:
    """Everything that is told."""

    question: ReviewRequest
    settings: MetricSettings
    log_begins: Micros | None
    """When the earliest event happened; None if there is none. It may be after the period."""
    covered: bool
    """Whether the log reaches back to the begin of the period before."""
    whole: bool
    """Whether the log reaches over all of the period, or nearly."""
    elsewhere: tuple[str, ...]
    """Other environments that services asked for were heard of in."""
    total: Cohort
    before: Cohort
    headline: tuple[MeasureComparison, ...]
    lines: tuple[ServiceLine, ...]
    apart: tuple[Outlier, ...]
    apart_of: int
    """How many comparisons with all others there was enough data for."""
    moved: tuple[MeasureShift, ...]
    moved_of: int
    weeks: tuple[TrendWeek, ...]
    """The oldest first; without those that the log does not cover."""
    present: PresentState
    gated: Mapping[ServiceEnv, GateCoverage]
    """Of the judged deployments of each place, how many had which gate."""
    failures: tuple[FailedDeployment, ...]
    restored: tuple[IncidentSummary, ...]
    """The longest first."""
    unattributed: tuple[IncidentSummary, ...]
    open: tuple[IncidentSummary, ...]
    oddities: Oddities
    silent: tuple[SilentService, ...]

    @property
    def eventful(self) -> bool:
        """Whether anything is in any week of the trend."""
        return any(week.total != Cohort() for week in self.weeks)

    @property
    def judged_span(self) -> tuple[Micros, Micros]:
        """When the deployments of the rates finished: after the first and not after the second."""
        lag = self.settings.failure_window + self.settings.lateness
        return self.question.pair.now.begin - lag, self.question.pair.now.end - lag


def review(events: Iterable[EventValue], question: ReviewRequest, settings: MetricSettings) -> Review:
    """Read the events, in the order of `event_time`, and work out what may be said."""
    now, before = question.pair
    settings = replace(settings, windows=tuple(dict.fromkeys((now.length, before.length, WEEK))))
    week_ends = _week_ends(question.pair, settings.lateness)
    earlier: dict[ServiceEnv, Cohort] = {}
    weeks: list[TrendWeek] = []
    last = PeriodFacts(now.end, {}, None)
    for look in facts_at(events, sorted({now.begin, now.end, *week_ends}), settings):
        last = look
        if look.at == now.begin:
            earlier = cohorts(look.services, before.length, settings, question.wanted)
        if look.at in week_ends:
            held = cohorts(look.services, WEEK, settings, question.wanted)
            weeks.append(TrendWeek(look.at, pooled(held.values()), held))
    return _Telling(question, settings, last, earlier).tell(weeks)


def _week_ends(pair: PeriodPair, apart: Micros) -> list[Micros]:
    """The ends of the trend's weeks, counted back from the end; none too near to where the period begins."""
    begin, end = pair.now.begin, pair.now.end
    count = min(max(_FEWEST_WEEKS, ceil(pair.now.length / WEEK)), _MOST_WEEKS)
    ends = [end - number * WEEK for number in range(count)]
    return [at for at in ends if at == begin or abs(at - begin) >= apart]


class _Telling:
    """What follows from the service states at the end of the period and the cohorts of the period before."""

    def __init__(
        self, question: ReviewRequest, settings: MetricSettings, last: PeriodFacts, earlier: Mapping[ServiceEnv, Cohort]
    ) -> None:
        self._question = question
        self._pair = question.pair
        self._settings = settings
        self._last = last
        self._earlier = earlier
        self._made: dict[str, Estimate] = {}
        self._held = cohorts(last.services, self._pair.now.length, settings, question.wanted)
        now, first = self._pair.now, last.first_event_at
        self._covered = first is not None and first <= self._pair.before.begin
        self._whole = first is not None and first <= now.begin + now.length // _NEARLY

    def tell(self, weeks: Sequence[TrendWeek]) -> Review:
        first, now, wanted, services = (
            self._last.first_event_at,
            self._pair.now,
            self._question.wanted,
            self._last.services,
        )
        lag, grown = self._settings.lateness, self._settings.lateness + self._settings.failure_window
        begin, end = now.begin - lag, now.end - lag
        states, troubles = present(services, wanted), incidents(services, wanted)
        restored = (one for one in troubles if one.length is not None and begin < (one.ended_at or 0) <= end)
        total, before = pooled(self._held.values()), pooled(self._earlier.values())
        deployed_at = deployed(services)
        apart, apart_of = self._apart()
        moved, moved_of = self._moved()
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
            lines=tuple(self._line(place, states[place], deployed_at.get(place)) for place in self._held),
            apart=apart,
            apart_of=apart_of,
            moved=moved,
            moved_of=moved_of,
            weeks=tuple(one for one in weeks if first is not None and one.end - WEEK >= first),
            present=PresentState(
                *(sum(counts) for counts in zip(PresentState(0, 0, 0), *states.values(), strict=True))
            ),
            gated=gate_coverage(services, now.begin - grown, now.end - grown, wanted),
            failures=tuple(failures(services, now.begin - grown, now.end - grown, wanted)),
            restored=tuple(sorted(restored, key=lambda one: -(one.length or 0))),
            unattributed=tuple(one for one in troubles if one.unattributed and begin < one.opened_at <= end),
            open=tuple(one for one in troubles if one.length is None),
            oddities=oddities(services, begin, end, wanted, self._settings),
            silent=tuple(self._silent()),
        )

    def _figures(self, measure: Measure, now: Cohort, before: Cohort, who: str) -> tuple[Estimate, Estimate]:
        return self._figure(measure, now, self._pair.now, who), self._figure(measure, before, self._pair.before, who)

    def _figure(self, measure: Measure, cohort: Cohort, period: ReviewPeriod, who: str) -> Estimate:
        """Made once: a bootstrap takes its time, and a service is compared more than once."""
        name = f"{measure.key} of {who} to {period.end}"
        if name not in self._made:
            length = period.length if self._whole else 0
            self._made[name] = measure.figure(cohort, length, name)
        return self._made[name]

    def _compare(self, measure: Measure, figures: tuple[Estimate, Estimate], level: float) -> MeasureComparison:
        said = verdict(measure, *figures, level) if self._covered else MeasureVerdict.UNCOVERED
        return MeasureComparison(measure, *figures, said)

    def _headline(self, measure: Measure, now: Cohort, before: Cohort) -> MeasureComparison:
        """With its level, of the middle service where it is about how often one is deployed."""
        found = self._compare(measure, self._figures(measure, now, before, "all"), LEVEL)
        level_of = self._middle() if measure is FREQUENCY else found.now
        value, interval = level_of.value, level_of.interval()
        if found.now.n < measure.least or interval is None or not told_apart(measure.key, *interval):
            return found
        return found._replace(band=band(measure.key, value))

    def _middle(self) -> PerDay:
        """How often the middle service was deployed, of those deployed in this period or the one before."""
        nothing = Cohort()
        both = ((cohort.judged, self._earlier.get(place, nothing).judged) for place, cohort in self._held.items())
        counts = [now for now, before in both if now or before]
        days = self._pair.now.length / DAY if self._whole else 0.0
        return PerDay(median_low(counts) if counts else 0, days)

    def _line(self, place: ServiceEnv, state: PresentState, deployed_at: Micros | None) -> ServiceLine:
        cohort = self._held[place]
        own = {one: self._figure(one, cohort, self._pair.now, str(place)) for one in BY_SERVICE}
        return ServiceLine(
            place, cohort, state, own[CHANGE_FAILURE_RATE], own[LEAD_TIME], own[RESTORE], own[FREQUENCY], deployed_at
        )

    def _apart(self) -> tuple[tuple[Outlier, ...], int]:
        """Each service beside all others together."""
        found, compared = [], 0
        for place, cohort in self._held.items():
            rest = pooled(one for other, one in self._held.items() if other != place)
            for measure in APART:
                own = self._figure(measure, cohort, self._pair.now, str(place))
                others = self._figure(measure, rest, self._pair.now, f"all but {place}")
                said = verdict(measure, own, others, STRICT)
                compared += said is not MeasureVerdict.FEW
                if said in CLEAR:
                    found.append(Outlier(place, measure, own, others, said))
        return tuple(
            sorted(found, key=lambda one: (one.verdict is MeasureVerdict.BETTER, APART.index(one.measure), one.place))
        ), compared

    def _moved(self) -> tuple[tuple[MeasureShift, ...], int]:
        """Each service beside itself in the period before."""
        found, compared = [], 0
        for place, cohort in self._held.items():
            for measure in BY_SERVICE if self._covered else ():
                figures = self._figures(measure, cohort, self._earlier.get(place, Cohort()), str(place))
                comparison = self._compare(measure, figures, STRICT)
                compared += comparison.verdict is not MeasureVerdict.FEW
                if comparison.verdict in CLEAR:
                    found.append(MeasureShift(place, comparison))
        return tuple(found), compared

    def _elsewhere(self) -> tuple[str, ...]:
        asked = self._question
        named = ((service, env) for service, state in self._last.services.items() for env in state.environments if env)
        return tuple(sorted({env for service, env in named if asked.named(service) and env not in asked.envs}))

    def _silent(self) -> Iterator[SilentService]:
        silence = min(_SILENT, self._pair.now.length)
        for service in sorted({place.service for place in self._held}):
            at = last_event_at(self._last.services[service])
            if at is not None and at <= self._pair.now.end - silence:
                yield SilentService(service, at)
