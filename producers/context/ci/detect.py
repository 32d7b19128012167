"""Detect the CI system and load only its module."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final

from producers.context.ci.job import CiJob
from producers.context.ci.params import overlaid, read_params
from producers.errors import UsageError

MARKS: Final[Mapping[str, str | None]] = {
    "github": "GITHUB_ACTIONS",
    "gitlab": "GITLAB_CI",
    "circleci": "CIRCLECI",
    "buildkite": "BUILDKITE",
    "azure_pipelines": "TF_BUILD",
    "bitbucket": "BITBUCKET_BUILD_NUMBER",
    "jenkins": "JENKINS_URL",
    "tekton": None,
    "argo_workflows": None,
}
"""Each system, and the variable that it always sets."""

CHOICE: Final = "CANDORA_CI"
"""Names the system where nothing marks it, or where two do. `none`: do not look."""
EVENT_FILE: Final = "GITHUB_EVENT_PATH"


def system_of(environ: Mapping[str, str]) -> str | None:
    """Return the system's canonical name.

    Raises:
        UsageError: CANDORA_CI names none that is known.
    """
    chosen = environ.get(CHOICE, "").strip().lower().replace("-", "_")
    if chosen == "none":
        return None
    if chosen:
        if chosen not in MARKS:
            raise UsageError(f"{CHOICE}: {chosen!r} is not known; it is one of {', '.join(MARKS)} or none")
        return chosen
    return next((name for name, mark in MARKS.items() if mark and _says_yes(environ.get(mark))), None)


def read_job(environ: Mapping[str, str], event: object = None) -> CiJob:
    """Read the job that this process runs in; CANDORA_* variables take precedence.

    Raises:
        UsageError: as in `system_of`.
    """
    system = system_of(environ)
    params = read_params(environ)
    if system is None:
        return params
    read: Callable[[Mapping[str, str], object], CiJob] = import_module(f"producers.context.ci.{system}").read
    return overlaid(read(environ, event), params)


def _says_yes(value: str | None) -> bool:
    return bool(value) and value != "false"
