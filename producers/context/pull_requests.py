"""Find the pull or merge request that a commit's message names. Pure."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_GITLAB: Final = re.compile(r"^See merge request (?P<project>[\w.][\w./-]*)!(?P<number>[0-9]{1,12})\s*$", re.MULTILINE)
_GITLAB_SHORT: Final = re.compile(r"^See merge request !(?P<number>[0-9]{1,12})\s*$", re.MULTILINE)
_NUMBERED: Final = (
    re.compile(r"Merge pull request #(?P<number>[0-9]{1,12}) (?:from|in) .+"),
    re.compile(r"Merged PR (?P<number>[0-9]{1,12}): .*"),
    re.compile(r"Merged in .+ \(pull request #(?P<number>[0-9]{1,12})\)"),
    re.compile(r"Merge pull request (?P<number>[0-9]{1,12}) from .+ into .+"),
    re.compile(r".*\(#(?P<number>[0-9]{1,12})\)"),
)
"""GitHub and Bitbucket's own server, Azure Repos (twice), Bitbucket, and a squash of GitHub, by their first lines."""

_GITHUB_MERGE: Final = re.compile(r"Merge (?P<head>[0-9a-f]{40}|[0-9a-f]{64}) into (?P<base>[0-9a-f]{40}|[0-9a-f]{64})")
_JENKINS_MERGE: Final = re.compile(r"Merge commit '(?P<base>[0-9a-f]{40}|[0-9a-f]{64})' into HEAD")


def request_of(message: str, repo: str | None) -> str | None:
    """Return the id of the request that a squash or merge commit of this message brought in; None if it names none."""
    named = _GITLAB.search(message)
    if named:
        return f"{named['project']}!{named['number']}"
    if repo is None:
        return None
    short = _GITLAB_SHORT.search(message)
    if short:
        return f"{repo}!{short['number']}"
    subject = message.partition("\n")[0].strip()
    found = next((match for form in _NUMBERED if (match := form.fullmatch(subject))), None)
    return f"{repo}#{found['number']}" if found else None


class TrialMerge(NamedTuple):
    """The two sides of a merge that a CI system made to test a request."""

    base: str
    head: str


def trial_merge(message: str, parents: Sequence[str]) -> TrialMerge | None:
    """Return the sides of a trial merge, as GitHub and Jenkins make; None for any other commit."""
    if len(parents) != 2:  # noqa: PLR2004 - a merge
        return None
    first, second = parents
    subject = message.partition("\n")[0].strip()
    github = _GITHUB_MERGE.fullmatch(subject)
    if github and {github["head"], github["base"]} == {first, second}:
        return TrialMerge(github["base"], github["head"])
    jenkins = _JENKINS_MERGE.fullmatch(subject)
    if jenkins and jenkins["base"] in (first, second):
        return TrialMerge(jenkins["base"], first if jenkins["base"] == second else second)
    return None
