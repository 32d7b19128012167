"""The harness ends what it starts, waits no longer than it is told, and shows logs."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import missing
from tests.support.servers.kafka import broker_settings, container_environment
from tests.support.servers.processes import Processes, ProcessFailed, free_port, packages_env

pytestmark = pytest.mark.proof

READY = "print('ready', flush=True); import time; time.sleep(60)"


def test_a_process_ends_with_its_test(tmp_path: Path) -> None:
    with Processes(tmp_path) as group:
        process = group.start(sys.executable, "-c", READY)
        process.wait_for_log("ready")
    assert process.exit_code == -signal.SIGKILL


def test_a_process_ends_with_a_test_run_that_is_killed(tmp_path: Path) -> None:
    run = f"""
import os, signal
from pathlib import Path
from tests.support.servers.processes import start
child = start([{sys.executable!r}, "-c", {READY!r}], Path({str(tmp_path / "log")!r}))
child.wait_for_log("ready")
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = str(Path(__file__).parents[2])
    env = os.environ | packages_env()
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [env.get("PYTHONPATH"), root]))
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False, env=env, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert _ends(int(done.stdout))


def test_a_process_that_dies_early_shows_its_log(processes: Processes) -> None:
    process = processes.start(sys.executable, "-c", "import sys; sys.exit('no such broker')")
    with pytest.raises(ProcessFailed, match=r"(?s)exit code 1 before 'ready' in its log.*no such broker"):
        process.wait_for_log("ready")


def test_waiting_has_an_end(processes: Processes) -> None:
    process = processes.start(sys.executable, "-c", READY)
    with pytest.raises(ProcessFailed, match=r"no sign of status 200 from http://127.0.0.1:\d+/ within 0.2 s"):
        process.wait_for_url(f"http://127.0.0.1:{free_port()}/", timeout=0.2)


def test_a_url_is_awaited_until_it_answers(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("world")
    port = str(free_port())
    server = ["-m", "http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path), port]
    process = processes.start(sys.executable, *server)
    assert process.wait_for_url(f"http://127.0.0.1:{port}/hello") == b"world"
    assert b"404" in process.wait_for_url(f"http://127.0.0.1:{port}/nothing", status=404)
    assert process.terminate() == -signal.SIGTERM


def test_what_is_missing_is_named_once_with_its_number() -> None:
    reasons = ["Skipped: NOT RUN: a broker. Install it.", "NOT RUN: a broker. Install it.", "another reason"]
    assert missing.summary(reasons) == ["2 tests not run: a broker. Install it."]


def test_with_ci_nothing_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="nothing may be left out"):
        missing.not_run("a broker", "Install it.")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match=r"NOT RUN: a broker\. Install it\."):
        missing.not_run("a broker", "Install it.")


def test_a_container_is_told_the_same_settings() -> None:
    variables = container_environment(broker_settings(9092, 9093, "/data"))
    assert variables["KAFKA_PROCESS_ROLES"] == "broker,controller"
    assert variables["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:9092"
    assert variables["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def _ends(pid: int) -> bool:
    """Wait until the process has ended; False if it still runs after ten seconds."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(watch):
        return bool(select.select([watch], [], [], 10)[0])
