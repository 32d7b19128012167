"""What the webhooks of the forges have in common: commits that a push brings to the default branch."""

from datetime import datetime

from producers.build_event import Assigned
from producers.receiver.webhooks import fields
from producers.receiver.webhooks.parts import Part, joined, take, timed
from producers.receiver.webhooks.reading import Ignored


def pushed_commits(body: Part, default_branch: Part) -> list[Part]:
    """The commits of a push.

    Raises:
        Ignored: it is to another branch, or a tag, or brings none.
    """
    ref = body.at("ref").text
    if default_branch.text is None or ref != f"refs/heads/{default_branch.text}":
        raise Ignored(f"push: to {fields.shown(ref)}, not to the default branch {default_branch.text}")
    commits = body.at("commits").entries()
    if not commits:
        raise Ignored("push: brings no commit")
    return commits


def commit_events(common: list[Assigned], commits: list[Part], received_at: datetime) -> list[list[Assigned]]:
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
        raise Ignored(f"{what} was merged into {branch}, not into the default branch {default}")
