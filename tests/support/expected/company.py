"""What the company's events say, read by tests/support/oracle, which shares no code with the product."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import product
from typing import Final, NamedTuple

from schemas.values import DAY, HOUR, SECOND, EventValue, Micros
from streams.core.settings import MetricSettings
from streams.replay.loop import event_time
from tests.support.company_history import END, company_grid
from tests.support.expected.asked import COUNTED, RISEN, Between, Expectation, Values, View
from tests.support.odd_events import all_events
from tests.support.oracle import Facts, derived, quantile
from tests.support.oracle.counted import Counting, Counts
from tests.support.oracle.figures import Figures, Restored, figures
from tests.support.oracle.known import conflicts, known

ENV: Final = "prod"
MONTH: Final[Micros] = 30 * DAY
WEEK: Final[Micros] = 7 * DAY
SETTINGS: Final = MetricSettings()
EDGES: Final = tuple(
    SECOND * edge
    for edge in (
        *(300, 600, 900, 1800, 2700, 3600, 5400, 7200, 10_800, 14_400, 21_600, 28_800, 43_200, 64_800, 86_400),
        *(129_600, 172_800, 259_200, 432_000, 604_800, 1_209_600, 2_592_000),
    )
)
"""The upper edges of the buckets of lead time: five minutes to thirty days."""
REASONS: Final = ("canary_rollback", "incident", "rollback")
NAMES: Final = ("abandoned", "failed", "pending", "succeeded", "superseded", "unknown")
POINTS: Final = frozenset(
    {END - day * DAY for day in range(91)} | {END - hour * HOUR for hour in (*range(11), *range(0, 29, 4))}
)
"""The moments that points of graphs are compared at, and those one step before them."""


# --- what is true at a moment -----------------------------------------------------------------------------------------
Known = Callable[[Micros], Facts]


def facts_of(events: Sequence[EventValue]) -> Known:
    """The facts at any moment, of those events that had told everything by then.

    Which of two contents of one id counts is asked once: here they are told at one time.
    """
    counting = [(event_time(event), event) for event in known(events, max(map(event_time, events)))]

    @cache
    def at_moment(at: Micros) -> Facts:
        return derived([event for told, event in counting if told <= at], at, SETTINGS)

    return at_moment


@cache
def _facts_of_all() -> Known:
    return facts_of(all_events())


def facts_at(at: Micros) -> Facts:
    """Of all events of the fixture."""
    return _facts_of_all()(at)


class Counted(NamedTuple):
    """What was counted up to each moment, and the times to restore that were observed, each as it was first."""

    at: dict[Micros, Counts]
    restored: list[tuple[str, Restored]]


@cache
def counted() -> Counted:
    """At each of `POINTS`."""
    return count(all_events(), POINTS, company_grid())


def count(events: Sequence[EventValue], points: Iterable[Micros], grid: Sequence[Micros]) -> Counted:
    """What was counted at each of the points; each part of the events is looked at in between on its own."""
    at: dict[Micros, Counts] = {point: Counter() for point in points}
    observed: list[tuple[str, Restored]] = []
    for part in apart(events):
        known, counting = facts_of(part), Counting(SETTINGS, [edge / SECOND for edge in EDGES])
        for look in looks_of(part, at, grid):
            counts = counting.look(known(look), look)
            if look in at:
                at[look] += counts
        observed += counting.restored
    return Counted(at, observed)


def apart(events: Sequence[EventValue]) -> list[list[EventValue]]:
    """The events of services that have nothing to do with each other: none is blamed for another's incident."""
    joined = {event["service"]: {event["service"]} for event in events}
    for event in events:
        cause = event["incident"]["cause"] if event["incident"] is not None else None
        if cause is not None and cause["service"] is not None:
            both = joined[event["service"]] | joined[cause["service"]]
            joined |= dict.fromkeys(both, both)
    parts = {frozenset(part) for part in joined.values()}
    return [[event for event in events if event["service"] in part] for part in parts]


