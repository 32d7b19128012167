"""Which commits a job is about: those of a request, of a push, or since the last promotion.

Lead time starts at a change's first commit, so all of them are looked for. A shallow clone may end before the first
one; then nothing is guessed: the tip stands alone, and the history counts as incomplete.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from producers.ci.job import Job
from producers.git import Commit, Git
from producers.request_names import request_of
from schemas.rules import MAX_INCLUDED

MAX_COMMITS: Final = 2_048
"""Commits of one request or push; as many as a push on GitHub reports."""


class Made(NamedTuple):
    """A commit, and what it belongs to."""

    commit: Commit
    change: str | None = None
    merge_sha: str | None = None
    """The merge commit that brought it to its branch."""
    mainline: bool = False
    """It stands on the branch itself: a merge there brings all in that its first parent has not."""


class History(NamedTuple):
    """Commits, newest first. `gap`: why there may be more of them; None if all are there."""

    commits: Sequence[Made]
    gap: str | None = None


class Included(NamedTuple):
    """The hashes of the commits that a deployment carries, newest first; None: not to be told."""

    shas: Sequence[str] | None
    gap: str | None = None


def of_request(git: Git, head: Commit, bases: Sequence[str], job: Job) -> History:
    """The commits of a pull or merge request: what its head has and the branch that it is for has not."""
    change = job.change.value if job.change else None
    merge_sha = job.merge_sha.value if job.merge_sha else None
    alone = [Made(head, change, merge_sha)]
    known = [base for base in bases if git.has(base)]
    if not known:
        why = "the commit it is based on is not in this clone" if bases else "nobody says what it is based on"
        return History(alone, f"of the change only its last commit is known: {why}")
    commits = git.commits([head.sha], known, most=MAX_COMMITS + 1)
    if not commits:  # it is merged by now, and the branch that it was for has all of it
        commits = git.commits([head.sha], known[:1], most=MAX_COMMITS + 1)
    if _touches_edge(commits, git.edge()):
        return History(alone, "of the change only its last commit is known: this clone ends before its first commit")
    if not commits:
        return History(alone, "of the change only its last commit is known: its commits are on their target already")
    return _bounded([Made(commit, change, merge_sha) for commit in commits])


def of_push(git: Git, head: Commit, base: str | None, job: Job) -> History:
    """The commits that a push brought to a branch, and the requests that they came from.

    Without a `base` the push is taken for one commit, which may be a merge. On the default branch, and wherever
    its message names a request, a merge commit brings in those of its other parents.
    """
    repo = job.repo.value if job.repo else None
    if base is None or base in head.parents[:1]:
        line = [head]
    elif git.has(base):
        line = git.commits([head.sha], [base], most=MAX_COMMITS + 1, first_parent=True) or [head]
        if _touches_edge(line, git.edge()):
            return History([_on_line(head, repo)], "of the push only the last commit is known: this clone is shallow")
    else:
        return History(
            [_on_line(head, repo)], "of the push only the last commit is known: the one before it is not in this clone"
        )
    is_default = (
        job.branch is not None and job.default_branch is not None and job.branch.value == job.default_branch.value
    )
    found: list[Made] = []
    gap = None
    for commit in line:
        made = _on_line(commit, repo)
        found.append(made)
        if len(commit.parents) > 1 and (is_default or made.change):
            side = _brought(git, made)
            gap = gap or side.gap
            found += side.commits
    limited = _bounded(found)
    return limited._replace(gap=limited.gap or gap)


def since(git: Git, sha: str, base: str) -> Included:
    """The commits that `sha` has and the last promoted one, `base`, has not."""
    shas = git.shas(sha, [base], most=MAX_INCLUDED + 1)
    if git.edge().intersection(shas):
        return Included(None, f"the commits since {base[:12]} are not all in this clone, so none are listed")
    if len(shas) > MAX_INCLUDED:
        return Included(shas[:MAX_INCLUDED], f"only the newest {MAX_INCLUDED} commits since {base[:12]} are listed")
    return Included(shas)


def _on_line(commit: Commit, repo: str | None) -> Made:
    return Made(commit, request_of(commit.message, repo), mainline=True)


def _brought(git: Git, merge: Made) -> History:
    """The commits that a merge commit brought in."""
    first, *others = merge.commit.parents
    gap = f"the commits that {merge.commit.sha[:12]} merged are not all in this clone"
    if not all(git.has(parent) for parent in (first, *others)):
        return History((), gap)
    commits = git.commits(others, [first], most=MAX_COMMITS + 1)
    if _touches_edge(commits, git.edge()):
        return History((), gap)
    return History([Made(commit, merge.change, merge.commit.sha) for commit in commits])


def _touches_edge(commits: Sequence[Commit], edge: frozenset[str]) -> bool:
    """Whether a walk may have missed commits: it came to where the clone was cut, or around it to the very first."""
    return bool(edge) and any(commit.sha in edge or not commit.parents for commit in commits)


def _bounded(commits: list[Made]) -> History:
    """As many as may be sent: the tip, and the oldest, where lead time starts."""
    if len(commits) <= MAX_COMMITS:
        return History(commits)
    gap = f"there are more than {MAX_COMMITS} commits; those in the middle are left out"
    return History([commits[0], *commits[-MAX_COMMITS + 1 :]], gap)
