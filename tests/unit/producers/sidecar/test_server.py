"""The listening side: what is cut off before a handler sees it, and the order in which the sidecar ends."""

import asyncio
import logging
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from producers.errors import UsageError
from producers.sidecar import server
from producers.sidecar.auth.certificates import certificate_names
from producers.sidecar.auth.settings import TlsSettings
from producers.sidecar.auth.tls import ServerTls
from producers.sidecar.http_app import _peer
from producers.sidecar.settings import LimitSettings, ListenSettings, SidecarSettings, SpoolSettings
from tests.support.certificates import Authority
from tests.support.servers.processes import free_port


async def listening(ending: AsyncExitStack, folder: Path, tls: ServerTls | None = None, **limits: float) -> int:
    """The port of a server that answers with the names in the client's certificate."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(sorted(certificate_names(_peer(request) or {})))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    port = free_port()
    settings = SidecarSettings(spool=SpoolSettings(folder=folder), limits=LimitSettings.model_validate(limits))
    await server._listen(ending, app, ListenSettings(port=port), "tests", settings, tls)
    return port


async def asked(port: int, text: bytes) -> bytes:
    """All that comes back until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


@pytest.mark.parametrize("text", [b"", b"POST /v1/events HTTP/1.1\r\nHost: a\r\nX-Slow: "], ids=["silent", "headers"])
async def test_a_client_that_does_not_send_its_headers_in_time_is_cut_off(tmp_path: Path, text: bytes) -> None:
    async with AsyncExitStack() as ending:
        port = await listening(ending, tmp_path, header_timeout=0.05)
        assert await asked(port, text) == b""


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Large: " + b"x" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(200)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: hunter2\x00\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"hunter2\r\n\r\n",
    ],
    ids=["large header", "many headers", "control character", "two lengths", "no http"],
)
async def test_what_is_no_request_is_refused_and_not_repeated(
    tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as ending:
        with caplog.at_level(logging.INFO):
            answer = await asked(await listening(ending, tmp_path), text)

    assert answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert b"hunter2" not in answer
    assert b"aiohttp" not in answer
    assert "hunter2" not in caplog.text


async def test_the_handlers_see_whose_certificate_it_is(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("localhost", "127.0.0.1").write(tmp_path, "server")
    given = {"certificate": certificate, "key": key, "client_ca": authority.write(tmp_path / "ca.pem")}
    client = ssl.create_default_context(cafile=given["client_ca"])
    async with AsyncExitStack() as ending:
        port = await listening(ending, tmp_path, ServerTls(TlsSettings.model_validate(given), {}))
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"https://127.0.0.1:{port}/", ssl=client)
            client.load_cert_chain(*authority.issue("ci", "ci.acme.example").write(tmp_path, "client"))
            async with session.get(f"https://127.0.0.1:{port}/", ssl=client) as answer:
                assert await answer.json() == ["ci.acme.example"]


async def test_a_client_that_never_ends_its_handshake_is_cut_off(tmp_path: Path) -> None:
    certificate, key = Authority().issue("localhost", "127.0.0.1").write(tmp_path, "server")
    tls = ServerTls(TlsSettings(certificate=certificate, key=key), {})
    async with AsyncExitStack() as ending:
        port = await listening(ending, tmp_path, tls, header_timeout=0.05)
        assert await asked(port, b"") == b""


async def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    async with AsyncExitStack() as ending:
        port = await listening(ending, tmp_path)
        settings = SidecarSettings(spool=SpoolSettings(folder=tmp_path))
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}: "):
            await server._listen(ending, web.Application(), ListenSettings(port=port), "tests", settings)
