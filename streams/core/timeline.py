"""Order the deployments of one environment by when they began (semantics.md, 4)."""

from bisect import bisect_left, bisect_right, insort

from schemas.values import Micros

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

    def inheritor(self, place: Place) -> Place | None:
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


def _latest(places: list[Place] | tuple[()], at: Micros) -> str | None:
    index = bisect_left(places, (at + 1,))
    return places[index - 1][1] if index else None


def _delete(places: list[Place], place: Place) -> None:
    del places[bisect_left(places, place)]
