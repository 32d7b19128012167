"""GitHub Actions."""

import re
from collections.abc import Mapping
from typing import Final

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, queue_of, repo_of, tag_of

_PULL: Final = re.compile(r"refs/pull/(?P<number>[0-9]+)/(?:merge|head)")


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """The job. `event` is the parsed file that GITHUB_EVENT_PATH names."""
    take = JobReader(environ, event)
    ref = take.text("GITHUB_REF")
    queue = queue_of(ref)
    repo = repo_of(take.text("GITHUB_REPOSITORY") or take.said("repository.full_name"))
    number = _number(take, ref) or (queue[1] if queue else None)
    merged = take.sha(take.said("pull_request.merge_commit_sha")) if take.said("pull_request.merged_at") else None
    sha = _sha(take, ref)
    run_id, attempt = take.text("GITHUB_RUN_ID"), take.number(take.text("GITHUB_RUN_ATTEMPT"))
    head_time = take.time(take.said("head_commit.timestamp"))
    return CiJob(
        system="github",
        sha=sha,
        repo=repo,
        branch=queue[0] if queue else branch_of(take.text("GITHUB_HEAD_REF") or ref),
        tag=tag_of(ref),
        change=change_of(repo, number),
        is_request=number is not None and queue is None,
        base=take.sha(
            take.said("pull_request.base.sha") or take.said("merge_group.base_sha") or take.said("before"),
        ),
        base_branch=queue[0] if queue else branch_of(take.text("GITHUB_BASE_REF")),
        default_branch=take.said("repository.default_branch"),
        merge_sha=merged,
        run_id=run_id,
        attempt=attempt,
        deployment_id=_deployment(run_id, attempt),
        url=_url(take, run_id, attempt),
        actor=take.text("GITHUB_ACTOR", "GITHUB_TRIGGERING_ACTOR"),
        committed_at=head_time if sha and sha.value == _value(take.said("head_commit.id")) else None,
        ignored=take.ignored,
    )


def _sha(take: JobReader, ref: JobValue | None) -> JobValue | None:
    """Of a request the head. GITHUB_SHA is then a merge made for the test, or the base, or not about the request."""
    named = take.sha(
        take.said("pull_request.head.sha") or take.said("merge_group.head_sha") or take.said("workflow_run.head_sha"),
    )
    if named is not None or (ref is not None and _PULL.fullmatch(ref.value)):
        return named
    return take.sha(take.text("GITHUB_SHA"))


def _number(take: JobReader, ref: JobValue | None) -> JobValue | None:
    pull = _PULL.fullmatch(ref.value) if ref else None
    if ref is not None and pull is not None:
        return JobValue(pull["number"], ref.origin)
    return take.number(take.said("pull_request.number"))


def _deployment(run_id: JobValue | None, attempt: JobValue | None) -> JobValue | None:
    """A run that is run again deploys again."""
    if run_id is None or attempt is None or attempt.value == "1":
        return run_id
    return JobValue(f"{run_id.value}.{attempt.value}", f"{run_id.origin}, {attempt.origin}")


def _url(take: JobReader, run_id: JobValue | None, attempt: JobValue | None) -> JobValue | None:
    server, repository = take.url(take.text("GITHUB_SERVER_URL")), take.text("GITHUB_REPOSITORY")
    if server is None or repository is None or run_id is None:
        return None
    again = f"/attempts/{attempt.value}" if attempt else ""
    return JobValue(f"{server.value}/{repository.value}/actions/runs/{run_id.value}{again}", "GITHUB_RUN_ID")


def _value(found: JobValue | None) -> str | None:
    return found.value if found else None
