"""CircleCI."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, last_part, repo_of


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """The job. There is no event file."""
    take = JobReader(environ, event)
    request = take.text("CIRCLE_PULL_REQUEST")
    # A pull request of a fork has its number in a variable of its own.
    number = take.number(take.text("CIRCLE_PR_NUMBER"), last_part(request))
    repo = _repo(take)
    run_id = take.text("CIRCLE_WORKFLOW_ID")
    return CiJob(
        system="circleci",
        sha=take.sha(take.text("CIRCLE_SHA1")),
        repo=repo,
        branch=branch_of(take.text("CIRCLE_BRANCH")),
        tag=take.text("CIRCLE_TAG"),
        change=change_of(repo, number, gitlab="/merge_requests/" in (request.value if request else "")),
        is_request=number is not None,
        run_id=run_id,
        deployment_id=run_id,
        url=take.url(take.text("CIRCLE_BUILD_URL")),
        actor=take.text("CIRCLE_USERNAME"),
        ignored=take.ignored,
    )


def _repo(take: JobReader) -> JobValue | None:
    owner, name = take.text("CIRCLE_PROJECT_USERNAME"), take.text("CIRCLE_PROJECT_REPONAME")
    if owner is None or name is None:
        return repo_of(take.text("CIRCLE_REPOSITORY_URL"))
    return JobValue(f"{owner.value}/{name.value}", f"{owner.origin}, {name.origin}")
