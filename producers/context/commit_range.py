"""Find the commits of a job: of a request, of a push, or since the last promotion.

Lead time starts at a change's first commit, so all of them are looked for. A shallow clone may end before the first
one; then nothing is guessed: the tip stands alone, and the history counts as incomplete.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from producers.context.ci.job import CiJob
from producers.context.git import Git, GitCommit
from producers.context.pull_requests import request_of
from schemas.rules import MAX_INCLUDED

MAX_COMMITS: Final = 2_048
"""Commits of one request or push; as many as a push on GitHub reports."""


class RangeCommit(NamedTuple):
    """A commit, and what it belongs to."""

    commit: GitCommit
    change: str | None = None
    merge_sha: str | None = None
    """The merge commit that brought it to its branch."""
    mainline: bool = False
    """It stands on the branch itself: a merge there brings all in that its first parent has not."""


class CommitRange(NamedTuple):
    """Commits, newest first. `gap`: why there may be more of them; None if all are there."""

    commits: Sequence[RangeCommit]
    gap: str | None = None


class IncludedCommits(NamedTuple):
    """The hashes of the commits that a deployment carries, newest first; None: unknown."""

    shas: Sequence[str] | None
    gap: str | None = None


def of_request(git: Git, head: GitCommit, bases: Sequence[str], job: CiJob) -> CommitRange:
    """Return the commits of a pull or merge request: reachable from its head, not from its target branch."""
    change = job.change.value if job.change else None
    merge_sha = job.merge_sha.value if job.merge_sha else None
    alone = [RangeCommit(head, change, merge_sha)]
    known = [base for base in bases if git.has(base)]
    if not known:
        why = "the commit it is based on is not in this clone" if bases else "its base is not known"
        return CommitRange(alone, f"of the change only its last commit is known: {why}")
    commits = git.commits([head.sha], known, most=MAX_COMMITS + 1)
    if not commits:  # it is merged by now, and the branch that it was for has all of it
        commits = git.commits([head.sha], known[:1], most=MAX_COMMITS + 1)
    if _touches_edge(commits, git.edge()):
        return CommitRange(
            alone, "of the change only its last commit is known: this clone ends before its first commit"
        )
    if not commits:
        return CommitRange(
            alone, "of the change only its last commit is known: its commits are on their target already"
        )
    return _bounded([RangeCommit(commit, change, merge_sha) for commit in commits])


def of_push(git: Git, head: GitCommit, base: str | None, job: CiJob) -> CommitRange:
    """Return the commits that a push added to a branch, and the requests that they came from.

    Without a `base` the push counts as one commit, which may be a merge. On the default branch, and wherever
    its message names a request, a merge commit brings in those of its other parents.
    """
    repo = job.repo.value if job.repo else None
    if base is None or base in head.parents[:1]:
        line = [head]
    elif git.has(base):
        line = git.commits([head.sha], [base], most=MAX_COMMITS + 1, first_parent=True) or [head]
        if _touches_edge(line, git.edge()):
            return CommitRange(
                [_on_line(head, repo)], "of the push only the last commit is known: this clone is shallow"
            )
    else:
        return CommitRange(
            [_on_line(head, repo)], "of the push only the last commit is known: the one before it is not in this clone"
        )
    is_default = (
        job.branch is not None and job.default_branch is not None and job.branch.value == job.default_branch.value
    )
    commits: list[RangeCommit] = []
    gap = None
    for commit in line:
        entry = _on_line(commit, repo)
        commits.append(entry)
        if len(commit.parents) > 1 and (is_default or entry.change):
            side = _merged_commits(git, entry)
            gap = gap or side.gap
            commits += side.commits
    limited = _bounded(commits)
    return limited._replace(gap=limited.gap or gap)


def since(git: Git, sha: str, base: str) -> IncludedCommits:
    """Return the commits reachable from `sha`, not from the last promoted one, `base`."""
    shas = git.shas(sha, [base], most=MAX_INCLUDED + 1)
    if git.edge().intersection(shas):
        return IncludedCommits(None, f"the commits since {base[:12]} are not all in this clone, so none are listed")
    if len(shas) > MAX_INCLUDED:
        return IncludedCommits(
            shas[:MAX_INCLUDED], f"only the newest {MAX_INCLUDED} commits since {base[:12]} are listed"
        )
    return IncludedCommits(shas)


def _on_line(commit: GitCommit, repo: str | None) -> RangeCommit:
    return RangeCommit(commit, request_of(commit.message, repo), mainline=True)


def _merged_commits(git: Git, merge: RangeCommit) -> CommitRange:
    """Return the commits that a merge commit brought in."""
    first, *others = merge.commit.parents
    gap = f"the commits that {merge.commit.sha[:12]} merged are not all in this clone"
    if not all(git.has(parent) for parent in (first, *others)):
        return CommitRange((), gap)
    commits = git.commits(others, [first], most=MAX_COMMITS + 1)
    if _touches_edge(commits, git.edge()):
        return CommitRange((), gap)
    return CommitRange([RangeCommit(commit, merge.change, merge.commit.sha) for commit in commits])


def _touches_edge(commits: Sequence[GitCommit], edge: frozenset[str]) -> bool:
    """Return whether a walk may have missed commits: it reached the shallow boundary, or a root commit beside it."""
    return bool(edge) and any(commit.sha in edge or not commit.parents for commit in commits)


def _bounded(commits: list[RangeCommit]) -> CommitRange:
    """Limit the commits: keep the tip, and the oldest, where lead time starts."""
    if len(commits) <= MAX_COMMITS:
        return CommitRange(commits)
    gap = f"there are more than {MAX_COMMITS} commits; those in the middle are left out"
    return CommitRange([commits[0], *commits[-MAX_COMMITS + 1 :]], gap)
