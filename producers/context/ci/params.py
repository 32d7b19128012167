"""Read a job from CANDORA_* variables, for systems without their own; they take precedence over a system's."""

from collections.abc import Mapping
from dataclasses import fields, replace

from producers.context.ci.job import CiJob, JobReader, branch_of, repo_of


def read_params(environ: Mapping[str, str], system: str | None = None) -> CiJob:
    """Return the job as CANDORA_* describe it.

    CANDORA_REVISION is the revision to build: a full hash is the commit, anything else a branch. CANDORA_RETRY
    counts from 0. The variables of the fields themselves (CANDORA_SHA, CANDORA_CHANGE, CANDORA_RUN_ID, CANDORA_RUN_URL,
    CANDORA_ACTOR, CANDORA_ATTEMPT) are checked here, and used by the table of flags.
    """
    values = JobReader(environ)
    revision = values.text("CANDORA_REVISION")
    quiet = JobReader({})
    commit = quiet.sha(revision)
    change, run_id = values.text("CANDORA_CHANGE"), values.text("CANDORA_RUN_ID")
    return CiJob(
        system=system,
        sha=values.sha(values.text("CANDORA_SHA")) or commit,
        repo=repo_of(values.text("CANDORA_REPO")),
        branch=branch_of(values.text("CANDORA_BRANCH") or (None if commit else revision)),
        tag=values.text("CANDORA_TAG"),
        change=change,
        is_request=change is not None,
        base=values.sha(values.text("CANDORA_BASE_SHA")),
        base_branch=branch_of(values.text("CANDORA_BASE_BRANCH")),
        default_branch=branch_of(values.text("CANDORA_DEFAULT_BRANCH")),
        run_id=run_id,
        attempt=values.number(values.text("CANDORA_ATTEMPT")) or values.number(values.text("CANDORA_RETRY"), add=1),
        deployment_id=run_id,
        url=values.url(values.text("CANDORA_RUN_URL")),
        actor=values.text("CANDORA_ACTOR"),
        ignored=values.ignored,
    )


def overlaid(job: CiJob, params: CiJob) -> CiJob:
    """Overlay the job with the CANDORA_* parameters, which take precedence."""
    said = {field.name: value for field in fields(CiJob) if (value := getattr(params, field.name)) is not None}
    said |= {"is_request": job.is_request, "ignored": (*job.ignored, *params.ignored)}
    return replace(job, **said)
