"""Run the demo's child processes: isolated settings, health checks, and a guaranteed stop."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from streams.demo.errors import DemoError

_STOP_TIMEOUT: Final = 15.0
_TAIL: Final = 6
_ERROR: Final = re.compile(r"\b(ERROR|CRITICAL)\b")
_OUR_PREFIXES: Final = ("CANDORA_", "KAFKA_")


def command(module: str, *arguments: str) -> list[str]:
    """Return the arguments that run `main` of a module of this installation with this Python."""
    return [sys.executable, "-c", f"import sys; from {module} import main; sys.exit(main())", *arguments]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with only these settings, so that a demo never uses those of a real cluster."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith(_OUR_PREFIXES)}
    return {**rest, **settings, "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    """Return a free local port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ChildProcess:
    """A process in its own session, so that Ctrl-C reaches only its parent. Its output goes to a file."""

    def __init__(self, name: str, arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._arguments = arguments
        self._environ = environ
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._arguments,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def check(self) -> None:
        """Raise DemoError, with an excerpt of the log, if the process has ended."""
        if self._process is not None and self._process.poll() is not None:
            said = "\n  ".join(_excerpt(self._log.read_text(errors="replace")) or ["(nothing)"])
            raise DemoError(f"the {self.name} ended with code {self._process.returncode}. Its log says:\n  {said}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            pass
        finally:  # also on a second Ctrl-C
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _excerpt(log: str) -> list[str]:
    """Return the first error of a log, usually the cause of the others, and its last lines."""
    lines = [line for line in log.splitlines() if line.strip()]
    last = lines[-_TAIL:]
    first = next((line for line in lines if _ERROR.search(line)), None)
    return last if first is None or first in last else [first, "...", *last]
