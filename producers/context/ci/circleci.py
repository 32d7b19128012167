"""CircleCI."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, last_part, repo_of


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """Return the job. There is no event file."""
    values = JobReader(environ, event)
    request = values.text("CIRCLE_PULL_REQUEST")
    # A pull request of a fork has its number in a variable of its own.
    number = values.number(values.text("CIRCLE_PR_NUMBER"), last_part(request))
    repo = _repo(values)
    run_id = values.text("CIRCLE_WORKFLOW_ID")
    return CiJob(
        system="circleci",
        sha=values.sha(values.text("CIRCLE_SHA1")),
        repo=repo,
        branch=branch_of(values.text("CIRCLE_BRANCH")),
        tag=values.text("CIRCLE_TAG"),
        change=change_of(repo, number, gitlab="/merge_requests/" in (request.value if request else "")),
        is_request=number is not None,
        run_id=run_id,
        deployment_id=run_id,
        url=values.url(values.text("CIRCLE_BUILD_URL")),
        actor=values.text("CIRCLE_USERNAME"),
        ignored=values.ignored,
    )


def _repo(values: JobReader) -> JobValue | None:
    owner, name = values.text("CIRCLE_PROJECT_USERNAME"), values.text("CIRCLE_PROJECT_REPONAME")
    if owner is None or name is None:
        return repo_of(values.text("CIRCLE_REPOSITORY_URL"))
    return JobValue(f"{owner.value}/{name.value}", f"{owner.origin}, {name.origin}")
