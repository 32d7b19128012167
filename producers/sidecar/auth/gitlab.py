"""ID tokens of GitLab CI: which project and configuration a pipeline is of."""

import re
from typing import Final
from urllib.parse import urlsplit

from producers.sidecar.auth.run import CiRun, Claims, VerifiedRun, claim, trusted
from producers.sidecar.auth.settings import GitLabIssuerSettings, GitLabProjectSettings

CLAIMS: Final = frozenset(
    {
        "project_path",
        "project_id",
        "ci_config_ref_uri",
        "pipeline_source",
        "pipeline_id",
        "environment",
        "sha",
        "ref",
        "ref_path",
        "ref_type",
        "ref_protected",
        "user_login",
    }
)
"""All that is read."""


def read_run(claims: Claims, issuer: GitLabIssuerSettings) -> VerifiedRun:
    """Who it is.

    Raises:
        Refused: a claim is missing, or the pipeline is not one that is let in.
    """
    trust = _trusted(claims, issuer)
    project, pipeline = claim(claims, "project_path"), claim(claims, "pipeline_id")
    ref, path = claim(claims, "ref"), claim(claims, "ref_path")
    request = re.fullmatch(r"refs/merge-requests/([0-9]+)/\w+", path)
    for_request = request is not None or claims.get("pipeline_source") == "merge_request_event"
    home = f"{issuer.issuer}/{project}"
    return VerifiedRun(
        CiRun(
            system="gitlab",
            repository=project,
            commit=claim(claims, "sha"),
            ref=path,
            branch=ref if claims.get("ref_type") == "branch" and not for_request else None,
            for_request=for_request,
            request=request[1] if request else None,
            run_id=pipeline,
            attempt=None,
            actor=claim(claims, "user_login"),
            home=home,
            url=f"{home}/-/pipelines/{pipeline}",
            environment=str(claims.get("environment") or "") or None,
            protected=str(claims.get("ref_protected")).lower() == "true",
        ),
        trust,
    )


def _trusted(claims: Claims, issuer: GitLabIssuerSettings) -> GitLabProjectSettings:
    # Of a merge request from a fork these are the fork's, so that a fork is never taken for the project.
    path, number = claim(claims, "project_path"), claim(claims, "project_id")
    known = [each for each in issuer.projects if each.project.casefold() == path.casefold()]
    config = claim(claims, "ci_config_ref_uri")
    return trusted(known, path, number, config, lambda each: _configs(each, claims, issuer, path))


def _configs(trust: GitLabProjectSettings, claims: Claims, issuer: GitLabIssuerSettings, path: str) -> set[str]:
    """What `ci_config_ref_uri` may be: the file, at the ref or the commit of this very pipeline."""
    if "@" in trust.config:
        return {trust.config}
    host = issuer.issuer.removeprefix(f"{urlsplit(issuer.issuer).scheme}://")
    places = [str(place) for place in (claims.get("ref_path"), claims.get("sha")) if place]
    return {f"{host}/{path}//{trust.config}@{place}" for place in places}
