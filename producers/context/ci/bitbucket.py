"""Bitbucket Pipelines."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, repo_of


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """Return the job. There is no event file."""
    values = JobReader(environ, event)
    repo = repo_of(values.text("BITBUCKET_REPO_FULL_NAME") or values.text("BITBUCKET_GIT_HTTP_ORIGIN"))
    number = values.number(values.text("BITBUCKET_PR_ID"))
    run_id = values.text("BITBUCKET_BUILD_NUMBER")
    return CiJob(
        system="bitbucket",
        # The source's commit, also when the target was merged into it for the test.
        sha=values.sha(values.text("BITBUCKET_COMMIT")),
        repo=repo,
        branch=branch_of(values.text("BITBUCKET_BRANCH")),
        tag=values.text("BITBUCKET_TAG"),
        change=change_of(repo, number),
        is_request=number is not None,
        base_branch=branch_of(values.text("BITBUCKET_PR_DESTINATION_BRANCH")),
        env=values.text("BITBUCKET_DEPLOYMENT_ENVIRONMENT"),
        run_id=run_id,
        attempt=values.number(values.text("BITBUCKET_STEP_RUN_NUMBER")),
        deployment_id=run_id,
        url=_url(repo, run_id),
        actor=values.text("BITBUCKET_STEP_TRIGGERER_UUID"),
        ignored=values.ignored,
    )


def _url(repo: JobValue | None, run_id: JobValue | None) -> JobValue | None:
    if repo is None or run_id is None:
        return None
    return JobValue(f"https://bitbucket.org/{repo.value}/addon/pipelines/home#!/results/{run_id.value}", run_id.origin)
