from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from producers.sidecar.auth.gate import open_gate
from producers.sidecar.auth.jwks import MOST_BYTES, fetch
from producers.sidecar.auth.settings import AuthSettings
from tests.support.forges import GITHUB_CLAIMS, OIDC, Forge
from tests.support.servers.processes import free_port


@pytest.fixture
def forge() -> Forge:
    return Forge()


@pytest.fixture
async def issuer(forge: Forge) -> AsyncIterator[str]:
    async def keys(request: web.Request) -> web.Response:
        return web.Response(body=forge.jwks())

    async def away(request: web.Request) -> web.Response:
        return web.Response(status=503)

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound("/.well-known/jwks")

    async def endless(request: web.Request) -> web.Response:
        return web.Response(body=b" " * (MOST_BYTES + 1))

    app = web.Application()
    routes = {"/.well-known/jwks": keys, "/away": away, "/elsewhere": elsewhere, "/endless": endless}
    app.add_routes([web.get(path, answer) for path, answer in routes.items()])
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_keys_come_over_http(issuer: str, forge: Forge) -> None:
    settings = {**OIDC, "gitlab": [], "github": [{**OIDC["github"][0], "issuer": issuer}]}
    gate = open_gate(AuthSettings.model_validate({"oidc": settings}), {})
    now = datetime.now(UTC)
    made = await gate.exchange({"authorization": f"Bearer {forge.token(GITHUB_CLAIMS, iss=issuer)}"}, now)
    assert (await gate.caller({"authorization": f"Bearer {made.token}"}, None, now)).name == "github acme/shop"


@pytest.mark.parametrize(
    ("path", "problem"),
    [("/away", "status 503"), ("/elsewhere", "status 302"), ("/endless", "more than"), ("/nothing", "status 404")],
)
async def test_anything_but_the_document_is_a_problem(issuer: str, path: str, problem: str) -> None:
    with pytest.raises(OSError, match=problem):
        await fetch(issuer + path)


async def test_an_issuer_that_is_down_is_a_problem() -> None:
    with pytest.raises(OSError, match="ClientConnectorError"):
        await fetch(f"http://127.0.0.1:{free_port()}/")
