"""Walk the known commit graph: what each commit brought in, and what came since. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple


class CommitWalk(NamedTuple):
    """The commits of a walk, and whether it came to one whose parents are not known."""

    shas: list[str]
    cut: bool


class BranchStep(NamedTuple):
    """A commit on a branch, and what it merged, with itself: what a push of it brings."""

    head: str
    brought: Sequence[str]


class CommitGraph:
    """`parents` by commit, as git has them: the first is the branch that was merged into."""

    def __init__(self, parents: Mapping[str, Sequence[str]]) -> None:
        self.parents = parents
        self._merged = {parent for each in parents.values() for parent in each}

    def tips(self) -> list[str]:
        """Return the commits that are no other's parent, in order."""
        return sorted(self.parents.keys() - self._merged)

    def walk(self, begins: Iterable[str], without: Collection[str]) -> CommitWalk:
        """The commits from `begins` down, none of `without` and nothing below it."""
        seen: dict[str, None] = {}
        waiting, cut = list(begins), False
        while waiting:
            sha = waiting.pop()
            if sha in seen or sha in without:
                continue
            if sha not in self.parents:
                cut = True
                continue
            seen[sha] = None
            waiting += self.parents[sha]
        return CommitWalk(list(seen), cut)

    def line(self, tip: str) -> list[str]:
        """Walk a branch from its newest commit down, by first parents."""
        found: dict[str, None] = {}
        while tip in self.parents and tip not in found:
            found[tip] = None
            if not self.parents[tip]:
                break
            tip = self.parents[tip][0]
        return list(found)

    def steps(self, tips: Iterable[str]) -> list[BranchStep]:
        """The commits of these branches from the oldest on, each with what it merged and no earlier one had."""
        placed: set[str] = set()
        found = []
        for tip in tips:
            line = self.line(tip)
            for sha in reversed(line):
                if sha in placed:
                    continue
                placed.add(sha)
                brought = self.walk(self.parents[sha][1:], placed).shas
                placed.update(brought)
                found.append(BranchStep(sha, (sha, *brought)))
        return found


class CommitSequence:
    """Commits that come to one place one after another: each brings what the one before it has not."""

    def __init__(self, graph: CommitGraph) -> None:
        self._graph = graph
        self._base: str | None = None
        self._has: set[str] = set()

    def brings(self, tip: str | None) -> list[str] | None:
        """What comes with this one, which is the base of the next; None where the commits that are known do not tell.

        Of the first it is not told: what was there before it is not known.
        """
        if tip is None or tip not in self._graph.parents:
            self._base = None
            return None
        came = self._graph.walk([tip], self._has)
        found = came.shas if self._base is not None and not came.cut else None
        follows = self._base == tip or any(self._base in self._graph.parents[sha] for sha in came.shas)
        if self._base is not None and follows:
            self._has.update(came.shas)
        else:
            self._has = set(self._graph.walk([tip], ()).shas)
        self._base = tip
        return found
