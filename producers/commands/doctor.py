"""`candora-ci doctor`: check what sending depends on, and say what to do."""

import argparse
import json
from collections.abc import Mapping
from typing import Final

from producers.commands.emit_arguments import add_delivery
from producers.config import load_config
from producers.errors import ExitCode
from producers.terminal.console import Console

HELP: Final = "check the settings, the broker and registry or the sidecar, the clock and this machine"

_EPILOG: Final = """\
Nothing is written to Kafka unless --send is given. No question waits longer than half of --timeout, and addresses are
tried at once: with nothing but black holes around, the command ends after about --timeout.

exit codes (with and without --strict):
  0  there is no problem; warnings may be
  2  a setting, the topic, the spool or the clock must be fixed
  3  neither Kafka nor a sidecar is configured
  4  credentials or certificates are refused, or we may not write
  5  a broker, the registry or the sidecar is not reached, or there is no such topic
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Check everything that sending an event depends on. Secrets are never shown."
    parser.epilog = _EPILOG
    add_delivery(parser)
    parser.add_argument(
        "--send", action="store_true", help="also send one event, in the synthetic lane, which enters no number"
    )
    parser.add_argument("--json", action="store_true", help="print all findings as one JSON object")


def run(given: argparse.Namespace, environ: Mapping[str, str], console: Console) -> ExitCode:
    """Run the checks and print each result at once; as JSON, at the end."""
    from producers.doctor.examine import examine
    from producers.doctor.finding import exit_code

    config = load_config(vars(given), environ)
    findings = []
    for finding in examine(config, vars(given), environ, trial=given.send):
        findings.append(finding)
        if not given.json:
            console.data(finding.line)
    code = exit_code(findings)
    if given.json:
        console.data(json.dumps({"checks": [each.as_json() for each in findings], "exit_code": int(code)}))
    return code
