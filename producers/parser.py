"""The command line of `candora-ci`: one parser, and in it those of the commands."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from typing_extensions import override

from producers import commands
from producers.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Raises where argparse would end the process, so that `--allow-failure` holds for wrong usage too."""

    @override
    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UsageError(f"{message}; see `{self.prog} --help`")


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of these arguments: with the command that they name alone, or with all if they name none."""
    parser = Parser(prog="candora-ci", description="Report what a pipeline does to candora.", allow_abbrev=False)
    choices = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = [name for name in arguments[:1] if name in commands.NAMES]
    for name in named or commands.NAMES:
        command = commands.load(name)
        command.add_arguments(choices.add_parser(name, help=command.HELP, allow_abbrev=False))
    return parser
