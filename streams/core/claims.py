"""What points at a deployment: a rollback, an incident, an incident of another service (semantics.md, 5).

A claim names its deployment by id, else by SHA, else it means the one in force. A name that is unknown waits for its
deployment and hits no other.
"""

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, NamedTuple

from schemas.values import Micros
from streams.core.facts import AnyFact, Fact, Link, Rollback

if TYPE_CHECKING:
    from streams.core.deployment import Deployment


class Claim(NamedTuple):
    """Which deployment is meant. `bounded`: the one in force counts only until X after it finished."""

    env: str
    at: Micros
    deployment_id: str | None
    sha: str | None
    bounded: bool

    @property
    def in_force(self) -> bool:
        """Whether it names nothing."""
        return self.deployment_id is None and self.sha is None


class Claimant:
    """Whatever makes a claim, and the deployment that the claim is put on now."""

    __slots__ = ("at", "claim", "key", "placed", "seen_at", "severity", "target", "unsaved")

    def __init__(self, key: str) -> None:
        self.key = key
        self.at: Micros = 0
        """When it happened: the rollback was triggered, the incident opened."""
        self.seen_at: Micros = 0
        """The partition's clock when that was read."""
        self.severity: str | None = None
        self.claim: Claim | None = None
        self.placed: Claim | None = None
        """The claim under which the index holds it."""
        self.target: Deployment | None = None
        self.unsaved = False
        """It is to be stored again."""


class RollbackClaim(Claimant):
    """One rollback_triggered."""

    __slots__ = ("beaten", "facts")

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.facts: list[Fact[Rollback]] = []
        self.beaten: list[AnyFact] = []

    def read_facts(self) -> None:
        """A rehearsal makes no claim."""
        self.claim = None
        if self.facts and self.facts[0].counts:
            fact = self.facts[0]
            self.at, self.seen_at = fact.at, fact.seen_at
            self.claim = Claim(fact.body.env, fact.at, fact.body.deployment_id, fact.body.sha, bounded=False)


class LinkedIncident(Claimant):
    """An incident of another service whose cause is looked for here. The newest version of the link holds."""

    __slots__ = ("beaten", "facts")

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.facts: list[Fact[Link]] = []
        self.beaten: list[AnyFact] = []

    def read_facts(self) -> None:
        """What its newest version says; one that no longer holds makes no claim."""
        self.claim = None
        if not self.facts:
            return
        newest = max(self.facts, key=lambda fact: (fact.body.version, fact.rank))
        link = newest.body
        self.at, self.severity = newest.at, link.severity
        if link.holds:
            self.claim = Claim(link.env, newest.at, link.deployment_id, link.sha, bounded=True)


Place = tuple[Micros, str]
"""When a deployment began, and its name."""


class Timeline:
    """The deployments of one environment in the order they began."""

    __slots__ = ("_begun", "_by_sha", "_promoted")

    def __init__(self) -> None:
        self._begun: list[Place] = []
        self._promoted: list[Place] = []
        self._by_sha: dict[str, list[Place]] = {}

    def add(self, place: Place, sha: str | None, *, promoted: bool) -> None:
        """A deployment began here."""
        insort(self._begun, place)
        if promoted:
            insort(self._promoted, place)
        if sha is not None:
            insort(self._by_sha.setdefault(sha, []), place)

    def remove(self, place: Place, sha: str | None, *, promoted: bool) -> None:
        """It turned out that it did not; the other arguments are those it was added with."""
        _delete(self._begun, place)
        if promoted:
            _delete(self._promoted, place)
        if sha is not None:
            places = self._by_sha[sha]
            _delete(places, place)
            if not places:
                del self._by_sha[sha]

    def promote(self, place: Place, *, promoted: bool) -> None:
        """The deployment here was promoted, or turned out not to be."""
        if promoted:
            insort(self._promoted, place)
        else:
            _delete(self._promoted, place)

    def in_force(self, at: Micros) -> str | None:
        """The latest one that had begun by then."""
        return _latest(self._begun, at)

    def of_sha(self, sha: str, at: Micros) -> str | None:
        """The latest one of this SHA that had begun by then."""
        return _latest(self._by_sha.get(sha, ()), at)

    def after(self, place: Place) -> Place | None:
        """The next one that began."""
        index = bisect_right(self._begun, place)
        return self._begun[index] if index < len(self._begun) else None

    def before(self, place: Place) -> Place | None:
        """The one that began just before."""
        index = bisect_left(self._begun, place)
        return self._begun[index - 1] if index else None

    def heir(self, place: Place) -> Place | None:
        """The next one that was promoted: it takes over what a superseded one carried."""
        index = bisect_right(self._promoted, place)
        return self._promoted[index] if index < len(self._promoted) else None

    def places(self) -> list[Place]:
        """All of them, in order."""
        return self._begun

    def since_promotion(self, place: Place) -> list[Place]:
        """Those that began after the last promoted one before this place, up to it."""
        index = bisect_left(self._promoted, place)
        low = bisect_right(self._begun, self._promoted[index - 1]) if index else 0
        return self._begun[low : bisect_left(self._begun, place)]


