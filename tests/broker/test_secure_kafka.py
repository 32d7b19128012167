"""What the KAFKA_… variables say of identity and trust holds on a real Kafka, for every process alike."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import BasicAuth, web
from aiohttp.test_utils import TestServer

from producers.errors import ExitCode
from tests.support.certificates import Authority
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes, free_port, packages_env
from tests.support.servers.secure_kafka import PASSWORD, USER, SecureBroker, secure_broker
from tests.support.servers.workers import Installation, commits, eventually

pytestmark = pytest.mark.broker

SHA = "3c9f1a7be2d4506f8a1b2c3d4e5f60718293a4b5"


@pytest.fixture(scope="module")
def kafkas() -> Iterator[tuple[KafkaBroker, SecureBroker]]:
    with secure_broker() as both:
        yield both


@pytest.fixture
def installation(kafkas: tuple[KafkaBroker, SecureBroker], unique: str, tmp_path: Path) -> Installation:
    return Installation.create(kafkas[0], unique, tmp_path, partitions=2)


@pytest.fixture
def broker(kafkas: tuple[KafkaBroker, SecureBroker]) -> SecureBroker:
    return kafkas[1]


def emit(environ: dict[str, str], prefix: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "producers",
        "emit",
        "commit_created",
        "--service",
        "shop",
        "--sha",
        SHA,
        "--strict",
    ]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "CANDORA_"))}
    env = own | packages_env() | {"CANDORA_TOPIC_PREFIX": prefix, "CANDORA_TIMEOUT": "8s"} | environ
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=30)


@pytest.mark.parametrize("way", ["scram", "mutual_tls"])
def test_every_process_proves_itself(
    installation: Installation, broker: SecureBroker, processes: Processes, way: str
) -> None:
    environ: dict[str, str] = getattr(broker, way)()
    done = emit(environ, installation.prefix)
    assert done.returncode == ExitCode.OK, done.stderr
    assert sum(installation.ends().values()) == 1

    installation.send(commits(20))
    environ |= {"CANDORA_TOPIC_PREFIX": installation.prefix, "CANDORA_METRICS_PORT": str(free_port())}
    serving = processes.candora("serve-metrics", env=environ)
    serving.wait_for_url(f"http://127.0.0.1:{environ['CANDORA_METRICS_PORT']}/readyz")
    check = processes.candora("topics", "check", env=environ)
    assert check.wait() == 1  # the test's topics have fewer partitions than it wants, which it can see
    assert f"{installation.prefix}deploy_events" in check.tail()
    worker = installation.process(processes, **environ)
    eventually(lambda: installation.committed() == installation.ends(), "a worker that has read everything")
    assert PASSWORD not in worker.tail(10_000) + serving.tail(10_000) + check.tail(10_000)
    assert worker.terminate() == 0


def test_who_is_not_let_in_is_told_so_and_no_password_is_shown(
    installation: Installation, broker: SecureBroker
) -> None:
    wrong = f"not-{PASSWORD}"
    mallory = broker.mutual_tls(Authority("mallory"))
    trusting = broker.mutual_tls() | {"KAFKA_SSL_CA_LOCATION": str(Authority("other").write(broker.folder / "x.pem"))}
    cases = {"a wrong password": broker.scram(wrong), "a foreign broker": trusting, "a foreign client": mallory}
    cases["no certificate"] = broker.tls()
    found = {name: emit(environ, installation.prefix) for name, environ in cases.items()}
    assert {name: done.returncode for name, done in found.items()} == dict.fromkeys(cases, ExitCode.CREDENTIALS), found
    assert sum(installation.ends().values()) == 0
    for done in found.values():
        assert PASSWORD not in done.stdout + done.stderr


@pytest.fixture
async def endpoint(broker: SecureBroker) -> AsyncIterator[str]:
    """Where a client that knows the secret gets a token that Kafka takes."""

    async def token(request: web.Request) -> web.Response:
        basic, form = BasicAuth.decode(request.headers["Authorization"]), await request.post()
        if (basic.login, basic.password, form["grant_type"]) != (USER, PASSWORD, "client_credentials"):
            return web.json_response({"error": "invalid_client"}, status=401)
        made = broker.issuer.token({"sub": USER, "scope": form["scope"]})
        return web.json_response({"access_token": made, "token_type": "Bearer", "expires_in": 300})

    app = web.Application()
    app.add_routes([web.post("/token", token)])
    async with TestServer(app) as server:
        yield str(server.make_url("/token"))


async def test_emit_gets_a_token_by_oauth(installation: Installation, broker: SecureBroker, endpoint: str) -> None:
    done = await asyncio.to_thread(emit, broker.oauth(endpoint), installation.prefix)
    assert done.returncode == ExitCode.OK, done.stderr
    assert sum(installation.ends().values()) == 1
    wrong = await asyncio.to_thread(emit, broker.oauth(endpoint, f"not-{PASSWORD}"), installation.prefix)
    assert wrong.returncode == ExitCode.CREDENTIALS, wrong.stderr
    assert PASSWORD not in done.stderr + wrong.stderr
