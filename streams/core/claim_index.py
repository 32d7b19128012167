"""Find claims by what could move them to another deployment (semantics.md, 5)."""

from bisect import bisect_left, insort

from schemas.values import Micros
from streams.core.claims import Claim, Claimant


class ClaimIndex:
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


def _drop(claimants: dict[tuple[str, str], list[Claimant]], name: tuple[str, str], claimant: Claimant) -> None:
    claimants[name].remove(claimant)
    if not claimants[name]:
        del claimants[name]
