"""Azure Pipelines."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, repo_of, tag_of


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """Return the job. There is no event file."""
    values = JobReader(environ, event)
    ref = values.text("BUILD_SOURCEBRANCH")
    repo = repo_of(values.text("BUILD_REPOSITORY_NAME", "BUILD_REPOSITORY_URI"))
    # The number is that of the forge; Azure Repos has only the id.
    number = values.number(values.text("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "SYSTEM_PULLREQUEST_PULLREQUESTID"))
    is_request = number is not None or (ref is not None and ref.value.startswith("refs/pull/"))
    head = values.sha(values.text("SYSTEM_PULLREQUEST_SOURCECOMMITID"))
    run_id = values.text("BUILD_BUILDID")
    return CiJob(
        system="azure_pipelines",
        # The version built of a request is a merge made for the test.
        sha=head if is_request else values.sha(values.text("BUILD_SOURCEVERSION")),
        repo=repo,
        branch=branch_of(values.text("SYSTEM_PULLREQUEST_SOURCEBRANCH") or ref),
        tag=tag_of(ref),
        change=change_of(repo, number),
        is_request=is_request,
        base_branch=branch_of(values.text("SYSTEM_PULLREQUEST_TARGETBRANCH")),
        env=values.text("ENVIRONMENT_NAME"),
        run_id=run_id,
        attempt=values.number(values.text("SYSTEM_JOBATTEMPT")),
        deployment_id=run_id,
        url=_url(values, run_id),
        actor=values.text("BUILD_REQUESTEDFOR"),
        ignored=values.ignored,
    )


def _url(values: JobReader, run_id: JobValue | None) -> JobValue | None:
    server = values.url(values.text("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"))
    project = values.text("SYSTEM_TEAMPROJECT")
    if server is None or project is None or run_id is None:
        return None
    name = project.value.replace("%", "%25").replace(" ", "%20")
    return JobValue(f"{server.value.rstrip('/')}/{name}/_build/results?buildId={run_id.value}", run_id.origin)
