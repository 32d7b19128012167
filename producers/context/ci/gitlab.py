"""GitLab CI."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, repo_of


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """The job. There is no event file."""
    take = JobReader(environ, event)
    built = take.sha(take.text("CI_COMMIT_SHA"))
    # In a pipeline of merged results CI_COMMIT_SHA is a merge made for the test.
    head = take.sha(take.text("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_SHA"))
    sha = head or built
    tag, run_id = take.text("CI_COMMIT_TAG"), take.text("CI_PIPELINE_ID")
    change = _change(take)
    return CiJob(
        system="gitlab",
        sha=sha,
        repo=repo_of(take.text("CI_PROJECT_PATH")),
        branch=None if tag else _branch(take),
        tag=tag,
        change=change,
        is_request=change is not None,
        base=take.sha(take.text("CI_MERGE_REQUEST_DIFF_BASE_SHA", "CI_COMMIT_BEFORE_SHA")),
        base_branch=branch_of(
            take.text("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME")
        ),
        default_branch=branch_of(take.text("CI_DEFAULT_BRANCH")),
        env=take.text("CI_ENVIRONMENT_NAME"),
        run_id=run_id,
        deployment_id=run_id,
        url=take.url(take.text("CI_PIPELINE_URL", "CI_JOB_URL")),
        actor=take.text("GITLAB_USER_LOGIN"),
        committed_at=take.time(take.text("CI_COMMIT_TIMESTAMP"))
        if sha and built and sha.value == built.value
        else None,
        ignored=take.ignored,
    )


def _branch(take: JobReader) -> JobValue | None:
    return branch_of(
        take.text(
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
            "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME",
            "CI_COMMIT_BRANCH",
            "CI_COMMIT_REF_NAME",
        )
    )


def _change(take: JobReader) -> JobValue | None:
    """The request in the project that it is for, which is not the one of a fork's pipeline."""
    project = repo_of(take.text("CI_MERGE_REQUEST_PROJECT_PATH", "CI_PROJECT_PATH"))
    change = change_of(project, take.number(take.text("CI_MERGE_REQUEST_IID")), gitlab=True)
    if change is not None:
        return change
    forge = repo_of(take.text("CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY"))
    return change_of(forge, take.number(take.text("CI_EXTERNAL_PULL_REQUEST_IID")))
