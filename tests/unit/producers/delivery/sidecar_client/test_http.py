"""What a network may do to a request: refuse, redirect, be slow, be somebody else."""

import asyncio
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from producers.delivery.publisher import FailureCause
from producers.delivery.sidecar_client.http import HttpClient, NoResponse
from producers.delivery.sidecar_client.settings import read_endpoint
from tests.support.certificates import Authority
from tests.support.servers.in_thread import serving
from tests.support.servers.processes import free_port

SECRET = {"Authorization": "Bearer geheim"}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def server_tls(folder: Path, authority: Authority, *, clients: bool = False, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue(name, name).write(folder, "server"))
    if clients:
        context.load_verify_locations(authority.write(folder / "clients.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def hello(request: web.Request) -> web.Response:
    return web.json_response({"method": request.method, "authorized": "Authorization" in request.headers})


def ask(url: str, environ: dict[str, str], seconds: float = 5.0) -> object:
    return HttpClient(read_endpoint(url, environ).tls).ask("POST", url, SECRET, seconds, b"{}").json()


def test_a_request_and_its_answer() -> None:
    with serving([web.post("/", hello)]) as url:
        assert ask(url, {}) == {"method": "POST", "authorized": True}


def test_no_redirect_is_followed() -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.Response()

    with serving([web.route("*", "/", elsewhere)]) as other:

        async def away(request: web.Request) -> web.Response:
            return web.Response(status=int(request.match_info["status"]), headers={"Location": other})

        with serving([web.post("/{status}", away)]) as url:
            for status in (301, 302, 303, 307, 308):
                assert HttpClient().ask("POST", f"{url}/{status}", SECRET, 5.0, b"{}").status == status
    assert seen == []


def test_tls_with_an_authority_of_ones_own(authority: Authority, tmp_path: Path) -> None:
    ca = {"CANDORA_SIDECAR_CA_FILE": str(authority.write(tmp_path / "ca.pem"))}
    with serving([web.post("/", hello)], server_tls(tmp_path, authority)) as url:
        assert ask(url, ca) == {"method": "POST", "authorized": True}
        with pytest.raises(NoResponse, match=r"certificate is not trusted: .*CANDORA_SIDECAR_CA_FILE") as refused:
            ask(url, {})
        assert refused.value.cause is FailureCause.CREDENTIALS


def test_a_certificate_of_another_name_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    ca = {"CANDORA_SIDECAR_CA_FILE": str(authority.write(tmp_path / "ca.pem"))}
    with (
        serving([web.post("/", hello)], server_tls(tmp_path, authority, name="candora.example")) as url,
        pytest.raises(NoResponse, match="the name that it is made out to") as refused,
    ):
        ask(url, ca)
    assert refused.value.cause is FailureCause.CREDENTIALS


def test_a_client_shows_its_certificate(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("ci", "ci.acme.example").write(tmp_path, "ci")
    ca = {"CANDORA_SIDECAR_CA_FILE": str(authority.write(tmp_path / "ca.pem"))}
    ours = {"CANDORA_SIDECAR_CERTIFICATE_FILE": str(certificate), "CANDORA_SIDECAR_KEY_FILE": str(key)}
    with serving([web.post("/", hello)], server_tls(tmp_path, authority, clients=True)) as url:
        assert ask(url, {**ca, **ours}) == {"method": "POST", "authorized": True}
        with pytest.raises(
            NoResponse, match="if it asks for client certificates, set CANDORA_SIDECAR_CERTIFICATE_FILE"
        ):
            ask(url, ca)


def test_a_server_that_says_what_it_misses_is_believed(authority: Authority, tmp_path: Path) -> None:
    """The sidecar's own server hangs up without a word; others send the alert of TLS."""
    ca = {"CANDORA_SIDECAR_CA_FILE": str(authority.write(tmp_path / "ca.pem"))}
    context = server_tls(tmp_path, authority, clients=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            come, going = ssl.MemoryBIO(), ssl.MemoryBIO()
            secure = context.wrap_bio(come, going, server_side=True)
            with connection:
                while data := connection.recv(65_536):  # to the end, or the alert would be lost with the connection
                    come.write(data)
                    with suppress(ssl.SSLError):
                        secure.do_handshake()
                    connection.sendall(going.read())

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        with pytest.raises(NoResponse, match="does not take our certificate, or misses one") as refused:
            ask(f"https://127.0.0.1:{listener.getsockname()[1]}", ca)
        thread.join(5)
    assert refused.value.cause is FailureCause.CREDENTIALS


def test_a_server_without_tls_is_told(authority: Authority, tmp_path: Path) -> None:
    with serving([web.post("/", hello)]) as url, pytest.raises(NoResponse, match="TLS failed: ") as refused:
        ask(url.replace("http://", "https://"), {})
    assert refused.value.cause is FailureCause.UNREACHABLE


def test_nobody_there() -> None:
    with pytest.raises(NoResponse, match="no answer: Connection refused"):
        ask(f"http://127.0.0.1:{free_port()}", {})


def test_an_answer_that_trickles_in_is_not_waited_for() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(20):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    with serving([web.post("/", trickle)]) as url:
        began = time.monotonic()
        with pytest.raises(NoResponse, match="no answer in time"):
            ask(url, {}, 0.3)
        assert time.monotonic() - began < 0.9


def test_what_is_no_http_is_no_answer() -> None:
    async def broken(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        request.transport.close()
        return web.Response()

    with serving([web.post("/", broken)]) as url, pytest.raises(NoResponse, match="no answer: "):
        ask(url, {})


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        asked.append(str(request.url))
        return web.json_response({"by": "proxy"})

    with serving([web.route("*", "/{path:.*}", proxy)]) as url:
        monkeypatch.setenv("http_proxy", url)
        assert ask("http://candora.example/v1/events", {}) == {"by": "proxy"}
        monkeypatch.setenv("no_proxy", "candora.invalid")
        with pytest.raises(NoResponse):
            ask("http://candora.invalid/v1/events", {})
    assert len(asked) == 1
