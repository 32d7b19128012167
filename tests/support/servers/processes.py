"""Start our commands and other servers as processes, wait for them with a deadline, and show why they failed."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, TypeVar

import pytest

import schemas

T = TypeVar("T")

POLL: Final = 0.05
"""Seconds between two looks at something that is awaited."""

# Runs the command in the place of this little program, once the kernel has promised to kill it with its parent:
# also a test run that dies by SIGKILL leaves nothing behind. (Linux only; elsewhere the fixtures alone clean up.)
_LEASH: Final = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the test run died first")
os.execvp(sys.argv[2], sys.argv[2:])
"""


class ProcessFailed(AssertionError):
    """A process died, or did not do in time what was awaited; the message ends with the tail of its log."""


@dataclass(eq=False)
class Process:
    """A running command. It dies with the thread that started it, so start it from the main one."""

    name: str
    log: Path
    popen: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number if one killed it."""
        return self.popen.poll()

    def tail(self, lines: int = 40) -> str:
        """The last lines that it wrote to its standard output and error."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def failure(self, problem: str) -> ProcessFailed:
        """The error to raise about this process."""
        return ProcessFailed(f"{self.name}: {problem}; the end of its log:\n{self.tail()}")

    def wait_until(self, look: Callable[[], T | None], what: str, timeout: float = 30.0) -> T:
        """What `look` answers once it is not None. Fails if the process ends before, or after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while (found := look()) is None:
            if self.exit_code is not None:
                raise self.failure(f"ended with exit code {self.exit_code} before {what}")
            if time.monotonic() > deadline:
                raise self.failure(f"no sign of {what} within {timeout:g} s")
            time.sleep(POLL)
        return found

    def wait_for_url(self, url: str, timeout: float = 30.0, status: int = 200) -> bytes:
        """The body that `url` answers with, once it answers with `status`."""
        return self.wait_until(lambda: _body(url, status), f"status {status} from {url}", timeout)

    def wait_for_log(self, text: str, timeout: float = 30.0) -> None:
        """Wait until the log holds `text`."""
        self.wait_until(lambda: True if text in self.tail(10_000) else None, f"{text!r} in its log", timeout)

    def wait(self, timeout: float = 30.0) -> int:
        """The exit code, once it has ended by itself."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self.failure(f"still running after {timeout:g} s") from None

    def pause(self) -> None:
        """Freeze it (SIGSTOP), as a machine does that swaps or a runtime that collects garbage."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        os.killpg(self.pid, signal.SIGCONT)

    def terminate(self, timeout: float = 30.0) -> int:
        """Ask it to end (SIGTERM) and give its exit code; it fails if it does not end in time."""
        if self.exit_code is None:
            self.popen.terminate()
        return self.wait(timeout)

    def kill(self) -> None:
        """End it and its children without asking (SIGKILL)."""
        if self.exit_code is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()


def start(command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, name: str = "") -> Process:
    """Start `command` in a process group of its own, with `env` on top of our environment, writing to `log`."""
    leash = [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid())]
    with log.open("ab") as sink:
        popen = subprocess.Popen(
            [*leash, *command],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    return Process(name or Path(command[0]).name, log, popen)


@dataclass
class Processes:
    """Starts the processes of one test and ends them with it."""

    folder: Path
    running: list[Process] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for process in reversed(self.running):
            process.kill()
            print(f"--- {process.name}, exit code {process.exit_code}:\n{process.tail()}")

    def start(self, *command: str, env: Mapping[str, str] | None = None, name: str = "") -> Process:
        """Start any command; its log is kept in the test's folder."""
        log = self.folder / f"process-{len(self.running)}.log"
        self.running.append(start(command, log, env=env, name=name))
        return self.running[-1]

    def candora(self, *args: str, env: Mapping[str, str] | None = None) -> Process:
        """Start `candora ARGS...` from the same packages that the tests import."""
        return self._script("streams.cli", "candora", args, env)

    def candora_ci(self, *args: str, env: Mapping[str, str] | None = None) -> Process:
        """Start `candora-ci ARGS...` from the same packages that the tests import."""
        return self._script("producers.cli", "candora-ci", args, env)

    def _script(self, module: str, name: str, args: Sequence[str], env: Mapping[str, str] | None) -> Process:
        command = script_command(module, name)
        return self.start(*command, *args, env=packages_env() | dict(env or {}), name=" ".join((name, *args[:1])))


def script_command(module: str, name: str) -> list[str]:
    """What an installed script called `name` does with the `main` of `module`."""
    return [sys.executable, "-c", f"import sys; from {module} import main; sys.argv[0] = {name!r}; sys.exit(main())"]


def packages_env() -> dict[str, str]:
    """The environment in which a child imports the packages from where this process imports them."""
    where = Path(schemas.__file__).resolve().parent.parent
    env = {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    return env if where.name == "site-packages" else env | {"PYTHONPATH": str(where)}


def free_port() -> int:
    """A TCP port that nothing uses now, below the range from which the kernel takes ports for outgoing connections.

    So nobody takes it by chance while its server is being restarted.
    """
    for port in _shuffled_ports():
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free TCP port between 20000 and 32000")


def _shuffled_ports() -> Iterator[int]:
    start_at = int.from_bytes(os.urandom(2)) % 12_000
    return (20_000 + (start_at + step * 7) % 12_000 for step in range(12_000))


def _body(url: str, status: int) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - a server of ours
            body: bytes = answer.read()
            return body if answer.status == status else None
    except urllib.error.HTTPError as error:
        with error:
            return error.read() if error.code == status else None
    except OSError:
        return None


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts commands that end with the test; their logs are shown if it fails."""
    with Processes(tmp_path) as group:
        yield group
