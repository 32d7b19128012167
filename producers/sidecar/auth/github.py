"""Tokens of GitHub Actions: which repository and workflow a run is of, checked as PyPI checks its publishers."""

import re
from typing import Final

from producers.sidecar.auth.access import AccessRefused, RefusalReason
from producers.sidecar.auth.run import CiRun, Claims, VerifiedRun, claim, trusted
from producers.sidecar.auth.settings import GitHubIssuerSettings, GitHubRepositorySettings

CLAIMS: Final = frozenset(
    {
        "repository",
        "repository_owner_id",
        "job_workflow_ref",
        "event_name",
        "environment",
        "sha",
        "ref",
        "head_ref",
        "run_id",
        "run_attempt",
        "actor",
    }
)
"""All that is read. Claims are added to tokens now and then, and what nobody has thought about is not trusted."""

_NEVER: Final = frozenset({"pull_request_target"})
"""Runs with the rights of the repository for what a stranger has sent."""


def read_run(claims: Claims, issuer: GitHubIssuerSettings) -> VerifiedRun:
    """Who it is.

    Raises:
        Refused: a claim is missing, or the run is not one that is let in.
    """
    event, repository = claim(claims, "event_name"), claim(claims, "repository")
    if event in _NEVER:
        raise AccessRefused(
            RefusalReason.WRONG_TRIGGER, f"runs triggered by {event} are never let in: a stranger can start them"
        )
    trust = _trusted(claims, issuer)
    ref = str(claims.get("ref") or "")  # none in the run of a deployment
    home = f"{issuer.server}/{repository}"
    run_id, attempt = claim(claims, "run_id"), claim(claims, "run_attempt")
    request = re.fullmatch(r"refs/pull/([0-9]+)/\w+", ref)
    return VerifiedRun(
        CiRun(
            system="github",
            repository=repository,
            commit=claim(claims, "sha"),
            ref=ref,
            branch=str(claims.get("head_ref") or "") or _branch(ref),
            for_request=event.startswith("pull_request"),
            request=request[1] if request else None,
            run_id=run_id,
            attempt=int(attempt) if attempt.isascii() and attempt.isdigit() else None,
            actor=claim(claims, "actor"),
            home=home,
            url=f"{home}/actions/runs/{run_id}/attempts/{attempt}",
            environment=str(claims.get("environment") or "") or None,
            protected=True,  # by the rules of the environment; a token has no claim about its branch
        ),
        trust,
    )


def _trusted(claims: Claims, issuer: GitHubIssuerSettings) -> GitHubRepositorySettings:
    repository, owner = claim(claims, "repository"), claim(claims, "repository_owner_id")
    known = [each for each in issuer.repositories if each.repository.casefold() == repository.casefold()]
    workflow = claim(claims, "job_workflow_ref")
    return trusted(known, repository, owner, workflow, lambda each: _workflows(each, claims, repository))


def _workflows(trust: GitHubRepositorySettings, claims: Claims, repository: str) -> set[str]:
    """What `job_workflow_ref` may be: the file, at the ref or the commit of this very run."""
    places = [str(place) for place in (claims.get("ref"), claims.get("sha")) if place]
    own = {
        f"{repository}/.github/workflows/{file}@{place}"
        for file in trust.workflows
        if "@" not in file
        for place in places
    }
    return own | {whole for whole in trust.workflows if "@" in whole}


def _branch(ref: str) -> str | None:
    branch = ref.removeprefix("refs/heads/")
    return None if branch == ref or branch.startswith("gh-readonly-queue/") else branch
