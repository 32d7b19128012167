"""`candora-ci`: the command a pipeline calls. This module chooses the real clock and streams, and finds the command."""

import errno
import os
import sys
import time
from collections.abc import Sequence
from typing import Final

from producers.commands import load
from producers.config import ALLOW_FAILURE, switch
from producers.console import Console
from producers.errors import ExitCode, UsageError
from producers.parser import build_parser

_INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
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
