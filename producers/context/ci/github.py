"""GitHub Actions."""

import re
from collections.abc import Mapping
from typing import Final

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, queue_of, repo_of, tag_of

_PULL: Final = re.compile(r"refs/pull/(?P<number>[0-9]+)/(?:merge|head)")


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """Return the job. `event` is the parsed file that GITHUB_EVENT_PATH names."""
    values = JobReader(environ, event)
    ref = values.text("GITHUB_REF")
    queue = queue_of(ref)
    repo = repo_of(values.text("GITHUB_REPOSITORY") or values.event("repository.full_name"))
    number = _number(values, ref) or (queue[1] if queue else None)
    merged = (
        values.sha(values.event("pull_request.merge_commit_sha")) if values.event("pull_request.merged_at") else None
    )
    sha = _sha(values, ref)
    run_id, attempt = values.text("GITHUB_RUN_ID"), values.number(values.text("GITHUB_RUN_ATTEMPT"))
    head_time = values.time(values.event("head_commit.timestamp"))
    return CiJob(
        system="github",
        sha=sha,
        repo=repo,
        branch=queue[0] if queue else branch_of(values.text("GITHUB_HEAD_REF") or ref),
        tag=tag_of(ref),
        change=change_of(repo, number),
        is_request=number is not None and queue is None,
        base=values.sha(
            values.event("pull_request.base.sha") or values.event("merge_group.base_sha") or values.event("before"),
        ),
        base_branch=queue[0] if queue else branch_of(values.text("GITHUB_BASE_REF")),
        default_branch=values.event("repository.default_branch"),
        merge_sha=merged,
        run_id=run_id,
        attempt=attempt,
        deployment_id=_deployment(run_id, attempt),
        url=_url(values, run_id, attempt),
        actor=values.text("GITHUB_ACTOR", "GITHUB_TRIGGERING_ACTOR"),
        committed_at=head_time if sha and sha.value == _value(values.event("head_commit.id")) else None,
        ignored=values.ignored,
    )


def _sha(values: JobReader, ref: JobValue | None) -> JobValue | None:
    """Return the commit; of a request its head, as GITHUB_SHA is then a trial merge, or the base, or unrelated."""
    named = values.sha(
        values.event("pull_request.head.sha")
        or values.event("merge_group.head_sha")
        or values.event("workflow_run.head_sha"),
    )
    if named is not None or (ref is not None and _PULL.fullmatch(ref.value)):
        return named
    return values.sha(values.text("GITHUB_SHA"))


def _number(values: JobReader, ref: JobValue | None) -> JobValue | None:
    pull = _PULL.fullmatch(ref.value) if ref else None
    if ref is not None and pull is not None:
        return JobValue(pull["number"], ref.origin)
    return values.number(values.event("pull_request.number"))


def _deployment(run_id: JobValue | None, attempt: JobValue | None) -> JobValue | None:
    """Return the run's id, with the attempt from the second on: a rerun deploys again."""
    if run_id is None or attempt is None or attempt.value == "1":
        return run_id
    return JobValue(f"{run_id.value}.{attempt.value}", f"{run_id.origin}, {attempt.origin}")


def _url(values: JobReader, run_id: JobValue | None, attempt: JobValue | None) -> JobValue | None:
    server, repository = values.url(values.text("GITHUB_SERVER_URL")), values.text("GITHUB_REPOSITORY")
    if server is None or repository is None or run_id is None:
        return None
    again = f"/attempts/{attempt.value}" if attempt else ""
    return JobValue(f"{server.value}/{repository.value}/actions/runs/{run_id.value}{again}", "GITHUB_RUN_ID")


def _value(found: JobValue | None) -> str | None:
    return found.value if found else None