def looks_of(events: Sequence[EventValue], points: Iterable[Micros], grid: Sequence[Micros]) -> list[Micros]:
    """When to look: at these points, and in between whenever something of an incident was told or came due on the grid.

    Incidents are put on other deployments and opened anew within hours; all else changes once.
    """
    points = frozenset(points)
    told = {event_time(event) for event in events if event["incident_id"] is not None}
    places = {bisect_left(grid, at + SETTINGS.lateness) for at in told}
    settled = {grid[place] for place in places if place < len(grid)}
    return sorted(at for at in points | told | settled if at <= max(points))


@cache
def figures_at(at: Micros, services: tuple[str, ...], window: Micros = MONTH, env: str = ENV) -> Figures:
    """The numbers of these services together."""
    return figures(facts_at(at), services, env, at, SETTINGS, window)


@cache
def services_of(env: str | None, at: Micros = END) -> tuple[str, ...]:
    """The services that were heard of by then, in an environment or in any."""
    return tuple(sorted({service for service, where in facts_at(at).envs if env in {None, where}}))


def heard_of(view: View, ago: Micros = 0) -> tuple[str, ...]:
    """The chosen services that were known: of nobody else is there a number."""
    known = services_of(ENV, view.at - ago)
    return tuple(service for service in view.services if service in known)


def read_off(lengths: Sequence[Micros], share: float) -> Between | None:
    """A quantile that is read off buckets.

    The exact one lies between two observations; this one between where the bucket of the lower begins and where that of
    the upper ends.
    """
    if not lengths:
        return None
    ordered = sorted(lengths)
    place = (len(ordered) - 1) * share
    below, above = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
    edges = (0, *EDGES)
    low = edges[bisect_left(EDGES, below)] / SECOND
    high = EDGES[min(bisect_left(EDGES, above), len(EDGES) - 1)] / SECOND
    return Between(low, high)


# --- expectations from what is true -----------------------------------------------------------------------------------
Number = Callable[[Figures], float | None]


def now(read: Number, ago: Micros = 0) -> Expectation:
    """One number of all chosen services together, now or some time ago."""

    def found(view: View) -> Values:
        known = heard_of(view, ago)
        return {(): read(figures_at(view.at - ago, known))} if known else {}

    return Expectation(found)


def each(read: Number) -> Expectation:
    """A number of each chosen service."""
    return Expectation(
        lambda view: {(one,): read(figures_at(view.at, (one,))) for one in heard_of(view)}, by=("service",)
    )


def by_reason() -> Expectation:
    """Judged failures of the window by reason."""

    def found(view: View) -> Values:
        known = heard_of(view)
        return {(one,): figures_at(view.at, known).reasons[one] for one in REASONS} if known else {}

    return Expectation(found, by=("reason",))


def median(ago: Micros = 0) -> Expectation:
    """The median lead time: exact of one service, of several read off the buckets."""

    def found(view: View) -> Values:
        at, known = view.at - ago, heard_of(view, ago)
        some = [service for service in known if figures_at(at, (service,)).leads]
        if len(some) == 1:
            return {(): quantile(figures_at(at, (some[0],)).leads, 0.5)}
        return {(): read_off(figures_at(at, known).leads, 0.5)}

    return Expectation(found)


def of_a_week(share: float) -> Expectation:
    """A quantile of the lead times of seven days, read off the buckets."""
    return Expectation(lambda view: {(): read_off(figures_at(view.at, heard_of(view), WEEK).leads, share)})


def in_flight() -> Expectation:
    """2: failing; 1: pending; 0: neither."""

    def state(found: Figures) -> float:
        return 2 if found.standing["failing"] else 1 if found.standing["pending"] else 0

    return each(state)


# --- expectations from what has risen ---------------------------------------------------------------------------------
def risen(view: View, over: Micros, what: str, label: str = "", env: str | None = ENV) -> float:
    """How much a counter of the chosen services has risen."""
    later, earlier = counted().at[view.at], counted().at[view.at - over]
    return sum(
        later[key] - earlier[key]
        for key in later
        if key.service in view.services and env in {None, key.env} and (key.what, key.label) == (what, label)
    )


