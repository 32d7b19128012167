"""`candora-ci drain`: send what a spool holds."""

import argparse
import json
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from producers.commands.emit_arguments import add_delivery
from producers.config import NOWHERE, SPOOL, ProducerConfig, load_config
from producers.delivery.delivery import open_publisher
from producers.errors import ExitCode, UsageError
from producers.terminal.console import Console
from schemas.duration import parse_duration
from schemas.values import SECOND

if TYPE_CHECKING:
    from producers.delivery.drainer import DrainResult
    from producers.spool.spool import Spool

HELP: Final = "send what a spool holds, the oldest first"
DEFAULT_FOR: Final = "60s"

_EPILOG: Final = """\
exit codes:
  0  nothing is left, or there is no such folder;
     also, unless --strict, when the broker does not answer: a warning says what is left
  2  wrong usage, or a message was put into the quarantine of the spool: look into <DIR>/quarantine
  3  with --strict: neither Kafka nor a sidecar is configured
  4  with --strict: the broker or the sidecar refused the credentials
  5  with --strict: messages are left, because the broker did not answer, --for ran out, or another process drains
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Send the messages that `emit --spool` or a stopped sidecar kept, and say what remains."
    parser.epilog = _EPILOG
    add_delivery(parser)
    parser.add_argument(
        "--for", dest="within", metavar=DEFAULT_FOR, default=DEFAULT_FOR, help="begin no more messages after this"
    )
    parser.add_argument("--json", action="store_true", help="print what was sent, put aside and left, as JSON")


def run(given: argparse.Namespace, environ: Mapping[str, str], console: Console) -> ExitCode:
    """Empty the spool, as far as the broker and the time allow."""
    from producers.delivery.spooling import spool_limits
    from producers.spool.spool import Spool, SpoolUnusable

    config = load_config(vars(given), environ)
    seconds = _seconds(given.within)
    if config.spool is None:
        raise UsageError(f"say which spool: --spool DIR or {SPOOL}")
    limits = spool_limits(environ)
    if not os.path.exists(config.spool):  # noqa: PTH110 - pathlib costs its import
        return _nothing_there(config.spool, console, as_json=given.json)
    try:
        with Spool(config.spool, limits) as spool:
            code = _drain(spool, config, console, seconds, as_json=given.json)
    except SpoolUnusable as error:
        raise UsageError(str(error)) from error
    return code if config.strict or code == ExitCode.USAGE else ExitCode.OK


def _seconds(text: str) -> float:
    try:
        return parse_duration(text) / SECOND
    except ValueError as error:
        raise UsageError(f"--for: {error}") from error


def _nothing_there(folder: str, console: Console, *, as_json: bool) -> ExitCode:
    """Report a missing spool. The first `emit` that needs one creates it, so this is no failure."""
    if as_json:
        console.data(json.dumps({"sent": 0, "left": 0, "quarantined": []}))
    console.info(f"there is no folder {folder}: no `emit --spool` has run here, or that is not its name")
    return ExitCode.OK


def _drain(spool: "Spool", config: ProducerConfig, console: Console, seconds: float, *, as_json: bool) -> ExitCode:
    from producers.delivery.drainer import Drainer, DrainResult
    from producers.delivery.encoder import InstallationEncoder
    from producers.delivery.publisher import DeliveryFailure, FailureCause
    from producers.spool.spool import SpoolBusy

    encoding = InstallationEncoder(config)  # reports a wrong configuration even if nothing waits
    drained = DrainResult()
    if not spool.entries():
        pass
    elif not config.goes_somewhere:
        drained.failure = DeliveryFailure(FailureCause.NOT_CONFIGURED, NOWHERE)
    else:
        publisher, until = open_publisher(config, bulk=True), time.monotonic() + seconds
        try:
            drained = Drainer(spool, encoding).run(publisher, lambda: time.monotonic() < until)
        except SpoolBusy as error:
            drained.failure = DeliveryFailure(FailureCause.UNREACHABLE, str(error))
        finally:
            publisher.close()
    left = spool.usage().files
    if as_json:
        aside = [each._asdict() for each in drained.aside]
        console.data(json.dumps({"sent": drained.sent.total(), "left": left, "quarantined": aside}))
    return _conclude(drained, left, spool.folder, console)


def _conclude(drained: "DrainResult", left: int, folder: str, console: Console) -> ExitCode:
    from producers.delivery.outcomes import EXIT_CODES
    from producers.delivery.publisher import FailureCause

    console.info(f"sent {drained.sent.total()}, {left} left in {folder}")
    for aside in drained.aside:
        console.error(f"put aside in {folder}/quarantine: {aside.name}: {aside.problem}")
    if drained.trouble:
        console.error(drained.trouble)
    failure = drained.failure
    if failure is not None:
        text = f"not all was sent: {failure.problem}"
        (console.error if failure.cause is FailureCause.CREDENTIALS else console.warning)(text)
    elif left:
        console.warning(f"not all was sent in time: {left} messages are left; run it again")
    if drained.aside or drained.trouble:
        return ExitCode.USAGE
    if failure is not None:
        return EXIT_CODES[failure.cause]
    return ExitCode.NOT_DELIVERED if left else ExitCode.OK
