"""Changes and the commits they are made of (semantics.md, 3 and 7)."""

from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.values import Micros
from streams.core.facts import AnyFact, CommitFact, Fact, StageFact
from streams.core.incident import LengthMark
from streams.core.record_key import RecordKey

if TYPE_CHECKING:
    from streams.core.deployment import DeploymentState


MERGES: Final = 8
"""How many merges of merges a commit is followed through to its change."""


class FirstPromotion(NamedTuple):
    """How a change first came to 100 % in an environment."""

    at: Micros
    deployment_id: str
    seen_at: Micros
    """The partition's clock when a promotion that carries the change was first read."""


class ChangeState:
    """A pull or merge request, or a lone commit: who carried it where, and what was already observed of it.

    It keeps the events that named it. Its commits may be reported under other names too: `CommitIndex` knows them.
    """

    __slots__ = ("carriers", "changed_at", "due", "facts", "history", "key", "name", "overruled", "unsaved")

    def __init__(self, key: RecordKey, name: str) -> None:
        self.key = key
        self.name = name
        self.facts: list[Fact[CommitFact] | Fact[StageFact]] = []
        self.overruled: list[AnyFact] = []
        self.carriers: list[DeploymentState] = []
        """The promoted deployments that carry it."""
        self.history: dict[str, tuple[LengthMark, ...]] = {}
        """By environment, what was observed; below zero: the clocks were skewed."""
        self.due: Micros | None = None
        self.changed_at = -1
        """The offset of the message that last changed it, until that is published."""
        self.unsaved = False
        """It is to be stored again."""

    def shas(self) -> set[str]:
        """The commits that its own events speak of."""
        return {fact.body.sha for fact in self.facts}

    def promotions(self) -> dict[str, FirstPromotion]:
        """By environment, the earliest promotion to 100 % that carries it."""
        first: dict[str, FirstPromotion] = {}
        for deployment in self.carriers:
            one = FirstPromotion(deployment.promoted_at or 0, deployment.name, deployment.promoted_seen)
            best = first.get(deployment.env)
            if best is None:
                first[deployment.env] = one
            else:
                first[deployment.env] = min(best, one)._replace(seen_at=min(best.seen_at, one.seen_at))
        return first


