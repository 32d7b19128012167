"""Section 6 as counters: each thing counts once, for what was said of it when due; what changes it is a revision.

The moments at which one looks are given. What came due and changed again between two of them is counted for what it
had become.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from schemas.values import SECOND, Micros
from streams.core.settings import MetricSettings
from tests.support.oracle.facts import Facts
from tests.support.oracle.figures import Restored, restored

JUDGED: Final = frozenset({"succeeded", "failed"})
Pair = tuple[str, str]
"""Service and env."""


class Count(NamedTuple):
    """What is counted, and its own label if it has one: a reason, a bucket's bound, a verdict before and after."""

    service: str
    env: str
    what: str
    label: str = ""


Counts = Counter[Count]


class Counting:
    """Looks at facts, in the order of their moments, and remembers what it has counted."""

    def __init__(self, settings: MetricSettings, bounds: Iterable[float]) -> None:
        self._settings = settings
        self._bounds = tuple(bounds)
        self._counts: Counts = Counter()
        self._said: dict[object, tuple[object]] = {}
        self.restored: list[tuple[str, Restored]] = []
        """Times to restore by env, as they were observed first."""

    def look(self, known: Facts, at: Micros) -> Counts:
        """The counters at a moment."""
        settled = at - self._settings.lateness
        for (service, env, name), verdict in known.verdicts.items():
            if verdict.name in JUDGED or ("verdict", service, env, name) in self._said:
                self._verdict(service, env, ("verdict", service, env, name), verdict.name)
            if verdict.name in JUDGED or verdict.name == "pending":
                if verdict.failure is not None and self._first(("failure", service, env, name)):
                    self._counts[Count(service, env, "failure", verdict.failure.reason)] += 1
                if verdict.late_failure and self._first(("late", service, env, name)):
                    self._counts[Count(service, env, "late failure")] += 1
        for one in known.deployments.values():
            if one.promoted_at is not None and one.promoted_at <= settled and self._first(("commits", *one.key)):
                self._counts[Count(one.service, one.env, "without commits")] += one.key in known.bare
        for change in known.promotions:
            if change.promoted_at <= settled and change.lead_time is not None:
                lead = ("lead", change.service, change.env, change.change_id)
                self._lead_time(change.service, change.env, lead, change.lead_time)
        for found in known.incidents:
            incident, _ = found
            key = ("restore", incident.service, incident.incident_id)
            ended = restored(found) if incident.ended_at is not None and incident.ended_at <= settled else None
            if ended is not None or key in self._said:
                self._restore(incident.env, key, ended)
        return self._counts.copy()

    def _first(self, key: object) -> bool:
        new = key not in self._said
        self._said[key] = (True,)
        return new

    def _changes(self, key: object, value: object) -> tuple[bool, tuple[object] | None]:
        """Whether this is new or other than what was said before, and what that was; None: nothing."""
        before = self._said.get(key)
        self._said[key] = (value,)
        return before != (value,), before

    def _verdict(self, service: str, env: str, key: object, name: str) -> None:
        changed, before = self._changes(key, name)
        if changed and before is None:
            self._counts[Count(service, env, "judged")] += 1
            self._counts[Count(service, env, "succeeded")] += name == "succeeded"
        elif changed and before is not None:
            self._counts[Count(service, env, "revised verdict", f"{before[0]} {name}")] += 1

    def _lead_time(self, service: str, env: str, key: object, length: Micros) -> None:
        changed, before = self._changes(key, length)
        if changed and before is not None:
            self._counts[Count(service, env, "revised lead time")] += 1
        elif changed and length < 0:
            self._counts[Count(service, env, "clock skew")] += 1
        elif changed:
            self._counts[Count(service, env, "lead time")] += 1
            for bound in self._bounds:
                self._counts[Count(service, env, "lead time up to", f"{bound:g}")] += length <= bound * SECOND

    def _restore(self, env: str, key: tuple[str, str, str], one: Restored | None) -> None:
        changed, before = self._changes(key, one and one.seconds)
        if changed and before is not None:
            self._counts[Count(key[1], env, "revised restore")] += 1
        elif one is not None and changed:
            self.restored.append((env, one))
