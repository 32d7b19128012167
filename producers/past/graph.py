"""Commits and their parents, as far as they are known: who brought what in, and what came since. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple


class Walk(NamedTuple):
    """The commits of a walk, and whether it came to one whose parents are not known."""

    shas: list[str]
    cut: bool


class Step(NamedTuple):
    """A commit on a branch, and what it merged, with itself: what a push of it brings."""

    head: str
    brought: Sequence[str]


class Graph:
    """`parents` by commit, as git has them: the first is the branch that was merged into."""

    def __init__(self, parents: Mapping[str, Sequence[str]]) -> None:
        self.parents = parents
        self._merged = {parent for each in parents.values() for parent in each}

    def tips(self) -> list[str]:
        """The commits that are nobody's parent, in order."""
        return sorted(self.parents.keys() - self._merged)

    def walk(self, begins: Iterable[str], without: Collection[str]) -> Walk:
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
        return Walk(list(seen), cut)

    def line(self, tip: str) -> list[str]:
        """A branch from its newest commit down, by first parents."""
        found: dict[str, None] = {}
        while tip in self.parents and tip not in found:
            found[tip] = None
            if not self.parents[tip]:
                break
            tip = self.parents[tip][0]
        return list(found)

    def steps(self, tips: Iterable[str]) -> list[Step]:
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
                found.append(Step(sha, (sha, *brought)))
        return found

    def since(self, tip: str, base: str) -> list[str] | None:
        """The commits that `tip` has and `base` has not; None where the commits that are known do not tell."""
        if tip not in self.parents or base not in self.parents:
            return None
        known = self.walk([base], ())
        found = self.walk([tip], set(known.shas))
        return None if found.cut else found.shas
