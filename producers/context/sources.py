"""From a command line to the fields of its events: finds the CI system, the event file, the repository and its map."""

import argparse
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from producers.context.ci.detect import EVENT_FILE, read_job
from producers.context.ci.job import JobValue
from producers.context.collector import ROLLOUTS, STAGES, CollectedFields, ContextCollector, ContextRequest
from producers.context.git import Git
from producers.context.service_map import FILE, MAX_BYTES, ServiceMap, read_services
from producers.errors import UsageError
from producers.events.flags import HISTORY_FLAGS

MAX_EVENT_BYTES: Final = 26_214_400
"""GitHub sends no larger event."""

_OF_ONE_COMMIT: Final = ("field_event_id", "field_occurred_at", "field_author", "field_parent")


def collect_fields(given: argparse.Namespace, environ: Mapping[str, str], now: datetime) -> CollectedFields:
    """Collect the fields of the events that a command line describes.

    Raises:
        UsageError: a setting cannot be used, or there is no service to report for.
    """
    event, problem = event_file(environ)
    request = _request(given, environ)
    git = Git(".", environ)
    fields = ContextCollector(request, read_job(environ, event), git, _services(given, environ), environ, now).collect()
    return fields._replace(notes=[*([problem] if problem else []), *fields.notes])


def _request(given: argparse.Namespace, environ: Mapping[str, str]) -> ContextRequest:
    for flag, kinds in (("base", STAGES), ("since", ROLLOUTS), ("since_tag", ROLLOUTS)):
        if getattr(given, f"field_{flag}") is not None and given.event_type not in kinds:
            raise UsageError(f"--{flag.replace('_', '-')} goes with {', '.join(sorted(kinds))}")
    history = {
        flag.path: getattr(given, flag.dest) or environ.get(flag.environ or "") or None for flag in HISTORY_FLAGS
    }
    sha = given.field_sha or next((text[11:] for text in given.sets if text.startswith("commit_sha=")), None)
    return ContextRequest(
        event_type=given.event_type,
        given=vars(given),
        services=_named_services(given.field_service, environ),
        sets=given.sets,
        attributes=given.attributes,
        sha=sha,
        alone=any(getattr(given, dest) is not None for dest in _OF_ONE_COMMIT),
        base=history["base"],
        since=history["since"],
        since_tag=history["since_tag"],
        fetch_history=given.fetch_history,
    )


def _named_services(flags: list[str] | None, environ: Mapping[str, str]) -> list[JobValue]:
    """Return the services that were named, each once."""
    if flags:
        return [JobValue(name, "--service") for name in dict.fromkeys(flags)]
    variable = "CANDORA_SERVICE"
    names = [name.strip() for name in environ.get(variable, "").split(",")]
    return [JobValue(name, f"environment {variable}") for name in dict.fromkeys(names) if name]


def event_file(environ: Mapping[str, str]) -> tuple[Any, str | None]:
    """Read GitHub's event file; return its content, or why it cannot be read."""
    path = environ.get(EVENT_FILE)
    if not path or environ.get("GITHUB_ACTIONS") != "true":
        return None, None
    import json  # noqa: PLC0415 - other systems have no such file

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs its import
            text = file.read(MAX_EVENT_BYTES + 1)
        if len(text) > MAX_EVENT_BYTES:
            return None, f"{EVENT_FILE} is not used: it has more than {MAX_EVENT_BYTES} bytes"
        return json.loads(text), None
    except OSError as error:
        return None, f"{EVENT_FILE} is not used: {error.strerror}"
    except (ValueError, RecursionError):
        return None, f"{EVENT_FILE} is not used: it is not JSON"


def _services(given: argparse.Namespace, environ: Mapping[str, str]) -> ServiceMap | None:
    """Read the named service map, else candora.yaml, if there is one."""
    named = given.field_services or environ.get("CANDORA_SERVICES")
    try:
        with open(named or FILE, "rb") as file:  # noqa: PTH123 - as above
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if named is None:
            return None
        raise UsageError(f"--services {named}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"--services {named or FILE}: {error.strerror}") from error
    if len(text) > MAX_BYTES:
        raise UsageError(f"{named or FILE}: has more than {MAX_BYTES} bytes")
    return read_services(text, named or FILE)