class Claims:
    """Every claim, findable by what could move it to another deployment."""

    __slots__ = ("_by_id", "_by_sha", "_in_force")

    def __init__(self) -> None:
        self._by_id: dict[tuple[str, str], list[Claimant]] = {}
        self._by_sha: dict[tuple[str, str], list[Claimant]] = {}
        self._in_force: dict[str, list[tuple[Micros, str, Claimant]]] = {}

    def replace(self, claimant: Claimant) -> bool:
        """File a claimant under its present claim. Says whether the claim changed."""
        old, new = claimant.placed, claimant.claim
        if old == new:
            return False
        if old is not None:
            self._take_out(claimant, old)
        if new is not None:
            self._put_in(claimant, new)
        claimant.placed = new
        return True

    def _put_in(self, claimant: Claimant, claim: Claim) -> None:
        if claim.deployment_id is not None:
            self._by_id.setdefault((claim.env, claim.deployment_id), []).append(claimant)
        elif claim.sha is not None:
            self._by_sha.setdefault((claim.env, claim.sha), []).append(claimant)
        else:
            insort(self._in_force.setdefault(claim.env, []), (claim.at, claimant.key, claimant))

    def _take_out(self, claimant: Claimant, claim: Claim) -> None:
        if claim.deployment_id is not None:
            _drop(self._by_id, (claim.env, claim.deployment_id), claimant)
        elif claim.sha is not None:
            _drop(self._by_sha, (claim.env, claim.sha), claimant)
        else:
            claimants = self._in_force[claim.env]
            del claimants[bisect_left(claimants, (claim.at, claimant.key))]

    def naming(self, env: str, deployment_id: str) -> list[Claimant]:
        """Those that name this deployment."""
        return self._by_id.get((env, deployment_id), [])

    def naming_sha(self, env: str, sha: str) -> list[Claimant]:
        """Those that name a deployment by this SHA."""
        return self._by_sha.get((env, sha), [])

    def between(self, env: str, start: Micros, end: Micros | None) -> list[Claimant]:
        """Those that mean what was in force at a time in [start, end)."""
        claimants = self._in_force.get(env, [])
        low = bisect_left(claimants, (start,))
        high = len(claimants) if end is None else bisect_left(claimants, (end,))
        return [claimant for _, _, claimant in claimants[low:high]]


def _latest(places: list[Place] | tuple[()], at: Micros) -> str | None:
    index = bisect_left(places, (at + 1,))
    return places[index - 1][1] if index else None


def _drop(claimants: dict[tuple[str, str], list[Claimant]], name: tuple[str, str], claimant: Claimant) -> None:
    claimants[name].remove(claimant)
    if not claimants[name]:
        del claimants[name]


def _delete(places: list[Place], place: Place) -> None:
    del places[bisect_left(places, place)]
