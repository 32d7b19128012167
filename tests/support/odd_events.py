"""What the demo company does not go through: two more services, to which everything happens that a panel can show.

Each thing happens in the last day too, where the dashboard of the pipeline looks.
"""

from functools import cache
from typing import Final

from schemas.values import DAY, HOUR, MINUTE, EventValue
from streams.backfill.replay import told_at
from tests.support.company_history import END, company_events
from tests.support.events import cause, commit, opened, promoted, resolved, rollback, started

ODD: Final = "back-office"
LEFT: Final = "side-door"


def odd_events() -> list[EventValue]:
    """Their events, in no order."""
    return [
        *_two_contents_of_one_id(),
        *_without_commits(),
        *_skewed_clocks(),
        *_verdicts_revised(),
        *_lead_time_revised(),
        *_late_and_unfinished(),
        *_opened_anew(),
        *_in_the_last_hours(),
    ]


@cache
def all_events() -> tuple[EventValue, ...]:
    """Theirs and the company's, in the order of what happened."""
    return tuple(sorted((*company_events(), *odd_events()), key=told_at))


def _two_contents_of_one_id() -> list[EventValue]:
    return [
        commit(f"{one}", END - ago, id_label=f"twice {ago}", service=ODD)
        for ago in (9 * DAY, 10 * HOUR)
        for one in ("this", "that")
    ]


def _without_commits() -> list[EventValue]:
    return [promoted("unknown-1", END - 12 * DAY, sha="nobody's", service=ODD)]


def _skewed_clocks() -> list[EventValue]:
    """The commit is of ten minutes after its promotion."""
    return [
        commit("from tomorrow", END - 9 * HOUR - 10 * MINUTE, service=ODD),
        promoted("skewed-1", END - 9 * HOUR - 20 * MINUTE, sha="from tomorrow", service=ODD),
    ]


def _verdicts_revised() -> list[EventValue]:
    """One incident turns out to be a deployment's, another to be nobody's, both after the verdicts."""
    return [
        commit("guilty", END - 6 * DAY - HOUR, service=ODD),
        promoted("guilty-1", END - 6 * DAY, sha="guilty", service=ODD),
        opened("odd-1", END - 6 * DAY + 2 * HOUR, cause=cause(kind="infra"), service=ODD),
        resolved("odd-1", END - 6 * HOUR, cause=cause(deployment="guilty-1"), service=ODD),
        commit("innocent", END - 4 * DAY - HOUR, service=ODD),
        promoted("innocent-1", END - 4 * DAY, sha="innocent", service=ODD),
        opened("odd-2", END - 4 * DAY + 3 * HOUR, severity="sev2", service=ODD),
        resolved("odd-2", END - 5 * HOUR, cause=cause(kind="infra"), service=ODD),
    ]


def _lead_time_revised() -> list[EventValue]:
    """An older commit turns out to be of the same request."""
    return [
        commit("older", END - 9 * DAY, service=ODD),
        commit("younger", END - 8 * DAY, change="office#1", service=ODD),
        promoted("request-1", END - 7 * DAY - 2 * HOUR, sha="younger", service=ODD),
        commit("older", END - 5 * HOUR, change="office#1", service=ODD),
    ]


def _late_and_unfinished() -> list[EventValue]:
    """A rollback after the failure window, a start that a newer one replaced, and one that nobody finished."""
    return [
        promoted("late-1", END - 15 * DAY, sha="nobody's either", service=ODD),
        rollback(END - 15 * DAY + 30 * HOUR, deployment="late-1", service=ODD),
        started("replaced-1", END - 10 * DAY, sha="replaced", service=ODD),
        started("left-1", END - 5 * DAY, sha="left", service=LEFT),
    ]


def _opened_anew() -> list[EventValue]:
    return [
        opened("odd-3", END - 8 * HOUR, severity="sev3", service=LEFT),
        resolved("odd-3", END - 7 * HOUR, service=LEFT),
        opened("odd-3", END - 3 * HOUR, severity="sev3", service=LEFT),
        resolved("odd-3", END - 2 * HOUR, service=LEFT),
    ]


def _in_the_last_hours() -> list[EventValue]:
    """A verdict, a lead time and a time to restore that come due shortly before the end."""
    return [
        promoted("yesterday-1", END - 26 * HOUR, sha="of yesterday", service=LEFT),
        commit("of today", END - 5 * HOUR, service=LEFT),
        promoted("today-1", END - HOUR, sha="of today", service=LEFT),
        opened("odd-4", END - 80 * MINUTE, severity="sev2", service=LEFT),
        resolved("odd-4", END - 70 * MINUTE, service=LEFT),
    ]
