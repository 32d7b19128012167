"""GitLab CI."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, repo_of


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """Return the job. There is no event file."""
    values = JobReader(environ, event)
    built = values.sha(values.text("CI_COMMIT_SHA"))
    # In a pipeline of merged results CI_COMMIT_SHA is a merge made for the test.
    head = values.sha(values.text("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_SHA"))
    sha = head or built
    tag, run_id = values.text("CI_COMMIT_TAG"), values.text("CI_PIPELINE_ID")
    change = _change(values)
    return CiJob(
        system="gitlab",
        sha=sha,
        repo=repo_of(values.text("CI_PROJECT_PATH")),
        branch=None if tag else _branch(values),
        tag=tag,
        change=change,
        is_request=change is not None,
        base=values.sha(values.text("CI_MERGE_REQUEST_DIFF_BASE_SHA", "CI_COMMIT_BEFORE_SHA")),
        base_branch=branch_of(
            values.text("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME")
        ),
        default_branch=branch_of(values.text("CI_DEFAULT_BRANCH")),
        env=values.text("CI_ENVIRONMENT_NAME"),
        run_id=run_id,
        deployment_id=run_id,
        url=values.url(values.text("CI_PIPELINE_URL", "CI_JOB_URL")),
        actor=values.text("GITLAB_USER_LOGIN"),
        committed_at=values.time(values.text("CI_COMMIT_TIMESTAMP"))
        if sha and built and sha.value == built.value
        else None,
        ignored=values.ignored,
    )


def _branch(values: JobReader) -> JobValue | None:
    return branch_of(
        values.text(
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
            "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME",
            "CI_COMMIT_BRANCH",
            "CI_COMMIT_REF_NAME",
        )
    )


def _change(values: JobReader) -> JobValue | None:
    """Return the request in its target project, which differs from the project of a fork's pipeline."""
    project = repo_of(values.text("CI_MERGE_REQUEST_PROJECT_PATH", "CI_PROJECT_PATH"))
    change = change_of(project, values.number(values.text("CI_MERGE_REQUEST_IID")), gitlab=True)
    if change is not None:
        return change
    forge = repo_of(values.text("CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY"))
    return change_of(forge, values.number(values.text("CI_EXTERNAL_PULL_REQUEST_IID")))
