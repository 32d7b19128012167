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
from typing import Any, Final

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from producers import cli
from producers.receiver.access import Reason
from producers.receiver.settings import Settings
from producers.spool import Spool
from schemas.ids import pinned_decoder
from tests.support.forges import GITHUB_CLAIMS, GITLAB_CLAIMS, SHA, Forge
from tests.support.processes import Process, Processes, free_port, packages_env

PAGE: Final = Path(__file__).parents[4] / "docs" / "security.md"


def blocks(kind: str) -> list[Any]:
    """The YAML of the page that stands under this mark."""
    found = re.findall(rf"<!-- {kind} -->\n```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [yaml.safe_load(text) for text in found]


def test_every_reason_is_told() -> None:
    told = PAGE.read_text("utf-8").partition("## What is refused")[2]
    assert [reason for reason in Reason if f"`{reason}`" not in told] == []


@pytest.mark.parametrize("block", blocks("settings"))
def test_its_settings_are_settings(block: dict[str, Any]) -> None:
    assert Settings.model_validate(block).auth.configured


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
    assert processes.start(*command, "--check", env=packages_env(), name="check").wait() == 0
    process = processes.start(*command, env=packages_env(), name="sidecar")
    process.wait_for_url(f"http://127.0.0.1:{ports[1]}/readyz")
    return process, ports[0]


async def run(script: str, **environ: str) -> str:
    """What a job's script prints, run as a runner does."""

    def work() -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.environ["PATH"], **environ}
        command = ["bash", "-eo", "pipefail", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=30)

    done = await asyncio.to_thread(work)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_its_jobs_report(processes: Processes, tmp_path: Path, issuer: str, forge: Forge) -> None:
    process, port = sidecar(processes, tmp_path, issuer)
    address = f"http://127.0.0.1:{port}"
    (github,) = blocks("github")
    (gitlab,) = blocks("gitlab")
    said = await run(
        github["jobs"]["deploy"]["steps"][0]["run"],
        SIDECAR=address,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN="from-the-runner",
        ACTIONS_ID_TOKEN_REQUEST_URL=f"{issuer}/token?api-version=2",
    )
    assert '"dead_letters":0' in said
    token = forge.token(GITLAB_CLAIMS, aud=gitlab["deploy"]["id_tokens"]["CANDORA_TOKEN"]["aud"])
    assert '"dead_letters":0' in await run(gitlab["deploy"]["script"][0], SIDECAR=address, CANDORA_TOKEN=token)
    assert process.terminate() == 0
    assert token not in process.tail(10_000)
    with Spool(str(tmp_path / "spool")) as spool:
        parcels = [spool.read(entry) for entry in spool.entries()]
    decoder = pinned_decoder("deploy_event")
    events = [decoder.decode(parcel.content) for parcel in parcels if parcel is not None]
    assert [(event["service"], event["env"], event["commit_sha"]) for event in events] == [
        ("shop", "prod", SHA),
        ("cart", "prod", SHA),
    ]
