"""Jenkins: multibranch pipelines, the GitHub pull request builder, and the GitLab plugin."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, repo_of


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """Return the job. There is no event file."""
    values = JobReader(environ, event)
    repo = repo_of(values.text("GIT_URL", "GIT_URL_1"))
    number = values.number(values.text("CHANGE_ID", "ghprbPullId", "gitlabMergeRequestIid"))
    gitlab = "gitlabMergeRequestIid" in environ or "/merge_requests/" in environ.get("CHANGE_URL", "")
    branch = branch_of(values.text("CHANGE_BRANCH", "ghprbSourceBranch", "gitlabSourceBranch"))
    if number is None:
        branch = branch_of(values.text("BRANCH_NAME", "GIT_BRANCH"))
    tag, run_id = values.text("TAG_NAME"), values.text("BUILD_TAG")
    return CiJob(
        system="jenkins",
        sha=_sha(values, number),
        repo=repo,
        branch=None if tag else branch,
        tag=tag,
        change=change_of(repo, number, gitlab=gitlab),
        is_request=number is not None,
        # The commit of the branch's previous build: every commit in between is new to us.
        base=values.sha(values.text("GIT_PREVIOUS_COMMIT")) if number is None else None,
        base_branch=branch_of(values.text("CHANGE_TARGET", "ghprbTargetBranch", "gitlabTargetBranch")),
        default_branch=branch if number is None and values.is_set("BRANCH_IS_PRIMARY") else None,
        run_id=run_id,
        deployment_id=run_id,
        url=values.url(values.text("BUILD_URL")),
        actor=values.text("BUILD_USER_ID", "BUILD_USER", "CHANGE_AUTHOR"),
        ignored=values.ignored,
    )


def _sha(values: JobReader, number: JobValue | None) -> JobValue | None:
    """Return the commit; None where GIT_COMMIT may be a trial merge in the workspace, whose head git knows."""
    head = values.sha(values.text("ghprbActualCommit", "gitlabMergeRequestLastCommit"))
    return values.sha(values.text("GIT_COMMIT")) if number is None else head
