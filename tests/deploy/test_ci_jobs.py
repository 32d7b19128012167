"""Jobs that use the packages, run as GitHub, GitLab and Jenkins run them: what arrives, and how they end."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from streams.demo.broker import EmbeddedBroker
from tests.support.ci_jobs import REAL, RECORD, Ended, Job, Workspace, github, gitlab, jenkins, real_environ
from tests.support.fakes.sidecar import Sidecar
from tests.support.servers.in_thread import sidecar_at
from tests.support.servers.processes import free_port
from tests.tools.ci_packages import CHECKED, LISTS, SWITCHES, action

SYSTEMS: Final[Mapping[str, Job]] = {"github": github, "gitlab": gitlab, "jenkins": jenkins}
SHA: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
ROLLOUT: Final = {"event": "canary_started", "service": "shop", "env": "prod", "sha": SHA, "deployment": "run-7"}
INCIDENT: Final = {"event": "incident_opened", "service": "shop", "env": "prod", "incident": "INC-7"}

HOSTILE: Final = (
    "$(touch executed)",
    "`touch executed`",
    "'; touch executed; '",
    '"; touch executed; "',
    "; touch executed #",
    "--help",
    "-x",
    "a  b\t$HOME ${PATH} $$ \\ * ? %n ::error::x",
    "END\ntouch executed\nEOF",
)
CASES: Final = [(job, text) for job in (github, gitlab) for text in HOSTILE]
CASES.extend((jenkins, text) for text in ("".join(HOSTILE[:5]), *HOSTILE[-2:]))
"""Fewer for Jenkins, for Groovy takes its time."""
TEXTS: Final = [name for name in action()["inputs"] if name not in LISTS | SWITCHES | CHECKED]


@pytest.fixture(params=SYSTEMS)
def job(request: pytest.FixtureRequest) -> Job:
    system: str = request.param
    return SYSTEMS[system]


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker() as running:
        running.create(["deploy_events"])
        yield running.bootstrap


def with_kafka(folder: Path, servers: str, **environ: str) -> Workspace:
    kafka = {"CANDORA_KAFKA_BOOTSTRAP_SERVERS": servers, "CANDORA_TIMEOUT": "2s"} if servers else {}
    return Workspace.new(folder, REAL, {**real_environ(), **kafka, **environ})


# --- what is in an input stays there ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("job", "text"), CASES)
def test_every_input_arrives_as_it_is_and_nothing_of_it_is_run(job: Job, text: str, tmp_path: Path) -> None:
    workspace = Workspace.new(tmp_path, RECORD, {"CANDORA_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"})
    inputs = {"event": "canary_started"} | dict.fromkeys([*TEXTS, *LISTS], text) | {"timeout": "3s"}
    if job is gitlab:  # which takes only what it offers
        inputs |= {"lane": "hotfix", "trigger": "auto", "severity": "sev1"}
    ended = job(workspace, inputs)
    assert ended.code == 0, ended.said
    asked = workspace.arguments()
    assert asked[:2] == ["emit", "canary_started"]
    wanted = [f"--{name}={inputs[name]}" for name in TEXTS]
    wanted += [f"--{name}={line}" for name in LISTS - {"args"} for line in text.splitlines()] + text.splitlines()
    assert sorted(asked[2:]) == sorted(wanted + ["--json"] * (job is not github))
    assert not list(tmp_path.rglob("executed"))


@pytest.mark.parametrize("name", [*sorted(CHECKED), "strict"])
@pytest.mark.parametrize("text", ["$(touch executed)", "x; touch executed", "--help", "a\nb"])
def test_an_input_that_is_no_text_is_refused(name: str, text: str, tmp_path: Path) -> None:
    workspace = Workspace.new(tmp_path, RECORD, {"CANDORA_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"})
    ended = github(workspace, ROLLOUT | {name: text})
    assert ended.code == 2
    assert f"::error title=candora::{name}" in ended.said
    assert ended.results["status"] == "not_sent"
    assert not (tmp_path / "asked.json").exists()
    assert not list(tmp_path.rglob("executed"))


@pytest.mark.parametrize(("job", "text"), [case for case in CASES if case[1].isprintable()])
def test_what_looks_like_a_command_is_the_title_of_an_incident(job: Job, text: str, tmp_path: Path) -> None:
    """The same with the real command: it is in the event."""
    ended = job(
        with_kafka(tmp_path, ""), INCIDENT | {"title": text, "args": f"--attribute=note={text}", "dry-run": True}
    )
    assert ended.code == 0, ended.said
    (event,) = [json.loads(line) for line in ended.said.splitlines() if '"event_type"' in line]
    assert event["incident"]["title"] == text
    assert event["attributes"] == {"note": text}
    assert "dry_run" in ended.results.values()
    assert not list(tmp_path.rglob("executed"))


def test_switches_and_lists(job: Job, tmp_path: Path) -> None:
    workspace = Workspace.new(tmp_path, RECORD, {"CANDORA_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"})
    inputs = ROLLOUT | {"service": "shop\n\ncart", "strict": True, "dry-run": True, "explain": False, "timeout": "3s"}
    assert job(workspace, inputs).code == 0
    asked = workspace.arguments()
    assert [each for each in asked if each.startswith("--service")] == ["--service=shop", "--service=cart"]
    assert {"--strict", "--dry-run"} <= set(asked)
    assert "--explain" not in asked


def test_jenkins_takes_a_list_and_says_which_input_is_none(tmp_path: Path) -> None:
    workspace = Workspace.new(tmp_path, RECORD, {})
    assert jenkins(workspace, {"event": "tests_passed", "junit": ["unit=a.xml", "b.xml"]}).code == 0
    assert workspace.arguments()[2:4] == ["--junit=unit=a.xml", "--junit=b.xml"]
    assert jenkins(workspace, {"event": "tests_passed", "sevrice": "shop"}).code == 1


# --- how they end -----------------------------------------------------------------------------------------------------


def test_delivered(job: Job, broker: str, tmp_path: Path) -> None:
    ended = job(with_kafka(tmp_path, broker), ROLLOUT)
    assert ended.code == 0, ended.said
    results = {name.removeprefix("CANDORA_").lower().replace("_", "-"): text for name, text in ended.results.items()}
    assert results["status"] == "delivered"
    assert len(results["event-id"]) == 36
    assert results["partition"].isdecimal()
    assert results["offset"].isdecimal()


def test_a_sidecar_that_is_an_input_has_it(job: Job, tmp_path: Path) -> None:
    with sidecar_at(lambda: Sidecar(tmp_path / "sidecar", now=lambda: datetime.now(UTC))) as (url, sidecar):
        ended = job(with_kafka(tmp_path, "", CANDORA_SIDECAR_TOKEN="good"), ROLLOUT | {"sidecar": url, "strict": True})
        assert ended.code == 0, ended.said
        assert "accepted" in ended.results.values()
        assert [event["deployment_id"] for event in sidecar.kept_events()] == ["run-7"]


ENDS: Final[Mapping[str, tuple[dict[str, Any], str, int, str]]] = {
    "kafka is away": ({}, "away", 0, "not_sent"),
    "kafka is away, strictly": ({"strict": True}, "away", 5, "not_sent"),
    "kafka is away, with a spool": ({"spool": "spool"}, "away", 0, "spooled"),
    "kafka is not configured": ({}, "", 0, "skipped"),
    "kafka is not configured, strictly": ({"strict": True}, "", 3, "skipped"),
    "wrong use": ({"sha": "HEAD"}, "away", 2, "not_sent"),
    "wrong use, forgiven": ({"sha": "HEAD", "allow-failure": True}, "away", 0, "not_sent"),
}
"""Inputs, where Kafka is, the exit code, and the status."""


@pytest.mark.parametrize("case", ENDS)
def test_what_goes_wrong(job: Job, case: str, tmp_path: Path) -> None:
    inputs, kafka, code, status = ENDS[case]
    ended = job(with_kafka(tmp_path, f"127.0.0.1:{free_port()}" if kafka else ""), ROLLOUT | inputs)
    assert "candora-ci: " in ended.said
    if job is jenkins:  # by its own rule: the stage is unstable, and strictly the build fails
        assert ended.code == int("strict" in inputs), ended.said
        unstable = ["stage UNSTABLE, build SUCCESS"] * bool(code and "strict" not in inputs)
        assert ended.log == ("timeout 60 SECONDS", *unstable)
    else:
        assert ended.code == code, ended.said
    if job is github and code == 2:
        assert "::error title=candora-ci::" in ended.said
    if not (job is jenkins and ended.code):  # a build that fails has no use for it
        assert ended.results["CANDORA_STATUS" if job is gitlab else "status"] == status


def fork(job: Job, workspace: Workspace, inputs: Mapping[str, Any]) -> Ended:
    """The same job in the build of a fork's request."""
    if job is github:
        return github(workspace, inputs, fork=True)
    environ = {"CHANGE_FORK": "eve", "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "eve/shop"}
    return job(Workspace(workspace.folder, {**workspace.environ, **environ}), inputs)


@pytest.mark.parametrize(
    ("environ", "reports"),
    [
        ({}, False),
        ({"CANDORA_KAFKA_BOOTSTRAP_SERVERS": ""}, False),
        ({"CANDORA_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "KAFKA_SASL_PASSWORD": ""}, False),
        ({"CANDORA_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "KAFKA_SASL_PASSWORD": "s"}, True),
        ({"CANDORA_SIDECAR_URL": "https://candora.example", "CANDORA_SIDECAR_TOKEN": ""}, False),
        ({"CANDORA_SIDECAR_URL": "https://candora.example", "CANDORA_SIDECAR_TOKEN": "s"}, True),
        ({"CANDORA_SIDECAR_URL": "https://candora.example", "CANDORA_ID_TOKEN": "s"}, True),
        ({"CANDORA_SIDECAR_URL": "http://localhost:8480"}, True),
    ],
)
def test_a_fork_without_secrets_is_skipped_with_a_notice(
    job: Job, environ: Mapping[str, str], reports: bool, tmp_path: Path
) -> None:
    """Also strictly: who sends a request from a fork cannot mend it. `candora-ci` is not even started."""
    workspace = Workspace.new(tmp_path, RECORD, environ)
    ended = fork(job, workspace, ROLLOUT | {"strict": True})
    assert ended.code == 0, ended.said
    assert (tmp_path / "asked.json").exists() == reports
    assert ("the build of a fork has no secrets" in ended.said) != reports
    if not reports:
        assert "skipped" in ended.results.values()


def test_a_missing_command_is_told(job: Job, tmp_path: Path) -> None:
    workspace = Workspace.new(tmp_path, "", {})
    environ = {**workspace.environ, "PATH": _without_candora(workspace)}
    ended = job(Workspace(tmp_path, environ), ROLLOUT | {"strict": True})
    assert ended.code == (1 if job is jenkins else 2)
    assert "candora-ci is not on PATH: install it, or give version or requirements" in ended.said


def _without_candora(workspace: Workspace) -> str:
    folders = workspace.environ["PATH"].split(":")
    return ":".join(each for each in folders if not Path(each, "candora-ci").exists())


def test_windows_is_refused(tmp_path: Path) -> None:
    ended = github(Workspace.new(tmp_path, RECORD, {"RUNNER_OS": "Windows"}), ROLLOUT)
    assert ended.code == 2
    assert "candora runs on Linux and macOS" in ended.said