def count_of(at: Micros, what: str, label: str, service: str | None, env: str) -> int:
    """What was counted in all up to a moment, of a service or of all."""
    found = counted().at[at]
    return sum(
        number
        for key, number in found.items()
        if service in {None, key.service} and (key.env, key.what, key.label) == (env, what, label)
    )


def rise(what: str, over: Micros | None = None, env: str | None = ENV) -> Expectation:
    """By how much it has risen since the point before, or over a longer time."""
    return Expectation(
        lambda view: {(): risen(view, over or view.over, what, env=env)}, near=COUNTED if over else RISEN
    )


def rise_each(what: str, over: Micros | None = None, env: str | None = ENV) -> Expectation:
    """The same of each chosen service."""

    def found(view: View) -> Values:
        alone = {service: view._replace(services=(service,)) for service in view.services}
        return {(service,): risen(one, over or view.over, what, env=env) for service, one in alone.items()}

    return Expectation(found, ("service",), COUNTED if over else RISEN)


def rise_by(what: str, labels: tuple[str, ...], values: Iterable[tuple[str, ...]]) -> Expectation:
    """The same by the counter's own labels."""
    lines = tuple(values)
    return Expectation(
        lambda view: {line: risen(view, view.over, what, " ".join(line)) for line in lines}, labels, RISEN
    )


def failures_known() -> Expectation:
    """Failures since the point before, by reason."""
    return rise_by("failure", ("reason",), [(reason,) for reason in REASONS])


def judged_as_failed() -> Expectation:
    """Judged and not succeeded since the point before: the difference of two rises, each as near as a rise is."""

    def found(view: View) -> Values:
        judged, succeeded = (risen(view, view.over, what) for what in ("judged", "succeeded"))
        return {(): Between(judged - succeeded - RISEN * succeeded, judged - succeeded + RISEN * judged)}

    return Expectation(found)


def verdicts_revised() -> Expectation:
    """Verdicts that became the other one, by both. Rarer moves have no line until they happen."""
    return rise_by("revised verdict", ("from", "to"), [("failed", "succeeded"), ("succeeded", "failed")])


def verdicts_revised_in_all() -> Expectation:
    """The same together, in every environment."""
    moves = [f"{before} {after}" for before, after in product(("failed", "succeeded"), NAMES)]
    return Expectation(
        lambda view: {(): sum(risen(view, view.over, "revised verdict", move, env=None) for move in moves)}, near=RISEN
    )


def heat() -> Expectation:
    """Lead times since the point before, by the buckets that they fall into or below."""

    def found(view: View) -> Values:
        lines: dict[tuple[str, ...], float] = {
            (f"{edge / SECOND:g}",): risen(view, view.over, "lead time up to", f"{edge / SECOND:g}") for edge in EDGES
        }
        return {**lines, ("inf",): risen(view, view.over, "lead time")}

    return Expectation(found, ("le",), RISEN)


def conflicting(over: Micros | None = None, *, by_service: bool = False) -> Expectation:
    """Contents that lost against another one of their event id."""

    def found(view: View) -> Values:
        rises = {
            service: conflicts_of(service, view.at) - conflicts_of(service, view.at - (over or view.over))
            for service in view.services
        }
        return {(service,): rise for service, rise in rises.items()} if by_service else {(): sum(rises.values())}

    return Expectation(found, ("service",) if by_service else (), COUNTED if over else RISEN)


def conflicts_of(service: str, at: Micros) -> int:
    """Contents of a service's events that had lost by then."""
    return conflicts(event for event in all_events() if event["service"] == service and event_time(event) <= at)


# --- marks: only what rose is a line ----------------------------------------------------------------------------------
def above_nothing(one: Expectation) -> Expectation:
    """Without the lines that are 0."""
    return one._replace(read=lambda view: {line: value for line, value in one.read(view).items() if value})


def went_live() -> Expectation:
    """Lead times observed and promotions without commits, by service."""

    def found(view: View) -> Values:
        alone = {service: view._replace(services=(service,)) for service in view.services}
        return {
            (service,): risen(one, view.over, "lead time") + risen(one, view.over, "without commits")
            for service, one in alone.items()
        }

    return above_nothing(Expectation(found, ("service",), RISEN))


