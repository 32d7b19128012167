"""Buildkite."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, queue_of, repo_of


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """Return the job. There is no event file."""
    values = JobReader(environ, event)
    repo = repo_of(values.text("BUILDKITE_REPO"))
    branch = values.text("BUILDKITE_BRANCH")
    queue = queue_of(branch)
    request = values.text("BUILDKITE_PULL_REQUEST")
    number = values.number(request) if request and request.value != "false" else None
    gitlab = environ.get("BUILDKITE_PIPELINE_PROVIDER", "").startswith("gitlab")
    tag, run_id = values.text("BUILDKITE_TAG"), values.text("BUILDKITE_BUILD_ID")
    return CiJob(
        system="buildkite",
        sha=_sha(values),
        repo=repo,
        branch=queue[0] if queue else None if tag else branch_of(branch),
        tag=tag,
        change=change_of(repo, number or (queue[1] if queue else None), gitlab=gitlab),
        is_request=number is not None,
        base=values.sha(values.text("BUILDKITE_MERGE_QUEUE_BASE_COMMIT")),
        base_branch=branch_of(values.text("BUILDKITE_PULL_REQUEST_BASE_BRANCH", "BUILDKITE_MERGE_QUEUE_BASE_BRANCH")),
        default_branch=branch_of(values.text("BUILDKITE_PIPELINE_DEFAULT_BRANCH")),
        run_id=run_id,
        attempt=values.number(values.text("BUILDKITE_RETRY_COUNT"), add=1),
        deployment_id=run_id,
        url=values.url(values.text("BUILDKITE_BUILD_URL")),
        actor=values.text("BUILDKITE_BUILD_CREATOR", "BUILDKITE_BUILD_AUTHOR"),
        ignored=values.ignored,
    )


def _sha(values: JobReader) -> JobValue | None:
    """Return the commit; None for a trial merge, and while the agent has not resolved HEAD."""
    if values.is_set("BUILDKITE_PULL_REQUEST_USING_MERGE_REFSPEC"):
        return None
    return values.sha(values.text("BUILDKITE_COMMIT"))
