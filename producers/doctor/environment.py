"""Check the local machine: the spool's folder, the CI job and the repository."""

from collections.abc import Iterator, Mapping

from producers.context.ci.detect import read_job
from producers.context.git import Git, GitError
from producers.context.sources import event_file
from producers.delivery.spooling import spool_limits
from producers.doctor.finding import CheckResult, ok, problem, unknown, warning
from producers.errors import ExitCode, UsageError
from producers.spool.spool import Spool, SpoolUnusable

_NEARLY_FULL = 0.9


def check_spool(folder: str | None, environ: Mapping[str, str]) -> CheckResult:
    """Check that the spool can be written, and what waits in it."""
    if folder is None:
        return ok("spool", "none is set: what cannot be delivered is not kept, and the command must be run again")
    try:
        with Spool(folder, spool_limits(environ)) as spool:
            used, waiting = spool.usage(), spool.entries()
    except (SpoolUnusable, UsageError) as error:
        return problem("spool", str(error), "name a folder that can be written by CANDORA_SPOOL", ExitCode.USAGE)
    if used.files >= _NEARLY_FULL * spool.limits.max_files or used.size >= _NEARLY_FULL * spool.limits.max_bytes:
        return problem("spool", f"{folder} is nearly full", "run `candora-ci drain`", ExitCode.USAGE)
    if waiting:
        return warning("spool", f"{len(waiting)} messages wait in {folder}", "run `candora-ci drain`")
    return ok("spool", f"{folder} can be written, nothing waits in it")


def check_ci(environ: Mapping[str, str]) -> CheckResult:
    """Check which CI system this job runs in, and whether it names the commit."""
    try:
        event, trouble = event_file(environ)
        job = read_job(environ, event)
    except UsageError as error:
        return problem("ci", str(error), "fix it", ExitCode.USAGE)
    if job.system is None:
        return unknown("ci", "no CI system is recognised", "say more by flags, or name it by CANDORA_CI")
    unusable = "".join(f"; {text}" for text in (trouble, *job.ignored) if text)
    if job.sha is None:
        return warning("ci", f"{job.system} does not say which commit this is about{unusable}", "give --sha")
    return ok("ci", f"{job.system}, commit {job.sha.value} ({job.sha.origin}){unusable}")


def check_git(folder: str, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Check that the repository has the history that lead times need."""
    git = Git(folder, environ)
    try:
        top, edge = git.top(), git.edge()
    except GitError as error:
        yield unknown("git", str(error), "commits are then not looked up: give their times and hashes by flags")
        return
    if edge:
        advice = "fetch all of it: fetch-depth: 0 on GitHub, GIT_DEPTH: 0 on GitLab, or `git fetch --unshallow`"
        yield warning("git", f"{top} is a shallow clone: first and included commits cannot be found", advice)
    else:
        yield ok("git", f"{top} has its whole history")
