"""`candora-ci token`: make a bearer token for a caller of the sidecar, and what the sidecar's settings keep of it."""

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from producers.errors import ExitCode, UsageError
from producers.events.flags import EVENT_TYPES
from producers.terminal.console import Console
from schemas.duration import parse_duration

HELP: Final = "make a token for a caller of the sidecar, and its entry in the settings"

_NEVER: Final = "never"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.description = (
        "Make a bearer token. It is shown this once; the sidecar's settings (auth.tokens) keep its hash only."
    )
    parser.add_argument("--name", required=True, metavar="NAME", help="what the log calls it, such as shop-ci")
    parser.add_argument(
        "--service",
        dest="services",
        metavar="GLOB",
        action="append",
        required=True,
        help="services it may report for, e.g. 'shop*'; repeatable",
    )
    parser.add_argument(
        "--event", dest="events", metavar="EVENT_TYPE", action="append", default=[], help="default: any; repeatable"
    )
    parser.add_argument(
        "--env", dest="environments", metavar="GLOB", action="append", default=[], help="default: any; repeatable"
    )
    parser.add_argument(
        "--expires", metavar="90d", default="90d", help=f"how long it is good, or {_NEVER} (default: 90d)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object with token and entry")


def run(given: argparse.Namespace, environ: Mapping[str, str], console: Console) -> ExitCode:  # noqa: ARG001 - a command
    """Print a new token and its entry."""
    from producers.sidecar.auth.tokens import new_token, token_hash

    token = new_token()
    entry = _entry(given, token_hash(token), datetime.now(UTC))
    if given.json:
        console.data(json.dumps({"token": token, "entry": entry}))
        return ExitCode.OK
    console.data("# The token, shown this once. Keep it as a secret of the CI system:")
    console.data(f"#   {token}")
    console.data("# Its entry in the settings of the sidecar, under auth.tokens:")
    for line in _yaml(entry):
        console.data(line)
    return ExitCode.OK


def _entry(given: argparse.Namespace, digest: str, now: datetime) -> dict[str, Any]:
    """Return the entry, checked by the model that the sidecar reads it with."""
    from pydantic import ValidationError

    from producers.sidecar.auth.settings import TokenSettings

    unknown = sorted(set(given.events).difference(EVENT_TYPES))
    if unknown:
        raise UsageError(f"--event {unknown[0]}: unknown event type; it is one of {', '.join(EVENT_TYPES)}")
    entry: dict[str, Any] = {"name": given.name, "sha256": digest, "services": given.services}
    entry |= {"events": given.events} if given.events else {}
    entry |= {"environments": given.environments} if given.environments else {}
    if given.expires != _NEVER:
        entry["expires"] = _expiry(given.expires, now).isoformat()
    try:
        TokenSettings.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
    return entry


def _expiry(text: str, now: datetime) -> datetime:
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--expires: {error}, or {_NEVER}") from error
    if length == 0:
        raise UsageError(f"--expires: give a length of time, or {_NEVER}")
    return (now + timedelta(microseconds=length)).replace(microsecond=0)


def _yaml(entry: Mapping[str, Any]) -> list[str]:
    """Return the entry as an item of a YAML list. JSON quotes what YAML would misread."""
    return [f"{'-' if at == 0 else ' '} {name}: {json.dumps(value)}" for at, (name, value) in enumerate(entry.items())]
