"""Section 3: which change a commit belongs to, and when the change began."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from schemas.values import EventValue

DEEPEST: Final = 8
ChangeKey = tuple[str, str]
"""Service and change id."""


@dataclass(frozen=True)
class Commits:
    """The `commit_created` events of one service, in event order."""

    service: str
    events: Sequence[EventValue]

    @cached_property
    def by_sha(self) -> dict[str, list[EventValue]]:
        """The reports of each commit."""
        found: dict[str, list[EventValue]] = {}
        for event in self.events:
            if event["commit_sha"] is not None:
                found.setdefault(event["commit_sha"], []).append(event)
        return found

    @cached_property
    def by_merge(self) -> dict[str, list[EventValue]]:
        """The reports that a commit went into each other one."""
        found: dict[str, list[EventValue]] = {}
        for event in self.events:
            merge_sha = event["commit"]["merge_sha"] if event["commit"] is not None else None
            if merge_sha is not None:
                found.setdefault(merge_sha, []).append(event)
        return found


def commits_of(service: str, events: Sequence[EventValue]) -> Commits:
    """The commits of one service."""
    mine = [e for e in events if e["service"] == service and e["event_type"] == "commit_created"]
    return Commits(service, mine)


def request_of(commits: Commits, sha: str) -> str | None:
    """The request a commit was itself reported under: of the earliest report that names one, then the smallest id."""
    named = [
        (event["occurred_at"], change_id)
        for event in commits.by_sha.get(sha, ())
        if (change_id := event["change_id"]) is not None and change_id != sha
    ]
    return min(named)[1] if named else None


def merged_from(commits: Commits, merge_sha: str) -> str | None:
    """The commit that was reported to go into `merge_sha`: of the earliest such report, then the smallest SHA."""
    went_in = [
        (event["occurred_at"], sha)
        for event in commits.by_merge.get(merge_sha, ())
        if (sha := event["commit_sha"]) is not None and sha != merge_sha
    ]
    return min(went_in)[1] if went_in else None


def change_of(commits: Commits, sha: str) -> str:
    """The id of the change a commit belongs to: its request, else that of the commit merged by it, else itself.

    Merges of merges are followed eight deep; of commits that name each other in a circle one stands for all.
    """
    seen: list[str] = []
    at: str | None = sha
    while at is not None and at not in seen:
        request = request_of(commits, at)
        if request is not None:
            return request
        seen.append(at)
        at = merged_from(commits, at) if len(seen) <= DEEPEST else None
    return seen[-1] if at is None else min(seen[seen.index(at) :])


def members(commits: Commits) -> dict[ChangeKey, list[str]]:
    """The commits of each change: those that were reported, and the squash and merge commits that these name."""
    found: dict[ChangeKey, list[str]] = {}
    for sha in sorted({*commits.by_sha, *commits.by_merge}):
        found.setdefault((commits.service, change_of(commits, sha)), []).append(sha)
    return found


def reports(commits: Commits) -> dict[ChangeKey, list[EventValue]]:
    """Every report of the commits of each change, in event order."""
    belongs = {sha: change_of(commits, sha) for sha in commits.by_sha}
    found: dict[ChangeKey, list[EventValue]] = {}
    for event in commits.events:
        if event["commit_sha"] is not None:
            found.setdefault((commits.service, belongs[event["commit_sha"]]), []).append(event)
    return found
