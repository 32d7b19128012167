"""What the demo company does not go through: four more services, to which everything happens that a panel can show.

Each thing happens to two services and in two environments, so that a sum is no maximum and one environment is not all;
and in the last day too, where the dashboard of the pipeline looks.
"""

from functools import cache
from typing import Final, NamedTuple

from schemas.values import DAY, HOUR, MINUTE, EventValue, Micros
from streams.replay.loop import event_time
from tests.support.company_history import END, company_events
from tests.support.events import cause, commit, opened, promoted, resolved, rollback, started

ODD: Final = ("back-office", "front-office")
LEFT: Final = ("roof-hatch", "side-door")
"""These have a deployment that nobody finished."""
DAYS: Final = {"prod": (0, 11), "staging": (0, 13, 45)}
"""How many days before the end it all happens: not on the same ones in both environments, but in the last."""


class Place(NamedTuple):
    """Whom it happens to, and how much sooner than at the end."""

    service: str
    env: str
    days: int
    minutes: int

    def ago(self, length: Micros) -> Micros:
        """The moment so long before the end."""
        return END - length - self.days * DAY - self.minutes * MINUTE

    def named(self, what: str) -> str:
        """An id that is had once."""
        return f"{what}-{self.days}"


def places(services: tuple[str, ...]) -> list[Place]:
    """Each service, in each environment, on each of its days; not at the same minute."""
    every = [(service, env, days) for service in services for env, all_days in DAYS.items() for days in all_days]
    return [Place(*one, number) for number, one in enumerate(every)]


def odd_events() -> list[EventValue]:
    """Their events, in no order."""
    days = sorted({one for all_days in DAYS.values() for one in all_days})
    return [
        *(event for service in ODD for each in days for event in _of_commits(Place(service, "", each, 0))),
        *(event for place in places(ODD) for event in _odd(place)),
        *(event for place in places(LEFT) for event in _left(place)),
    ]


@cache
def all_events() -> tuple[EventValue, ...]:
    """Theirs and the company's, in the order of what happened."""
    return tuple(sorted((*company_events(), *odd_events()), key=event_time))


def _of_commits(place: Place) -> list[EventValue]:
    """Two contents of one id, an older commit that turns out to be of a request, and a clock that is ahead."""
    service, ago, named = place.service, place.ago, place.named
    return [
        commit(named("this"), ago(10 * HOUR), id_label=named(service), service=service),
        commit(named("that"), ago(10 * HOUR), id_label=named(service), service=service),
        commit(named("guilty"), ago(6 * DAY + HOUR), service=service),
        commit(named("innocent"), ago(4 * DAY + HOUR), service=service),
        commit(named("older"), ago(9 * DAY), service=service),
        commit(named("younger"), ago(8 * DAY), change=named("request"), service=service),
        commit(named("older"), ago(5 * HOUR), change=named("request"), service=service),
        commit(named("from tomorrow"), ago(9 * HOUR + 18 * MINUTE), service=service),
        commit(named("of today"), ago(5 * HOUR), service=service),
    ]


def _odd(place: Place) -> list[EventValue]:
    """What changes after it was counted, comes too late, or is not what it should be."""
    service, env, ago, named = place.service, place.env, place.ago, place.named
    return [
        promoted(named("unknown"), ago(12 * DAY), sha=named("nobody's"), env=env, service=service),
        # after its promotion, by the clock of whoever committed
        promoted(named("skewed"), ago(9 * HOUR + 20 * MINUTE), sha=named("from tomorrow"), env=env, service=service),
        # an incident turns out to be a deployment's, another to be nobody's, both after the verdicts
        promoted(named("guilty"), ago(6 * DAY), sha=named("guilty"), env=env, service=service),
        opened(named(f"{env}-1"), ago(6 * DAY - 2 * HOUR), cause=cause(kind="infra"), env=env, service=service),
        resolved(named(f"{env}-1"), ago(6 * HOUR), cause=cause(deployment=named("guilty")), service=service),
        promoted(named("innocent"), ago(4 * DAY), sha=named("innocent"), env=env, service=service),
        opened(named(f"{env}-2"), ago(4 * DAY - 3 * HOUR), severity="sev2", env=env, service=service),
        resolved(named(f"{env}-2"), ago(5 * HOUR), cause=cause(kind="infra"), service=service),
        promoted(named("request"), ago(7 * DAY + 2 * HOUR), sha=named("younger"), env=env, service=service),
        # rolled back after the failure window
        promoted(named("late"), ago(15 * DAY), sha=named("nobody's either"), env=env, service=service),
        rollback(ago(15 * DAY - 30 * HOUR), deployment=named("late"), env=env, service=service),
        # replaced before it was finished
        started(named("replaced"), ago(10 * DAY), sha=named("replaced"), env=env, service=service),
        # failing, not judged yet, and an incident that is still open
        promoted(named("hotfix"), ago(3 * DAY), sha=named("hot"), lane="hotfix", env=env, service=service),
        promoted(named("failing"), ago(8 * HOUR), sha=named("failing"), env=env, service=service),
        rollback(ago(7 * HOUR), deployment=named("failing"), env=env, service=service),
        opened(named(f"{env}-open"), ago(4 * HOUR), severity="sev4", env=env, service=service),
        # due in the last hours
        promoted(named("yesterday"), ago(26 * HOUR), sha=named("of yesterday"), env=env, service=service),
        promoted(named("today"), ago(HOUR), sha=named("of today"), env=env, service=service),
    ]


def _left(place: Place) -> list[EventValue]:
    """A start that nobody finished, an incident opened anew, and one that ended in the last hours."""
    service, env, ago, named = place.service, place.env, place.ago, place.named
    return [
        started(named("left"), ago(5 * DAY), sha=named("left"), env=env, service=service),
        opened(named(f"{env}-3"), ago(8 * HOUR), severity="sev3", env=env, service=service),
        resolved(named(f"{env}-3"), ago(7 * HOUR - place.minutes * MINUTE // 2), service=service),
        opened(named(f"{env}-3"), ago(3 * HOUR), severity="sev3", env=env, service=service),
        resolved(named(f"{env}-3"), ago(2 * HOUR), service=service),
        opened(named(f"{env}-4"), ago(80 * MINUTE), severity="sev2", env=env, service=service),
        resolved(named(f"{env}-4"), ago(70 * MINUTE), service=service),
    ]
