"""The command line of `candora-ci`: one parser, and in it those of the commands."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from typing_extensions import override

from producers import commands
from producers.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Raises where argparse would end the process, so that `--allow-failure` holds for wrong usage too."""

    @override
    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        told = message.replace("expected one argument", "needs a value, which must not begin with -")
        raise UsageError(f"{told}; see `{self.prog} --help`")

    @override
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Name a flag that it does not know, where argparse would only miss the command."""
        given = sys.argv[1:] if args is None else list(args)
        first = given[0] if given else ""
        if self._subparsers is not None and first.startswith("-") and first not in self._option_string_actions:
            from difflib import get_close_matches  # noqa: PLC0415 - hardly any run is wrong

            meant = get_close_matches(first, self._option_string_actions, 1)
            self.error(f"unrecognized argument {first}" + (f", did you mean {meant[0]}" if meant else ""))
        return super().parse_known_args(given, namespace)


class _Version(argparse.Action):
    """Looks for the version only when it is asked: that takes longer than all else that `emit` imports."""

    def __init__(self, option_strings: Sequence[str], dest: str, **given: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **given)

    @override
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - see above

        try:
            number = version("candora")
        except PackageNotFoundError:  # from a checkout that is not installed
            number = "(not installed)"
        sys.stdout.write(f"candora-ci {number}\n")
        parser.exit()


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of these arguments: with the command that they name alone, or with all if they name none."""
    parser = Parser(prog="candora-ci", description="Tell candora what a pipeline does.", allow_abbrev=False)
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    choices = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = [name for name in arguments[:1] if name in commands.NAMES]
    for name in named or commands.NAMES:
        command = commands.load(name)
        command.add_arguments(choices.add_parser(name, help=command.HELP, allow_abbrev=False))
    return parser
