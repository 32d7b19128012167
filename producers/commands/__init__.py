"""Offer the commands of `candora-ci`, one module each; only the requested one is loaded.

A module has `HELP`, one line; `add_arguments(parser)`; and `run(given, environ, console)`. Its imports at the top are
light, for `candora-ci --help` loads every one of them, and the extras of another command may not be installed.
"""

import argparse
from collections.abc import Mapping
from importlib import import_module
from typing import Final, Protocol, cast

from producers.errors import ExitCode
from producers.terminal.console import Console

NAMES: Final = ("emit", "drain", "doctor", "serve", "explain", "token", "history")
"""In the order of `--help`."""


class Command(Protocol):
    """What a module of this package offers."""

    HELP: str
    """What it does, in one line without a full stop."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's flags, and the rest of its `--help`."""
        ...

    def run(self, given: argparse.Namespace, environ: Mapping[str, str], console: Console) -> ExitCode:
        """Run the command.

        Raises:
            UsageError: it was called or configured wrongly.
        """
        ...


def load(name: str) -> Command:
    """Return the command of this name, which is one of `NAMES`."""
    return cast("Command", import_module(f"producers.commands.{name}"))
