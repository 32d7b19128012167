"""`candora-ci emit`: send one event, or a file of them.

What it needs is imported where it is used: `--help` and `--dry-run` load no Kafka client, and the client connects
while the contract is being loaded.
"""

import argparse
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final

from producers.commands.emit_arguments import add_arguments
from producers.config import load_config
from producers.delivery.factory import open_encoder, open_publisher, with_spool
from producers.errors import ExitCode, UsageError
from producers.events.flags import EVENT_TYPES, HISTORY_FLAGS, all_flags
from producers.evidence.flags import REPORT_FLAGS
from producers.terminal.console import Console

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from producers.delivery.emitter import Emitter, Encode
    from producers.delivery.publisher import DeliveryFailure, Publisher

__all__ = ["HELP", "add_arguments", "run"]

HELP: Final = "send one event, or a file of them"

_ONLY_STRICT: Final = frozenset({ExitCode.NOT_CONFIGURED, ExitCode.CREDENTIALS, ExitCode.NOT_DELIVERED})


def run(given: argparse.Namespace, environ: Mapping[str, str], console: Console) -> ExitCode:
    """Send the event, or the events of the file."""
    _check_usage(given)
    config = load_config(vars(given), environ)
    bulk = given.file is not None
    with _opened(given.file) as stream:
        publisher = None if given.dry_run or not config.goes_somewhere else open_publisher(config, bulk=bulk)
        try:
            encode, no_schema = open_encoder(config, sends=publisher is not None)
            if not given.dry_run:
                publisher, no_schema = with_spool(publisher, config, environ, console, no_schema)
            emitter = _emitter(given, console, publisher, encode, no_schema)
            code = emitter.emit_file(stream) if stream else _emit_asked(given, environ, emitter, console)
            _tell_github(emitter, environ, console)
        finally:
            if publisher is not None:
                publisher.close()
    return ExitCode.OK if code in _ONLY_STRICT and not config.strict else code


def _check_usage(given: argparse.Namespace) -> None:
    """Refuse what argparse cannot see."""
    if given.file is None:
        if given.event_type is None:
            raise UsageError(f"say what happened ({', '.join(EVENT_TYPES)}), or give --file")
        if given.event_type not in EVENT_TYPES:
            raise UsageError(f"unknown event type {given.event_type!r}{_suggestion(given.event_type)}")
        if given.skip_invalid:
            raise UsageError("--skip-invalid goes with --file")
        return
    fields = [flag.name for flag in all_flags() if getattr(given, flag.dest) is not None]
    fields += [flag.name for flag in REPORT_FLAGS if getattr(given, flag.dest)]
    fields += [flag.name for flag in HISTORY_FLAGS if getattr(given, flag.dest) is not None]
    fields += ["--fetch-history"] * given.fetch_history
    fields += ["EVENT_TYPE"] * (given.event_type is not None)
    fields += ["--set"] * bool(given.sets) + ["--attribute"] * bool(given.attributes)
    if fields:
        raise UsageError(f"with --file every field stands in the file; leave out {', '.join(fields)}")


def _suggestion(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, EVENT_TYPES, n=1)
    return f"; did you mean {near[0]}?" if near else f"; it is one of {', '.join(EVENT_TYPES)}"


def _opened(name: str | None) -> "AbstractContextManager[BinaryIO | None]":
    if name is None:
        return nullcontext()
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return open(name, "rb")  # noqa: PTH123 - pathlib costs its import, and the caller closes the file
    except OSError as error:
        raise UsageError(f"--file {name}: {error.strerror}") from error


def _emitter(
    given: argparse.Namespace,
    console: Console,
    publisher: "Publisher | None",
    encode: "Encode",
    no_schema: "DeliveryFailure | None",
) -> "Emitter":
    from producers.delivery.emitter import EmitOptions, Emitter

    options = EmitOptions(
        dry_run=given.dry_run, explain=given.explain, json=given.json, skip_invalid=given.skip_invalid
    )
    return Emitter(options, console, publisher, encode, datetime.now(UTC), no_schema=no_schema)


def _emit_asked(
    given: argparse.Namespace, environ: Mapping[str, str], emitter: "Emitter", console: Console
) -> ExitCode:
    from producers.context.sources import gathered

    found = gathered(given, environ, emitter.now)
    for text in found.warnings:
        console.warning(text)
    if given.explain:
        for text in found.notes:
            console.info(text)
    events = found.events
    if not events:
        if not found.warnings:
            console.info("no event: the commits touch none of the services that have paths; --explain lists them")
        return ExitCode.OK
    if any(getattr(given, flag.dest) for flag in REPORT_FLAGS):
        from producers.evidence.files import from_reports

        events = [[*event, *from_reports(given.event_type, vars(given), event)] for event in events]
    return emitter.emit_all(events)


def _tell_github(emitter: "Emitter", environ: Mapping[str, str], console: Console) -> None:
    """Outputs and a summary, where there is somebody to read them."""
    from producers.terminal.github_step import OUTPUT_FILE, SUMMARY_FILE, write_step

    if environ.get("GITHUB_ACTIONS") != "true" or not (environ.get(OUTPUT_FILE) or environ.get(SUMMARY_FILE)):
        return
    from uuid import uuid4

    problem = write_step(emitter.outcome(), environ, lambda: f"candora-{uuid4()}")
    if problem is not None:
        console.warning(f"the step's outputs are not written: {problem}")
