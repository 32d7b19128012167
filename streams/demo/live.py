"""Generate live events that continue the history, paced for an audience.

Commits are hours old, as when a merged pull request reports them; canaries and incidents take seconds instead of hours,
so that each story completes while being watched.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Final, NamedTuple

from schemas.values import MINUTE, SECOND, EventValue, Micros
from streams.demo import facts
from streams.demo.company import OPEN_INCIDENT
from streams.demo.disturb import Poison, poison
from streams.demo.facts import PROD, around, fact, spread
from streams.demo.habits import COMPANY, TeamHabits

_FIRST_STORY: Final = 2 * SECOND
_OLD_INCIDENT_ENDS: Final = 20 * SECOND
_INCIDENT_CHANCE: Final = 1 / 5


class ScheduledEvents(NamedTuple):
    """An event or invalid message to send at `at`; an event happened then or earlier."""

    at: Micros
    item: EventValue | Poison


def live(seed: int, start: Micros) -> Iterator[ScheduledEvents]:
    """Yield events from `start` on without end, in the order in which they are due, about a dozen a minute."""
    rng = Random(f"{seed}/live/{start}")
    waiting: list[tuple[Micros, int, EventValue | Poison]] = []
    numbers = count()

    def plan(schedule: Iterator[ScheduledEvents]) -> None:
        for due in schedule:
            heappush(waiting, (due.at, next(numbers), due.item))

    plan(_old_incident_ends(start))
    next_story = start + _FIRST_STORY
    for turn in count():
        habits = COMPANY[turn % len(COMPANY)]
        plan(iter(_Story(habits, rng, turn, next_story).schedule()))
        next_story += spread(rng, 35 * SECOND, 55 * SECOND)
        while waiting and waiting[0][0] < next_story:
            at, _, item = heappop(waiting)
            yield ScheduledEvents(at, item)


def _old_incident_ends(start: Micros) -> Iterator[ScheduledEvents]:
    """Resolve the incident that the history left open, with an external cause."""
    service, name = OPEN_INCIDENT
    at = start + _OLD_INCIDENT_ENDS
    closed = facts.incident(found=facts.cause("external"), alert_cleared_at=at)
    yield ScheduledEvents(
        at, fact("incident_resolved", at, service, {"env": PROD, "incident_id": name, "incident": closed})
    )


@dataclass(slots=True)
class _Story:
    """One pull request on its way to production within about a minute, with what may go wrong there."""

    habits: TeamHabits
    rng: Random
    turn: int
    begins: Micros
    scheduled: list[ScheduledEvents] = field(default_factory=list)

    def schedule(self) -> list[ScheduledEvents]:
        service, rng = self.habits.service, self.rng
        at = self.begins
        sha = facts.new_sha(rng)
        self._write(sha)
        about: facts.EventFields = {"commit_sha": sha, "source": facts.source("github-actions", self._run, None)}
        thorough = self.habits.thorough
        self._schedule(fact("artifact_built", at, service, {**about, "artifact": facts.artifact(rng, service, 3)}))
        done = facts.tests(rng, self.habits.critical_module, thorough=thorough)
        self._schedule(fact("tests_passed", at + 5 * SECOND, service, {**about, "tests": done}))
        found = facts.scan(rng, at, thorough=thorough)
        self._schedule(fact("security_scanned", at + 8 * SECOND, service, {**about, "scan": found}))
        self._schedule(
            fact("policy_passed", at + 9 * SECOND, service, {**about, "policy": facts.policy(rng, thorough=thorough)})
        )
        self._ship(sha, at + 14 * SECOND)
        if rng.random() < 1 / 4:
            self.scheduled.append(ScheduledEvents(at + 12 * SECOND, poison(self._any_event(), rng)))
        return self.scheduled

    @property
    def _run(self) -> int:
        return 9000 + self.turn

    def _any_event(self) -> EventValue:
        return next(due.item for due in self.scheduled if not isinstance(due.item, Poison))

    def _write(self, merge_sha: str) -> None:
        """Schedule the commits of the pull request, reported at its merge."""
        first = self.begins - around(self.rng, self.habits.writing)
        for at in sorted([first, *(spread(self.rng, first, self.begins) for _ in range(self.rng.randrange(3)))]):
            details = facts.commit(self.rng.choice(self.habits.people), f"topic-{self._run}", merge_sha=merge_sha)
            change, sha = f"{self.habits.service}#{self._run}", facts.new_sha(self.rng)
            event = fact(
                "commit_created", at, self.habits.service, {"commit_sha": sha, "change_id": change, "commit": details}
            )
            self.scheduled.append(ScheduledEvents(self.begins, event))

    def _ship(self, sha: str, at: Micros) -> None:
        service, rng = self.habits.service, self.rng
        about: facts.EventFields = {"env": PROD, "commit_sha": sha, "deployment_id": f"{service}-{self._run}"}
        if self.habits.canaries:
            self._schedule(fact("canary_started", at, service, {**about, "canary": facts.canary([sha], 10)}))
            at += spread(rng, 10 * SECOND, 20 * SECOND)
            if rng.random() < self.habits.canary_fails + 0.1:
                undone = facts.rollback("auto", None, "error-rate above threshold")
                self._schedule(fact("rollback_triggered", at, service, {**about, "rollback": undone}))
                return
        self._schedule(
            fact("canary_promoted", at, service, {**about, "canary": facts.canary([sha], 100, by="analysis")})
        )
        if rng.random() < _INCIDENT_CHANCE:
            self._break(at + spread(rng, 10 * SECOND, 30 * SECOND))

    def _break(self, opened: Micros) -> None:
        """Schedule an incident, attributed to the deployment in force and restored within three minutes."""
        name = f"inc-{self.habits.service}-{self._run}"
        details = facts.incident(severity=self.rng.choice(("sev1", "sev2", "sev3")), title="error rate above SLO")
        about: facts.EventFields = {"env": PROD, "incident_id": name}
        self._schedule(fact("incident_opened", opened, self.habits.service, {**about, "incident": details}))
        ended = opened + spread(self.rng, MINUTE, 3 * MINUTE)
        self._schedule(fact("incident_resolved", ended, self.habits.service, about))

    def _schedule(self, event: EventValue) -> None:
        self.scheduled.append(ScheduledEvents(event["occurred_at"], event))
