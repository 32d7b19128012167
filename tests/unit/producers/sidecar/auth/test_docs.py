"""What docs/security.md shows works as it stands: its settings are read, its jobs report."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from producers import cli
from producers.sidecar.auth.access import RefusalReason
from producers.sidecar.settings import SidecarSettings
from producers.spool.spool import Spool
from schemas.ids import pinned_decoder
from tests.support.forges import GITHUB_CLAIMS, GITLAB_CLAIMS, SHA, Forge
from tests.support.servers.processes import Process, Processes, free_port, packages_env

PAGE: Final = Path(__file__).parents[5] / "docs" / "security.md"
PATIENCE: Final = 60.0
"""Seconds for a process on a machine that has other work."""
GITHUB_JOB: Final = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_SHA": SHA,
    "GITHUB_RUN_ID": "9001",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_ACTOR": "alice",
}
GITLAB_JOB: Final = {
    "GITLAB_CI": "true",
    "CI_SERVER_URL": "https://gitlab.acme.example",
    "CI_PROJECT_PATH": "acme/web/cart",
    "CI_PROJECT_URL": "https://gitlab.acme.example/acme/web/cart",
    "CI_COMMIT_SHA": SHA,
    "CI_COMMIT_BRANCH": "main",
    "CI_PIPELINE_ID": "455",
    "CI_PIPELINE_URL": "https://gitlab.acme.example/acme/web/cart/-/pipelines/455",
    "CI_ENVIRONMENT_NAME": "production",
    "GITLAB_USER_LOGIN": "bob",
}
"""What the runners say of the runs that the claims of `tests.support.forges` are of."""


def blocks(kind: str) -> list[Any]:
    """The YAML of the page that stands under this mark."""
    found = re.findall(rf"<!-- {kind} -->\n```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [yaml.safe_load(text) for text in found]


def test_every_reason_is_told() -> None:
    told = PAGE.read_text("utf-8").partition("## What is refused")[2]
    assert [reason for reason in RefusalReason if f"`{reason}`" not in told] == []


@pytest.mark.parametrize("block", blocks("settings"))
def test_its_settings_are_settings(block: dict[str, Any]) -> None:
    assert SidecarSettings.model_validate(block).auth.configured


def test_its_commands_make_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^    candora-ci (token .*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [cli.main(shlex.split(command)) for command in commands] == [0, 0]
    assert len(yaml.safe_load(capsys.readouterr().out)) == len(commands)


@pytest.fixture(scope="module")
def forge() -> Forge:
    return Forge()


@pytest.fixture
async def issuer(forge: Forge) -> AsyncIterator[str]:
    """Both forges at one address: their keys, and GitHub's service that gives tokens to jobs."""

    async def keys(request: web.Request) -> web.Response:
        return web.Response(body=forge.jwks())

    async def token(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer from-the-runner"
        return web.json_response({"value": forge.token(GITHUB_CLAIMS, aud=request.query["audience"])})

    app = web.Application()
    app.add_routes([web.get("/keys", keys), web.get("/token", token)])
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


def sidecar(processes: Processes, folder: Path, issuer: str) -> tuple[Process, int]:
    """A sidecar with the page's settings, but for where the forges' keys are; Kafka is away."""
    (settings,) = (each for each in blocks("settings") if "oidc" in each["auth"])
    ports = free_port(), free_port()
    settings |= {
        "listen": {"port": ports[0]},
        "metrics": {"port": ports[1]},
        "kafka": {"bootstrap_servers": f"127.0.0.1:{free_port()}"},
        "spool": {"folder": str(folder / "spool")},
        "grace": "1s",
    }
    for forges in (settings["auth"]["oidc"]["github"], settings["auth"]["oidc"]["gitlab"]):
        forges[0]["jwks_url"] = f"{issuer}/keys"
    (folder / "candora.yaml").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "producers", "serve", "--config", str(folder / "candora.yaml")]
    assert processes.start(*command, "--check", env=packages_env(), name="check").wait(PATIENCE) == 0
    process = processes.start(*command, env=packages_env(), name="sidecar")
    process.wait_for_url(f"http://127.0.0.1:{ports[1]}/readyz", PATIENCE)
    return process, ports[0]


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder with `candora-ci`, and a `pip` that has nothing to do: candora is installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("candora-ci", f'exec {sys.executable} -m producers "$@"'), ("pip", "exit 0")):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return folder


