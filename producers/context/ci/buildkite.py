"""Buildkite."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, queue_of, repo_of


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """The job. There is no event file."""
    take = JobReader(environ, event)
    repo = repo_of(take.text("BUILDKITE_REPO"))
    branch = take.text("BUILDKITE_BRANCH")
    queue = queue_of(branch)
    request = take.text("BUILDKITE_PULL_REQUEST")
    number = take.number(request) if request and request.value != "false" else None
    gitlab = environ.get("BUILDKITE_PIPELINE_PROVIDER", "").startswith("gitlab")
    tag, run_id = take.text("BUILDKITE_TAG"), take.text("BUILDKITE_BUILD_ID")
    return CiJob(
        system="buildkite",
        sha=_sha(take),
        repo=repo,
        branch=queue[0] if queue else None if tag else branch_of(branch),
        tag=tag,
        change=change_of(repo, number or (queue[1] if queue else None), gitlab=gitlab),
        is_request=number is not None,
        base=take.sha(take.text("BUILDKITE_MERGE_QUEUE_BASE_COMMIT")),
        base_branch=branch_of(take.text("BUILDKITE_PULL_REQUEST_BASE_BRANCH", "BUILDKITE_MERGE_QUEUE_BASE_BRANCH")),
        default_branch=branch_of(take.text("BUILDKITE_PIPELINE_DEFAULT_BRANCH")),
        run_id=run_id,
        attempt=take.number(take.text("BUILDKITE_RETRY_COUNT"), add=1),
        deployment_id=run_id,
        url=take.url(take.text("BUILDKITE_BUILD_URL")),
        actor=take.text("BUILDKITE_BUILD_CREATOR", "BUILDKITE_BUILD_AUTHOR"),
        ignored=take.ignored,
    )


def _sha(take: JobReader) -> JobValue | None:
    """None of a merge made for the test, and none while the agent has not yet resolved the word HEAD."""
    if take.is_set("BUILDKITE_PULL_REQUEST_USING_MERGE_REFSPEC"):
        return None
    return take.sha(take.text("BUILDKITE_COMMIT"))
