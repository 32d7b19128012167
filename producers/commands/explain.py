"""`candora-ci explain`: what a webhook's payload becomes, where each field comes from, and why not. Sends nothing."""

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from producers.errors import ExitCode, UsageError
from producers.terminal.console import Console

if TYPE_CHECKING:
    from producers.sidecar.name_mapping import MappedNameResolver
    from producers.sidecar.webhook_mapper import MappedDelivery
    from producers.sidecar.webhooks.sources import WebhookSource

HELP: Final = "show what a webhook's payload becomes"

_DEPTH: Final = 64
"""How deep JSON may be nested: the default of `serve`."""

_EPILOG: Final = """exit codes:
  0  every part of the payload is an event, or is understood and none of the ten
  1  refused: the payload, or a part of it, cannot become the event that it stands for
  2  wrong usage, or a mapping file that is not as it should be

--json prints {"events": [...], "refused": null or a reason} on one line. The reason is also there where a payload is
understood and no event comes of it ("ignored: ..."). Nothing is sent, and no signature is checked.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("file", metavar="FILE", help="the body as it was sent; - reads standard input")
    parser.add_argument("--source", required=True, metavar="NAME", help="pagerduty, alertmanager, grafana, github, ...")
    parser.add_argument("--headers", metavar="FILE", help='its headers: lines "Name: value", or one JSON object')
    parser.add_argument("--names", metavar="FILE", help="the mapping file: services, environments and severities")
    parser.add_argument("--json", action="store_true", help="print the events as the contract has them")


def run(given: argparse.Namespace, _environ: Mapping[str, str], console: Console) -> ExitCode:
    """Show what the payload becomes."""
    from producers.sidecar.json_body import webhook_json
    from producers.sidecar.rejections import RequestRejected
    from producers.sidecar.webhook_mapper import MappedDelivery, map_delivery
    from producers.sidecar.webhooks.reading import WebhookDelivery

    source, names = _source(given.source), _names(given.names)
    headers = _headers(_read(given.headers).decode(errors="replace"), given.headers) if given.headers else {}
    now = datetime.now(UTC)
    try:
        body = webhook_json(headers, _read(given.file), _DEPTH)
    except RequestRejected as error:
        mapped = MappedDelivery(refused=str(error))
    else:
        mapped = map_delivery(source, WebhookDelivery(headers, body, now), names, now)
    if given.json:
        console.data(_as_json(mapped))
    else:
        _show(mapped, console)
    return ExitCode.REFUSED if mapped.refused else ExitCode.OK


def _source(name: str) -> "WebhookSource":
    from producers.sidecar.webhooks.sources import UnknownSource, find_source

    try:
        return find_source(name)
    except UnknownSource as error:
        raise UsageError(f"--source: {error}") from error


def _names(file: str | None) -> "MappedNameResolver":
    from producers.sidecar.name_mapping import MappedNameResolver, NameRules, load_names

    return MappedNameResolver(NameRules()) if file is None else load_names(Path(file))


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def _headers(text: str, file: str) -> dict[str, str]:
    """Read headers by lower-case name."""
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise UsageError(f"{file}: is no JSON: {error}") from error
        if not all(isinstance(value, str) for value in found.values()):
            raise UsageError(f"{file}: every header should be text")
        return {name.lower(): value for name, value in found.items()}
    headers = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or not name.strip() or " " in name.strip():
            raise UsageError(f'{file}:{number}: is no header; write "Name: value"')
        headers[name.strip().lower()] = value.strip()
    return headers


def _as_json(mapped: "MappedDelivery") -> str:
    events = ", ".join(built.as_json() for built in mapped.events)
    reason = mapped.refused
    if reason is None and not mapped.events and mapped.ignored:
        reason = f"ignored: {mapped.ignored}"
    return f'{{"events": [{events}], "refused": {json.dumps(reason)}}}'


def _show(mapped: "MappedDelivery", console: Console) -> None:
    """Print each line without control characters of the payload, which could move a terminal's cursor."""
    from schemas.errors import one_line

    for built in mapped.events:
        console.data(f"{built.value['event_type']} of {built.value['service']}")
        fields = [(path, json.dumps(value, ensure_ascii=False), origin) for path, value, origin in built.explained()]
        for path, value, origin in fields:
            console.data(one_line(f"  {path:<27} {value:<44} {origin}"))
    if mapped.ignored:
        console.data(one_line(f"ignored: {mapped.ignored}"))
    if mapped.refused:
        console.data(one_line(f"refused: {mapped.refused}"))
