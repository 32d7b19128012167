"""What the webhooks of the forges have in common: commits that a push brings to the default branch."""

from datetime import datetime

from producers.events.event_builder import Assignment
from producers.sidecar.webhooks import fields
from producers.sidecar.webhooks.parts import PayloadField, joined, take, timed
from producers.sidecar.webhooks.reading import DeliveryIgnored


def pushed_commits(body: PayloadField, default_branch: PayloadField) -> list[PayloadField]:
    """The commits of a push.

    Raises:
        Ignored: it is to another branch, or a tag, or brings none.
    """
    ref = body.at("ref").text
    if default_branch.text is None or ref != f"refs/heads/{default_branch.text}":
        raise DeliveryIgnored(f"push: to {fields.shown(ref)}, not to the default branch {default_branch.text}")
    commits = body.at("commits").entries()
    if not commits:
        raise DeliveryIgnored("push: brings no commit")
    return commits


def commit_events(
    common: list[Assignment], commits: list[PayloadField], received_at: datetime
) -> list[list[Assignment]]:
    """An event for each commit of a push. A forge gives the account of an author, or the name in the commit."""
    return [
        joined(
            common,
            timed(received_at, commit.at("timestamp")),
            take("commit_sha", commit.at("id"), read=fields.sha),
            take("source.url", commit.at("url"), read=fields.url),
            take("commit.author", commit.at("author", "username"), commit.at("author", "name")),
        )
        for commit in commits
    ]


def into_default_branch(what: str, branch: str | None, default: str | None) -> None:
    """Let a merged request pass if it was merged into the default branch.

    Raises:
        Ignored: it was merged elsewhere; what it was merged into may be merged once more.
    """
    if branch is None or branch != default:
        raise DeliveryIgnored(f"{what} was merged into {branch}, not into the default branch {default}")
