"""Entry point of `candora-ci`: parse the command line, run the command with the real clock and streams."""

import argparse
import errno
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from typing_extensions import override

from producers import commands
from producers.commands import load
from producers.config import ALLOW_FAILURE, switch
from producers.errors import ExitCode, UsageError
from producers.terminal.console import Console

_INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    console = Console(sys.stdout, sys.stderr, os.environ, time.monotonic)
    forgiving = "--allow-failure" in arguments
    try:
        forgiving = forgiving or switch(os.environ, ALLOW_FAILURE)
        given = build_parser(arguments).parse_args(arguments)
        code = int(load(given.command).run(given, os.environ, console))
    except UsageError as error:
        console.error(str(error))
        code = ExitCode.USAGE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        console.error(f"cannot write: {error.strerror}; what was not reported as delivered may not be sent")
        code = ExitCode.USAGE
    except KeyboardInterrupt:
        console.error("interrupted; what was not reported as delivered may not be sent")
        return _INTERRUPTED
    finally:
        console.annotate()
    return 0 if forgiving else code


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of exiting, so that `--allow-failure` covers wrong usage too."""

    @override
    def error(self, message: str) -> NoReturn:
        """Raise UsageError with argparse's message."""
        problem = message.replace("expected one argument", "needs a value, which must not begin with -")
        raise UsageError(f"{problem}; see `{self.prog} --help`")

    @override
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Name an unknown flag before the command, where argparse would only report a missing command."""
        given = sys.argv[1:] if args is None else list(args)
        first = given[0] if given else ""
        if self._subparsers is not None and first.startswith("-") and first not in self._option_string_actions:
            from difflib import get_close_matches

            meant = get_close_matches(first, self._option_string_actions, 1)
            self.error(f"unrecognized argument {first}" + (f", did you mean {meant[0]}" if meant else ""))
        return super().parse_known_args(given, namespace)


class _Version(argparse.Action):
    """Looks up the version on demand: that takes longer than all else that `emit` imports."""

    def __init__(self, option_strings: Sequence[str], dest: str, **given: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **given)

    @override
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("candora")
        except PackageNotFoundError:  # from a checkout that is not installed
            number = "(not installed)"
        sys.stdout.write(f"candora-ci {number}\n")
        parser.exit()


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser: with the one command that the arguments name, or with all if they name none."""
    parser = Parser(prog="candora-ci", description="Report to candora what a pipeline does.", allow_abbrev=False)
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    choices = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = [name for name in arguments[:1] if name in commands.NAMES]
    for name in named or commands.NAMES:
        command = commands.load(name)
        command.add_arguments(choices.add_parser(name, help=command.HELP, allow_abbrev=False))
    return parser