async def run(scripts: list[str], folder: Path, **environ: str) -> str:
    """What the steps of a job say, run as a runner does, each in a process of its own."""

    def work(script: str) -> subprocess.CompletedProcess[str]:
        temporary = folder / "temporary"
        temporary.mkdir(exist_ok=True)
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        env = {**packages_env(), "PATH": path, "TMPDIR": str(temporary), "CANDORA_STRICT": "1", **environ}
        env |= {"GIT_DIR": "nowhere", "CANDORA_TIMEOUT": f"{PATIENCE / 2:g}s"}
        command = ["bash", "-eo", "pipefail", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=PATIENCE)

    said = ""
    for script in scripts:
        done = await asyncio.to_thread(work, script)
        assert done.returncode == 0, done.stderr
        said += done.stdout + done.stderr
    return said


async def test_its_jobs_report(processes: Processes, tmp_path: Path, commands: Path, issuer: str, forge: Forge) -> None:
    process, port = sidecar(processes, tmp_path, issuer)
    [github], [gitlab] = blocks("github"), blocks("gitlab")
    job = github["jobs"]["deploy"]
    audience = job["env"]["CANDORA_SIDECAR_URL"]
    assert audience == gitlab["deploy"]["variables"]["CANDORA_SIDECAR_URL"]
    # The address is that of the test; what the tokens are made out to stays the page's.
    address = {"CANDORA_SIDECAR_URL": f"http://127.0.0.1:{port}", "CANDORA_SIDECAR_AUDIENCE": audience}
    said = await run(
        [step["run"] for step in job["steps"]],
        tmp_path,
        **address,
        **GITHUB_JOB,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN="from-the-runner",
        ACTIONS_ID_TOKEN_REQUEST_URL=f"{issuer}/token?api-version=2",
    )
    token = forge.token(GITLAB_CLAIMS, aud=gitlab["deploy"]["id_tokens"]["CANDORA_ID_TOKEN"]["aud"])
    said += await run(gitlab["deploy"]["script"], tmp_path, **address, **GITLAB_JOB, CANDORA_ID_TOKEN=token)
    assert process.terminate(PATIENCE) == 0
    assert token not in process.tail(10_000) + said
    assert "candora_session_" not in process.tail(10_000) + said
    with Spool(str(tmp_path / "spool")) as spool:
        parcels = [spool.read(entry) for entry in spool.entries()]
    decoder = pinned_decoder("deploy_event")
    events = [decoder.decode(parcel.content) for parcel in parcels if parcel is not None]
    assert [(event["event_type"], event["service"], event["env"], event["commit_sha"]) for event in events] == [
        ("canary_started", "shop", "prod", SHA),
        ("canary_promoted", "shop", "prod", SHA),
        ("canary_started", "cart", "prod", SHA),
        ("canary_promoted", "cart", "prod", SHA),
    ]


@pytest.mark.parametrize(("guide", "mark"), [("github-actions", "github"), ("gitlab-ci", "gitlab")])
def test_the_guides_set_what_the_page_sets(guide: str, mark: str) -> None:
    text = (PAGE.parent / "ci" / f"{guide}.md").read_text("utf-8").partition("Without a secret")[2]
    (shown,) = re.findall(r"\n\n((?:    .*\n)+)", text.partition("## ")[0])
    (block,) = blocks(mark)
    job = {**block, **block.get("jobs", block)["deploy"]}
    for name, value in yaml.safe_load(dedent(shown)).items():
        assert job[name] == value