def failed_marks() -> Expectation:
    """Failures since the point before, by service and reason."""

    def found(view: View) -> Values:
        return {
            (service, reason): risen(view._replace(services=(service,)), view.over, "failure", reason)
            for service, reason in product(view.services, REASONS)
        }

    return above_nothing(Expectation(found, ("service", "reason"), RISEN))


# --- incidents, rehearsals and the ages of things ---------------------------------------------------------------------
def incidents_of(view: View, since: Micros) -> dict[tuple[str, ...], list[Restored]]:
    """Incidents by service and severity, in the order of their ends, that ended since."""
    found: dict[tuple[str, ...], list[Restored]] = {}
    for env, one in sorted(counted().restored, key=lambda one: one[1].ended_at):
        if env == ENV and one.service in view.services and since < one.ended_at <= view.at:
            found.setdefault((one.service, one.severity), []).append(one)
    return found


def restores(read: Callable[[list[float]], float], window: Micros | None = MONTH) -> Expectation:
    """Of the seconds to restore, by service and severity; without a window since the point before."""

    def found(view: View) -> Values:
        since = view.at - (window or view.over + 30 * SECOND)
        return {line: read([one.seconds for one in group]) for line, group in incidents_of(view, since).items()}

    return Expectation(found, ("service", "severity"))


def rehearsed(view: View) -> dict[tuple[str, ...], Micros]:
    """When a rollback was last rehearsed, by service and env."""
    last: dict[tuple[str, ...], Micros] = {}
    for event in all_events():
        if (
            event["event_type"] == "rollback_triggered"
            and event["lane"] == "rehearsal"
            and event_time(event) <= view.at
        ):
            line = (event["service"], event["env"] or "")
            if event["service"] in view.services:
                last[line] = max(last.get(line, 0), event["occurred_at"])
    return last


def last_events(services: Iterable[str]) -> dict[str, Micros]:
    """When the last event of each was."""
    last: dict[str, Micros] = {}
    for event in all_events():
        last[event["service"]] = max(event["occurred_at"], last.get(event["service"], 0))
    return {service: last[service] for service in services}


def since_rehearsal() -> Expectation:
    """How long ago that was, in seconds."""
    return Expectation(
        lambda view: {line: (view.at - at) / SECOND for line, at in rehearsed(view).items()}, ("service", "env")
    )


def never_rehearsed() -> Expectation:
    """Services without a rehearsal, and in how many environments they are."""

    def found(view: View) -> Values:
        never = set(view.services) - {service for service, _ in rehearsed(view)}
        return {(one,): sum(service == one for service, _ in facts_at(view.at).envs) for one in never}

    return Expectation(found, ("service",))


def silent_for() -> Expectation:
    """Seconds since the last event of each service."""
    return Expectation(
        lambda view: {(one,): (view.at - at) / SECOND for one, at in last_events(view.services).items()}, ("service",)
    )


def numbers_of() -> Expectation:
    """Seconds since the numbers of each service were computed last: since its last event, or later."""

    def found(view: View) -> Values:
        silent = silent_for().read(view)
        return {line: Between(0, age) for line, age in silent.items() if isinstance(age, float)}

    return Expectation(found, ("service",))


# --- what the variables offer -----------------------------------------------------------------------------------------
def environments_of(at: Micros) -> list[str]:
    """Every environment that was heard of by then."""
    return sorted({env for _, env in facts_at(at).envs})


def environments() -> Expectation:
    """Every environment, with its services."""
    return Expectation(lambda _: {(env,): len(services_of(env)) for env in environments_of(END)}, ("env",))


def services(env: str | None) -> Expectation:
    """Every service of the environment, or of any, and in how many it is."""

    def found(_: View) -> Values:
        pairs = [service for service, where in facts_at(END).envs if env in {None, where}]
        return {(service,): pairs.count(service) for service in pairs}

    return Expectation(found, ("service",))


def windows() -> Expectation:
    """The lengths that the workers keep."""
    return Expectation(lambda _: {(name,): len(facts_at(END).envs) for name in ("7d", "30d", "90d")}, ("window",))
