"""What git says of a whole repository in a few questions: all commits, all tags, the paths of every commit."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from typing_extensions import override

from producers.context.git import Git, GitCommit, GitError

LIMIT: Final = 3_600.0
"""Seconds for all questions. A million commits are told in half a minute."""
_TAG: Final = (
    "%(refname:strip=2)", "%(objecttype)", "%(objectname)", "%(*objecttype)", "%(*objectname)",
    "%(taggerdate:iso-strict)", "%(creatordate:iso-strict)",
)  # fmt: skip


class GitTag(NamedTuple):
    """A tag, and the commit that it is on."""

    name: str
    sha: str
    at: str
    """When it was made; of a tag that is a name and nothing more, when its commit was."""
    has_time: bool


class RepositoryHistory(Git):
    """A repository that is read from its beginning. Every method raises GitProblem, as those of Git."""

    def __init__(self, folder: str, environ: Mapping[str, str]) -> None:
        super().__init__(folder, environ, limit=LIMIT)

    def all_commits(self, tips: Iterable[str]) -> dict[str, GitCommit]:
        """Every commit that these have, newest first."""
        return {commit.sha: commit for commit in self._log("--topo-order", *tips, "--")}

    def default_branch(self) -> str:
        """The branch that a clone of the repository is on, as a ref."""
        try:
            return self._run("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD").strip()
        except GitError:
            return self._run("rev-parse", "--symbolic-full-name", "HEAD").strip()

    def branch(self, name: str) -> str:
        """The ref of a branch: the one here, else that of origin."""
        for ref in (f"refs/heads/{name}", f"refs/remotes/origin/{name}"):
            if self.has(ref):
                return ref
        raise GitError(f"there is no branch {name}, neither here nor at origin")

    def tags(self, glob: str) -> tuple[list[GitTag], list[str]]:
        """The tags of a form, and the names of those that are on no commit."""
        told = self._run("for-each-ref", f"--format={'%00'.join(_TAG)}", f"refs/tags/{glob}")
        found, others = [], []
        for line in told.splitlines():
            name, kind, own, inner_kind, inner, made_at, at = line.split("\0")
            sha = own if kind == "commit" else inner if inner_kind == "commit" else self._peeled(name, inner_kind)
            if sha is None:
                others.append(name)
            else:
                found.append(GitTag(name, sha, at, bool(made_at)))
        return found, others

    def _peeled(self, name: str, kind: str) -> str | None:
        """The commit of a tag on a tag."""
        try:
            return self.resolve(f"refs/tags/{name}") if kind == "tag" else None
        except GitError:
            return None

    def all_paths(self, commits: Iterable[GitCommit], mainline: Iterable[str]) -> dict[str, list[str]]:
        """The paths of each commit: on the main line what it changed there, of others as `Git.paths` says."""
        on_line = frozenset(mainline)
        asked = [f"{one.sha} {one.parents[0]}" if one.sha in on_line and one.parents else one.sha for one in commits]
        if not asked:
            return {}
        shas = [line.partition(" ")[0] for line in asked]
        told = self._run(
            "diff-tree", "--stdin", "--always", "--root", "-r", "-c", "-z", "--name-only", given="\n".join(asked) + "\n"
        )
        paths: dict[str, list[str]] = {sha: [] for sha in shas}
        coming = iter(shas)
        following, current = next(coming, None), ""
        for part in told.split("\0"):
            if part == following:
                current, following = part, next(coming, None)
            elif part:
                paths[current].append(part)
        return paths

    @override
    def commit(self, sha: str) -> GitCommit:
        """One commit, which must be whole: nothing is cut off here."""
        [found] = self._log("--no-walk", sha)
        return found
