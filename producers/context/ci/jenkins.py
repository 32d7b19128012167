"""Jenkins: multibranch pipelines, the GitHub pull request builder, and the GitLab plugin."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob, JobReader, JobValue, branch_of, change_of, repo_of


def read(environ: Mapping[str, str], event: object = None) -> CiJob:
    """The job. There is no event file."""
    take = JobReader(environ, event)
    repo = repo_of(take.text("GIT_URL", "GIT_URL_1"))
    number = take.number(take.text("CHANGE_ID", "ghprbPullId", "gitlabMergeRequestIid"))
    gitlab = "gitlabMergeRequestIid" in environ or "/merge_requests/" in environ.get("CHANGE_URL", "")
    branch = branch_of(take.text("CHANGE_BRANCH", "ghprbSourceBranch", "gitlabSourceBranch"))
    if number is None:
        branch = branch_of(take.text("BRANCH_NAME", "GIT_BRANCH"))
    tag, run_id = take.text("TAG_NAME"), take.text("BUILD_TAG")
    return CiJob(
        system="jenkins",
        sha=_sha(take, number),
        repo=repo,
        branch=None if tag else branch,
        tag=tag,
        change=change_of(repo, number, gitlab=gitlab),
        is_request=number is not None,
        # The commit of the branch's previous build: every commit in between is new to us.
        base=take.sha(take.text("GIT_PREVIOUS_COMMIT")) if number is None else None,
        base_branch=branch_of(take.text("CHANGE_TARGET", "ghprbTargetBranch", "gitlabTargetBranch")),
        default_branch=branch if number is None and take.is_set("BRANCH_IS_PRIMARY") else None,
        run_id=run_id,
        deployment_id=run_id,
        url=take.url(take.text("BUILD_URL")),
        actor=take.text("BUILD_USER_ID", "BUILD_USER", "CHANGE_AUTHOR"),
        ignored=take.ignored,
    )


def _sha(take: JobReader, number: JobValue | None) -> JobValue | None:
    """In the build of a request GIT_COMMIT may be a merge that exists in the workspace only; git tells the head."""
    head = take.sha(take.text("ghprbActualCommit", "gitlabMergeRequestLastCommit"))
    return take.sha(take.text("GIT_COMMIT")) if number is None else head
