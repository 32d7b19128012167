"""What happens next: short stories that go on where the history ended, paced for somebody who watches.

Commits lie hours back, as when a merged pull request reports them; canaries and incidents take seconds, not hours, so
that a story is over while it is looked at.
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
_TROUBLE: Final = 1 / 5


class ScheduledEvents(NamedTuple):
    """What is to be sent at `at`; an event happened then or before."""

    at: Micros
    item: EventValue | Poison


def live(seed: int, start: Micros) -> Iterator[ScheduledEvents]:
    """An endless run of events from `start` on, in the order in which they are due, about a dozen a minute."""
    rng = Random(f"{seed}/live/{start}")
    waiting: list[tuple[Micros, int, EventValue | Poison]] = []
    numbers = count()

    def plan(dues: Iterator[ScheduledEvents]) -> None:
        for due in dues:
            heappush(waiting, (due.at, next(numbers), due.item))

    plan(_old_incident_ends(start))
    next_story = start + _FIRST_STORY
    for turn in count():
        habits = COMPANY[turn % len(COMPANY)]
        plan(iter(_Story(habits, rng, turn, next_story).dues()))
        next_story += spread(rng, 35 * SECOND, 55 * SECOND)
        while waiting and waiting[0][0] < next_story:
            at, _, item = heappop(waiting)
            yield ScheduledEvents(at, item)


def _old_incident_ends(start: Micros) -> Iterator[ScheduledEvents]:
    """The incident that the history left open is resolved, by no fault of a deployment."""
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
    told: list[ScheduledEvents] = field(default_factory=list)

    def dues(self) -> list[ScheduledEvents]:
        service, rng = self.habits.service, self.rng
        at = self.begins
        sha = facts.new_sha(rng)
        self._write(sha)
        about: facts.EventFields = {"commit_sha": sha, "source": facts.source("github-actions", self._run, None)}
        thorough = self.habits.thorough
        self._tell(fact("artifact_built", at, service, {**about, "artifact": facts.artifact(rng, service, 3)}))
        done = facts.tests(rng, self.habits.critical_module, thorough=thorough)
        self._tell(fact("tests_passed", at + 5 * SECOND, service, {**about, "tests": done}))
        found = facts.scan(rng, at, thorough=thorough)
        self._tell(fact("security_scanned", at + 8 * SECOND, service, {**about, "scan": found}))
        self._tell(
            fact("policy_passed", at + 9 * SECOND, service, {**about, "policy": facts.policy(rng, thorough=thorough)})
        )
        self._ship(sha, at + 14 * SECOND)
        if rng.random() < 1 / 4:
            self.told.append(ScheduledEvents(at + 12 * SECOND, poison(self._any_event(), rng)))
        return self.told

    @property
    def _run(self) -> int:
        return 9000 + self.turn

    def _any_event(self) -> EventValue:
        return next(due.item for due in self.told if not isinstance(due.item, Poison))

    def _write(self, merge_sha: str) -> None:
        """The commits of the request, reported when it is merged."""
        first = self.begins - around(self.rng, self.habits.writing)
        for at in sorted([first, *(spread(self.rng, first, self.begins) for _ in range(self.rng.randrange(3)))]):
            said = facts.commit(self.rng.choice(self.habits.people), f"topic-{self._run}", merge_sha=merge_sha)
            change, sha = f"{self.habits.service}#{self._run}", facts.new_sha(self.rng)
            event = fact(
                "commit_created", at, self.habits.service, {"commit_sha": sha, "change_id": change, "commit": said}
            )
            self.told.append(ScheduledEvents(self.begins, event))

    def _ship(self, sha: str, at: Micros) -> None:
        service, rng = self.habits.service, self.rng
        about: facts.EventFields = {"env": PROD, "commit_sha": sha, "deployment_id": f"{service}-{self._run}"}
        if self.habits.canaries:
            self._tell(fact("canary_started", at, service, {**about, "canary": facts.canary([sha], 10)}))
            at += spread(rng, 10 * SECOND, 20 * SECOND)
            if rng.random() < self.habits.canary_fails + 0.1:
                undone = facts.rollback("auto", None, "error-rate above threshold")
                self._tell(fact("rollback_triggered", at, service, {**about, "rollback": undone}))
                return
        self._tell(fact("canary_promoted", at, service, {**about, "canary": facts.canary([sha], 100, by="analysis")}))
        if rng.random() < _TROUBLE:
            self._break(at + spread(rng, 10 * SECOND, 30 * SECOND))

    def _break(self, opened: Micros) -> None:
        """An incident blamed on what is in force; restored in a minute or three."""
        name = f"inc-{self.habits.service}-{self._run}"
        said = facts.incident(severity=self.rng.choice(("sev1", "sev2", "sev3")), title="error rate above SLO")
        about: facts.EventFields = {"env": PROD, "incident_id": name}
        self._tell(fact("incident_opened", opened, self.habits.service, {**about, "incident": said}))
        ended = opened + spread(self.rng, MINUTE, 3 * MINUTE)
        self._tell(fact("incident_resolved", ended, self.habits.service, about))

    def _tell(self, event: EventValue) -> None:
        self.told.append(ScheduledEvents(event["occurred_at"], event))
