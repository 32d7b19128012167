"""The GitHub action installs candora by itself, from wheels in a folder, and reports to an embedded broker."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from streams.demo.broker import EmbeddedBroker
from tests.support.ci_jobs import Workspace, github
from tests.support.wheels import locked_wheels, offline, our_wheel
from tests.tools.ci_packages import ACTION

ROLLOUT: Final = {"event": "canary_started", "service": "shop", "env": "prod", "deployment": "run-7"}
LOCKED: Final = ACTION.parent / "requirements.txt"


@pytest.fixture(scope="module")
def wheels() -> Path:
    return locked_wheels(LOCKED)


def workspace_in(folder: Path, kafka: str, *wheels: Path) -> Workspace:
    """As a runner's, with pip kept from every index."""
    return Workspace.new(folder, "", {**offline(*wheels), "CANDORA_KAFKA_BOOTSTRAP_SERVERS": kafka})


@pytest.mark.slow
def test_the_action_runs_the_code_of_its_own_commit_on_locked_dependencies(wheels: Path, tmp_path: Path) -> None:
    """A later step finds it installed, and the command is on the job's PATH, alone."""
    with EmbeddedBroker() as broker:
        broker.create(["deploy_events"])
        workspace = workspace_in(tmp_path, broker.bootstrap, wheels)
        first = github(workspace, ROLLOUT, installed=False)
        assert (first.code, first.results["status"]) == (0, "delivered"), first.said
        nowhere = Workspace(tmp_path, {**workspace.environ, "PIP_FIND_LINKS": ""})
        second = github(nowhere, ROLLOUT | {"event": "canary_promoted"}, installed=False)
        assert (second.code, second.results["status"]) == (0, "delivered"), second.said
    (folder,) = set((tmp_path / "github_path").read_text("utf-8").split())
    assert [each.name for each in Path(folder).iterdir()] == ["candora-ci"]
    drain = [f"{folder}/candora-ci", "drain", "--spool", str(tmp_path / "spool"), "--bootstrap-servers", "kafka:9092"]
    assert subprocess.run(drain, check=False, capture_output=True, timeout=60).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("way", ["version", "requirements"])
def test_a_version_or_a_locked_file_may_be_asked_for(way: str, wheels: Path, tmp_path: Path) -> None:
    ours = our_wheel(tmp_path)
    workspace = workspace_in(tmp_path, "", wheels, tmp_path)
    version = ours.name.split("-")[1]
    digest = subprocess.run(["sha256sum", ours], check=True, capture_output=True, text=True).stdout.split()[0]
    text = f"{LOCKED.read_text('utf-8')}\ncandora=={version} --hash=sha256:{digest}\n"
    (workspace.work / "candora.txt").write_text(text, "utf-8")
    asked = {"version": version} if way == "version" else {"requirements": "candora.txt"}
    ended = github(workspace, ROLLOUT | asked | {"dry-run": True}, installed=False)
    assert ended.code == 0, ended.said
    assert '"event_type":"canary_started"' in ended.said.replace(" ", "")


@pytest.mark.parametrize(
    ("inputs", "code"), [({}, 0), ({"strict": True}, 5), ({"strict": True, "allow-failure": True}, 0)]
)
def test_what_cannot_be_installed_does_not_stop_a_deployment(
    inputs: dict[str, bool], code: int, tmp_path: Path
) -> None:
    """As Kafka being away: it is said, and only a strict step fails. No wheel is offered here."""
    workspace = workspace_in(tmp_path, "kafka:9092")
    ended = github(workspace, ROLLOUT | {"version": "0.1.0"} | inputs, installed=False)
    assert ended.code == code
    assert "::error title=candora::canary_started is not reported: candora could not be installed" in ended.said
    assert ended.results["status"] == "not_sent"


def test_a_changed_wheel_is_not_installed(tmp_path: Path) -> None:
    ours = our_wheel(tmp_path)
    workspace = workspace_in(tmp_path, "kafka:9092", tmp_path)
    line = f"candora=={ours.name.split('-')[1]} --hash=sha256:{'0' * 64}\n"
    (workspace.work / "candora.txt").write_text(line, "utf-8")
    ended = github(workspace, ROLLOUT | {"requirements": "candora.txt", "strict": True}, installed=False)
    assert ended.code == 5
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in ended.said


def test_what_lies_in_the_workspace_is_not_run(tmp_path: Path) -> None:
    """A request may bring files that are called like modules of Python."""
    workspace = workspace_in(tmp_path, "kafka:9092")
    for module in ("venv", "pip", "ensurepip", "producers"):
        (workspace.work / f"{module}.py").write_text("open('executed', 'w')", "utf-8")
    environ = {**workspace.environ, "PYTHONPATH": str(workspace.work)}
    github(Workspace(tmp_path, environ), ROLLOUT | {"version": "0.1.0"}, installed=False)
    assert not (workspace.work / "executed").exists()


def test_the_locked_dependencies_are_those_of_the_project() -> None:
    """No Faust, no second Kafka client, no web stack; the versions are those that all tests run with."""
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCKED.read_text("utf-8"), re.MULTILINE))
    whole = (ACTION.parents[3] / "requirements.txt").read_text("utf-8")
    everything = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", whole, re.MULTILINE))
    assert pinned.items() <= everything.items()
    assert pinned.keys().isdisjoint({"faust-streaming", "aiokafka", "rocksdict", "aiohttp"})
    assert "://" not in LOCKED.read_text("utf-8")
