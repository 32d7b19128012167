import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest
from typing_extensions import override

from schemas.clients.registry import MAX_ANSWER, RegistryClient, RegistryCredentials, RegistryError
from schemas.codec.codec import load_schema

SCHEMA: Final = load_schema("deploy_event")
SUBJECT: Final = "deploy_events-value"


class Registry(ThreadingHTTPServer):
    """A registry of answers prepared by path; it keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str, Any, str | None]] = []
        self.redirect_to = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, body: Any, status: int = 200) -> None:
        self.answers[path] = (status, body if isinstance(body, bytes) else json.dumps(body).encode())


class Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self._reply()

    def do_POST(self) -> None:
        self._reply()

    def do_PUT(self) -> None:
        self._reply()

    def _reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        question = json.loads(body) if body else None
        self.server.asked.append((self.command, self.path, question, self.headers["Authorization"]))
        status, answer = self.server.answers.get(self.path, (404, b'{"error_code": 40403, "message": "not found"}'))
        self.send_response(status)
        if self.server.redirect_to:
            self.send_header("Location", self.server.redirect_to)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_schema_is_fetched_once_and_remembered(registry: Registry) -> None:
    registry.answer("/schemas/ids/7", {"schema": SCHEMA.raw})
    client = RegistryClient(registry.url + "/")
    assert client.schema_by_id(7).parsed == SCHEMA.parsed
    assert client.schema_by_id(7).parsed == SCHEMA.parsed
    assert [(method, path) for method, path, *_ in registry.asked] == [("GET", "/schemas/ids/7")]


def test_an_id_is_looked_up_and_nothing_is_registered(registry: Registry) -> None:
    registry.answer(f"/subjects/{SUBJECT}", {"subject": SUBJECT, "id": 7, "version": 1})
    assert RegistryClient(registry.url).id_of(SUBJECT, SCHEMA) == 7
    assert registry.asked == [("POST", f"/subjects/{SUBJECT}", {"schema": SCHEMA.raw}, None)]


def test_a_release_registers_and_sets_the_compatibility(registry: Registry) -> None:
    registry.answer(f"/subjects/{SUBJECT}/versions", {"id": 8})
    registry.answer(f"/config/{SUBJECT}", {"compatibility": "FULL_TRANSITIVE"})
    client = RegistryClient(registry.url)
    client.set_compatibility(SUBJECT)
    assert client.register(SUBJECT, SCHEMA) == 8
    assert registry.asked[0] == ("PUT", f"/config/{SUBJECT}", {"compatibility": "FULL_TRANSITIVE"}, None)


def test_a_subject_is_quoted(registry: Registry) -> None:
    registry.answer("/subjects/a%2Fb", {"id": 1})
    assert RegistryClient(registry.url).id_of("a/b", SCHEMA) == 1


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        (None, None),
        (RegistryCredentials(user="ci", password="päss"), "Basic " + base64.b64encode("ci:päss".encode()).decode()),
        (RegistryCredentials(token="t0k"), "Bearer t0k"),
    ],
)
def test_credentials_are_sent_and_never_shown(
    registry: Registry, credentials: RegistryCredentials | None, header: str | None
) -> None:
    registry.answer("/subjects/s", {"id": 1})
    RegistryClient(registry.url, credentials=credentials).id_of("s", SCHEMA)
    assert registry.asked[0][3] == header
    assert "päss" not in repr(credentials)
    assert "t0k" not in repr(credentials)


def test_a_redirect_is_not_followed_with_our_credentials(registry: Registry) -> None:
    registry.redirect_to = f"{registry.url}/elsewhere"
    registry.answer("/schemas/ids/1", {}, status=302)
    with pytest.raises(RegistryError) as caught:
        RegistryClient(registry.url, credentials=RegistryCredentials(token="t0k")).schema_by_id(1)
    assert caught.value.status == 302
    assert len(registry.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "temporary"),
    [
        (404, {"error_code": 40403, "message": "Schema not found"}, False),
        (409, {"error_code": 409, "message": "incompatible"}, False),
        (401, b"<html>", False),
        (429, b"", True),
        (500, {"message": "store timeout"}, True),
        (503, [1], True),
    ],
)
def test_a_refusal_says_what_the_registry_said(registry: Registry, status: int, body: Any, temporary: bool) -> None:
    registry.answer("/schemas/ids/1", body, status=status)
    with pytest.raises(RegistryError) as caught:
        RegistryClient(registry.url).schema_by_id(1)
    assert (caught.value.status, caught.value.temporary) == (status, temporary)
    if isinstance(body, dict):
        assert body["message"] in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"\xff", b" " * (MAX_ANSWER + 1), {"id": "7"}, {}])
def test_an_answer_that_is_none_is_refused(registry: Registry, body: Any) -> None:
    registry.answer("/subjects/s", body)
    with pytest.raises(RegistryError, match="does not answer like a schema registry"):
        RegistryClient(registry.url).id_of("s", SCHEMA)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"schema": '{"type": "object"}', "schemaType": "JSON"}, "is JSON, not Avro"),
        ({"schema": '{"type": "nonsense"}'}, "cannot be read"),
        ({"schema": '{"type": "array", "items": "null"}'}, "entries that take no bytes"),
        ({}, "not Avro"),
    ],
)
def test_a_schema_of_another_kind_is_refused_and_asking_again_does_not_help(
    registry: Registry, answer: Any, problem: str
) -> None:
    registry.answer("/schemas/ids/1", answer)
    with pytest.raises(RegistryError, match=problem) as caught:
        RegistryClient(registry.url).schema_by_id(1)
    assert not caught.value.temporary


def test_a_registry_that_is_not_there_may_be_asked_again(registry: Registry) -> None:
    url = registry.url
    registry.server_close()
    with pytest.raises(RegistryError, match="does not answer") as caught:
        RegistryClient(url, timeout=0.2).schema_by_id(1)
    assert (caught.value.status, caught.value.temporary) == (None, True)


@pytest.mark.parametrize("url", ["registry:8081", "file:///etc/passwd", "http://", "ftp://host", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http:// or https://"):
        RegistryClient(url)


def test_a_password_in_the_address_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="apart from its address") as caught:
        RegistryClient("https://ci:secret@registry")
    assert "secret" not in str(caught.value)
