"""Children of the demo: their settings are the demo's alone, they end with it, and a crash is told with its reason."""

import sys
from pathlib import Path

import pytest

from streams.demo.errors import DemoError
from streams.demo.processes import ChildProcess, command, environment, free_port

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def test_settings_of_a_real_cluster_do_not_reach_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDORA_TOPIC_PREFIX", "real.")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "secret")
    monkeypatch.setenv("HOME", "/home/somebody")
    environ = environment({"CANDORA_STORE": "memory"})
    assert {name for name in environ if name.startswith(("CANDORA_", "KAFKA_"))} == {"CANDORA_STORE"}
    assert environ["HOME"] == "/home/somebody"


def test_a_child_ends_with_its_block(tmp_path: Path) -> None:
    with ChildProcess("sleeper", SLEEPER, environment({}), tmp_path / "log") as child:
        child.check()
        process = child._process
    assert process is not None
    assert process.returncode is not None


def test_a_child_that_ignores_sigterm_ends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.demo.processes._STOP_TIMEOUT", 0.2)
    with ChildProcess("stubborn", STUBBORN, environment({}), tmp_path / "log") as child:
        process = child._process
    assert process is not None
    assert process.returncode is not None
    assert process.returncode < 0


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (["no disk"], r"no disk"),
        (["up", "ERROR no disk", *"abcdefg"], r"ERROR no disk\n  \.\.\.\n  b\n  c\n  d\n  e\n  f\n  g"),
        ([], r"\(nothing\)"),
    ],
)
def test_a_crash_is_told_with_its_first_error_and_its_last_lines(tmp_path: Path, log: list[str], told: str) -> None:
    crash = [sys.executable, "-c", f"import sys; print(*{log!r}, sep=chr(10)); sys.exit(3)"]
    with ChildProcess("worker", crash, environment({}), tmp_path / "log") as child:
        assert child._process is not None
        child._process.wait(20)
        with pytest.raises(DemoError, match=rf"^the worker ended with code 3\. Its log says:\n  {told}$"):
            child.check()


def test_a_command_runs_main_of_its_module_with_this_python() -> None:
    assert command("streams.cli", "worker")[0] == sys.executable
    assert command("streams.cli", "worker")[-1] == "worker"


def test_a_free_port_is_a_port() -> None:
    assert 1024 <= free_port() <= 65535
