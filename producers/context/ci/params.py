"""What the operator says by CANDORA_* variables, for systems that set none of their own, and before those that do."""

from collections.abc import Mapping
from dataclasses import fields, replace

from producers.context.ci.job import CiJob, JobReader, branch_of, repo_of


def read_params(environ: Mapping[str, str], system: str | None = None) -> CiJob:
    """The job as CANDORA_* describe it.

    CANDORA_REVISION is what was asked to be built: a full hash is the commit, anything else a branch. CANDORA_RETRY
    counts from 0. The variables of the fields themselves (CANDORA_SHA, CANDORA_CHANGE, CANDORA_RUN_ID, CANDORA_RUN_URL,
    CANDORA_ACTOR, CANDORA_ATTEMPT) are checked here, and used by the table of flags.
    """
    take = JobReader(environ)
    revision = take.text("CANDORA_REVISION")
    quiet = JobReader({})
    commit = quiet.sha(revision)
    change, run_id = take.text("CANDORA_CHANGE"), take.text("CANDORA_RUN_ID")
    return CiJob(
        system=system,
        sha=take.sha(take.text("CANDORA_SHA")) or commit,
        repo=repo_of(take.text("CANDORA_REPO")),
        branch=branch_of(take.text("CANDORA_BRANCH") or (None if commit else revision)),
        tag=take.text("CANDORA_TAG"),
        change=change,
        is_request=change is not None,
        base=take.sha(take.text("CANDORA_BASE_SHA")),
        base_branch=branch_of(take.text("CANDORA_BASE_BRANCH")),
        default_branch=branch_of(take.text("CANDORA_DEFAULT_BRANCH")),
        run_id=run_id,
        attempt=take.number(take.text("CANDORA_ATTEMPT")) or take.number(take.text("CANDORA_RETRY"), add=1),
        deployment_id=run_id,
        url=take.url(take.text("CANDORA_RUN_URL")),
        actor=take.text("CANDORA_ACTOR"),
        ignored=take.ignored,
    )


def overlaid(job: CiJob, params: CiJob) -> CiJob:
    """The job, with what the operator says about it put first."""
    said = {field.name: value for field in fields(CiJob) if (value := getattr(params, field.name)) is not None}
    said |= {"is_request": job.is_request, "ignored": (*job.ignored, *params.ignored)}
    return replace(job, **said)
