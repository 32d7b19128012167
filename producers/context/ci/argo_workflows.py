"""Argo Workflows sets no variables of its own; its pods get what the template hands them: `{{workflow.name}}`."""

from collections.abc import Mapping

from producers.context.ci.job import CiJob
from producers.context.ci.params import read_params


def read(environ: Mapping[str, str], event: object = None) -> CiJob:  # noqa: ARG001 - as all systems are read
    """Return the job, as CANDORA_* describe it. There is no event file."""
    return read_params(environ, "argo_workflows")