class CommitIndex:
    """Which change each commit belongs to: exactly one.

    A request that reported the commit wins, the earliest report first. Without one, a commit that names this one as
    its squash or merge commit takes it along. Else the commit is a change of its own.
    """

    __slots__ = ("_change_of", "_members", "_merged_from", "_reports", "_summaries")

    def __init__(self) -> None:
        self._reports: dict[str, list[Fact[CommitFact]]] = {}
        self._merged_from: dict[str, list[Fact[CommitFact]]] = {}
        self._change_of: dict[str, str] = {}
        self._members: dict[str, set[str]] = {}
        self._summaries: dict[str, tuple[Fact[CommitFact] | None, Micros]] = {}

    def add(self, fact: Fact[CommitFact]) -> dict[str, str | None]:
        """Learn a report; answer the commits that moved, each with the change it left (None: it is new)."""
        before = self._steps_of(fact)
        self._reports.setdefault(fact.body.sha, []).append(fact)
        if fact.body.merge_sha is not None:
            self._merged_from.setdefault(fact.body.merge_sha, []).append(fact)
        moved = self._move([sha for sha, step in self._steps_of(fact).items() if step != before[sha]])
        if fact.body.sha not in moved:
            self._summarize(self._change_of[fact.body.sha], [fact])
        return moved

    def remove(self, fact: Fact[CommitFact]) -> dict[str, str | None]:
        """Forget a report; answer the commits that moved, each with the change it left."""
        before = self._steps_of(fact)
        _drop(self._reports, fact.body.sha, fact)
        if fact.body.merge_sha is not None:
            _drop(self._merged_from, fact.body.merge_sha, fact)
        self._summaries.pop(self._change_of[fact.body.sha], None)
        return self._move([sha for sha, step in self._steps_of(fact).items() if step != before[sha]])

    def change_of(self, sha: str) -> str | None:
        """The change this commit belongs to; None if nobody reported it."""
        return self._change_of.get(sha)

    def members(self, change_id: str) -> set[str]:
        """The commits of a change; none if it is not known."""
        return self._members.get(change_id, set())

    def first_of(self, change_id: str) -> Fact[CommitFact] | None:
        """The earliest report of any of its commits, under whatever name it was reported."""
        return self._summary(change_id)[0]

    def seen_at(self, change_id: str) -> Micros:
        """The partition's clock when the first report of any of its commits was read."""
        return self._summary(change_id)[1]

    def _summary(self, change_id: str) -> tuple[Fact[CommitFact] | None, Micros]:
        summary = self._summaries.get(change_id)
        if summary is None:
            reports = [fact for sha in self.members(change_id) for fact in self._reports.get(sha, ())]
            first = min(reports, key=lambda fact: fact.rank, default=None)
            summary = self._summaries[change_id] = (first, min((fact.seen_at for fact in reports), default=0))
        return summary

    def _summarize(self, change_id: str, reports: list[Fact[CommitFact]]) -> None:
        """Take reports into a summary that is there; they are of a commit that is in the change now."""
        summary = self._summaries.get(change_id)
        if summary is None or not reports:
            return
        first, seen_at = summary
        known = reports if first is None else [first, *reports]
        seen = [fact.seen_at for fact in reports] if first is None else [seen_at, *(fact.seen_at for fact in reports)]
        self._summaries[change_id] = (min(known, key=lambda fact: fact.rank), min(seen))

    def joined_with(self, change_id: str, shas: set[str]) -> set[str]:
        """The names under which these commits, and those of the change, were reported, and the changes they are in."""
        names: set[str] = set()
        for sha in shas | self.members(change_id):
            for report in (*self._reports.get(sha, ()), *self._merged_from.get(sha, ())):
                names.add(report.body.change_id or report.body.sha)
                joined = (sha, report.body.sha, report.body.merge_sha)
                names.update(change for one in joined if one and (change := self._change_of.get(one)))
        return names

    def _move(self, level: list[str]) -> dict[str, str | None]:
        """Look again at commits whose step is another now, and at all that are followed to them.

        Also behind one that stays where it is: the way through it may have become shorter or longer.
        """
        moved: dict[str, str | None] = {}
        seen: set[str] = set()
        for _ in range(MERGES + 1):
            following: list[str] = []
            for sha in level:
                if sha in seen:
                    continue
                seen.add(sha)
                reports = self._reports.get(sha, [])
                following.extend(report.body.merge_sha for report in reports if report.body.merge_sha)
                old, new = self._change_of.get(sha), self._resolve(sha)
                if new == old:
                    continue
                moved[sha] = old
                if old is not None:
                    self._summaries.pop(old, None)
                    self._members[old].discard(sha)
                    if not self._members[old]:
                        del self._members[old]
                    del self._change_of[sha]
                if new is not None:
                    self._members.setdefault(new, set()).add(sha)
                    self._change_of[sha] = new
                    self._summarize(new, reports)
            if not following:
                break
            level = following
        return moved

    def _resolve(self, sha: str) -> str | None:
        trail: list[str] = []
        while sha not in trail:
            trail.append(sha)
            found, followed = self._step(sha)
            if found is None or not followed:
                return found
            if len(trail) > MERGES:
                return sha if self._reports.get(sha) else None
            sha = found
        return min(trail[trail.index(sha) :])  # they name each other in a circle: one of them stands for all

    def _steps_of(self, fact: Fact[CommitFact]) -> dict[str, tuple[str | None, bool]]:
        return {sha: self._step(sha) for sha in (fact.body.sha, fact.body.merge_sha) if sha is not None}

    def _step(self, sha: str) -> tuple[str | None, bool]:
        """The change that a commit is in by its own reports, or else the commit that is followed to find it."""
        reports = self._reports.get(sha, ())
        named = ((f.at, f.body.change_id) for f in reports)
        requests = [(at, name) for at, name in named if name and name != sha]
        if requests:
            return min(requests)[1], False
        sources = [(f.at, f.body.sha) for f in self._merged_from.get(sha, ()) if f.body.sha != sha]
        if sources:
            return min(sources)[1], True
        return (sha if reports else None), False


def _drop(reports: dict[str, list[Fact[CommitFact]]], sha: str, fact: Fact[CommitFact]) -> None:
    reports[sha].remove(fact)
    if not reports[sha]:
        del reports[sha]
