"""`candora-ci emit`: send one event, or a file of them. `run` is the whole journey, step by step.

What a step needs is imported where it is used: `--help` and `--dry-run` load no Kafka client, and the client connects
while the contract is being loaded.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final

from producers.commands.emit_arguments import add_arguments, check_usage
from producers.config import load_config
from producers.delivery.delivery import dry_run, open_delivery
from producers.errors import ExitCode, UsageError
from producers.evidence.flags import REPORT_FLAGS
from producers.terminal.console import Console

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from producers.events.event_builder import Assignment
    from producers.terminal.github_step import StepOutcome

__all__ = ["HELP", "add_arguments", "run"]

HELP: Final = "send one event, or a file of them"

_ONLY_STRICT: Final = frozenset({ExitCode.NOT_CONFIGURED, ExitCode.CREDENTIALS, ExitCode.NOT_DELIVERED})


def run(given: argparse.Namespace, environ: Mapping[str, str], console: Console) -> ExitCode:
    """Send the event, or the events of the file."""
    check_usage(given)
    config = load_config(vars(given), environ)
    with (
        _open_input(given.file) as file,
        dry_run() if given.dry_run else open_delivery(config, environ, console, bulk=file is not None) as delivery,
    ):
        from producers.delivery.emitter import EmitOptions, Emitter

        now = datetime.now(UTC)
        options = EmitOptions(given.dry_run, given.explain, given.json, given.skip_invalid)
        emitter = Emitter(options, console, delivery, now)
        code = emitter.emit_file(file) if file is not None else emitter.emit_all(_collect(given, environ, console, now))
        _write_github_step(emitter.outcome(), environ, console)
    return ExitCode.OK if code in _ONLY_STRICT and not config.strict else code


def _open_input(name: str | None) -> "AbstractContextManager[BinaryIO | None]":
    if name is None:
        return nullcontext()
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return open(name, "rb")  # noqa: PTH123 - pathlib costs its import, and the caller closes the file
    except OSError as error:
        raise UsageError(f"--file {name}: {error.strerror}") from error


def _collect(
    given: argparse.Namespace, environ: Mapping[str, str], console: Console, now: datetime
) -> "Sequence[Sequence[Assignment]]":
    """Return the fields of each event: from the command line, the context, and the reports of tools."""
    from producers.context.sources import collect_fields

    collected = collect_fields(given, environ, now)
    for text in collected.warnings:
        console.warning(text)
    if given.explain:
        for text in collected.notes:
            console.info(text)
    if not collected.events and not collected.warnings:
        console.info("no event: the commits touch none of the services that have paths; --explain lists them")
    if not any(getattr(given, flag.dest) for flag in REPORT_FLAGS):
        return collected.events
    from producers.evidence.files import from_reports

    return [[*event, *from_reports(given.event_type, vars(given), event)] for event in collected.events]


def _write_github_step(outcome: "StepOutcome", environ: Mapping[str, str], console: Console) -> None:
    """Write the outputs and the summary of a step of GitHub Actions, in such a step only."""
    from producers.terminal.github_step import OUTPUT_FILE, SUMMARY_FILE, write_step

    if environ.get("GITHUB_ACTIONS") != "true" or not (environ.get(OUTPUT_FILE) or environ.get(SUMMARY_FILE)):
        return
    from uuid import uuid4

    problem = write_step(outcome, environ, lambda: f"candora-{uuid4()}")
    if problem is not None:
        console.warning(f"the step's outputs are not written: {problem}")
