"""Tekton sets no variables of its own; its steps get what parameters hand them: `$(context.pipelineRun.name)`."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob
from producers.context.ci.params import read_params


def read(environ: Mapping[str, str], event: object = None) -> CiJob:  # noqa: ARG001 - as all systems are read
    """Return the job, as CANDORA_* describe it. There is no event file."""
    return read_params(environ, "tekton")
