"""Section 3: which change a commit belongs to, and when the change began."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from schemas.values import EventValue, Micros

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
    """The id of the change a commit belongs to: its request, else that of the commit merged by it, else itself."""
    seen: list[str] = []
    at: str | None = sha
    while at is not None and at not in seen:
        request = request_of(commits, at)
        if request is not None:
            return request
        seen.append(at)
        at = merged_from(commits, at)
    return seen[-1] if at is None else min(seen)


def first_commits(commits: Commits) -> dict[ChangeKey, Micros]:
    """When each change began: the smallest time of the reports of its commits."""
    began: dict[ChangeKey, Micros] = {}
    for sha, reports in commits.by_sha.items():
        change = commits.service, change_of(commits, sha)
        reported = min(event["occurred_at"] for event in reports)
        began[change] = min(reported, began.get(change, reported))
    return began
