"""The client that asks Prometheus, against a server of the test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from producers.sidecar.auth.secret import Secret
from producers.sidecar.slo.gate import QueryGrid, SloRefused, SloUnavailable
from producers.sidecar.slo.prometheus import PrometheusClient

ASKED = QueryGrid(1770026400.25, 1770026460.0, 15.0)


class Answering:
    """A server that answers one thing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.body = 200, '{"status": "success", "data": {"result": []}}'
        self.forms: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}

    async def handle(self, request: web.Request) -> web.Response:
        self.forms.append(dict(await request.post()))
        self.headers = dict(request.headers)
        return web.Response(status=self.status, text=self.body, content_type="application/json")


@pytest.fixture
def answering() -> Answering:
    return Answering()


@pytest.fixture
async def client(answering: Answering) -> AsyncIterator[PrometheusClient]:
    app = web.Application()
    app.router.add_post("/prom/api/v1/query_range", answering.handle)
    async with TestServer(app) as server:
        client = PrometheusClient(str(server.make_url("/prom/")), 5.0, {"X-Scope-OrgID": "shop"}, Secret(b"letmein"))
        yield client
        await client.close()


async def test_the_question_and_who_asks(client: PrometheusClient, answering: Answering) -> None:
    assert await client.ask('a{b="c"} > 1', ASKED) == {"result": []}
    assert answering.forms == [
        {"query": 'a{b="c"} > 1', "start": "1770026400.25", "end": "1770026460.0", "step": "15.0"}
    ]
    assert (answering.headers["X-Scope-OrgID"], answering.headers["Authorization"]) == ("shop", "Bearer letmein")


@pytest.mark.parametrize(
    ("status", "body", "error", "told"),
    [
        (
            400,
            '{"status": "error", "errorType": "bad_data", "error": "parse error at char 3"}',
            SloRefused,
            "parse error",
        ),
        (422, '{"status": "error", "error": "query timed out"}', SloRefused, "query timed out"),
        (401, '{"status": "error", "error": "no"}', SloUnavailable, "answers 401"),
        (404, "not found", SloUnavailable, "answers 404"),
        (503, '{"status": "error", "error": "starting"}', SloUnavailable, "answers 503"),
        (302, "", SloUnavailable, "answers 302"),
        (200, "<html>", SloUnavailable, "answers 200"),
        (200, "[]", SloUnavailable, "answers 200"),
    ],
)
async def test_what_is_no_answer(
    client: PrometheusClient, answering: Answering, status: int, body: str, error: type[Exception], told: str
) -> None:
    answering.status, answering.body = status, body
    with pytest.raises(error, match=told) as raised:
        await client.ask("q", ASKED)
    assert "letmein" not in str(raised.value)


async def test_an_answer_without_end_is_cut_off(
    client: PrometheusClient, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.sidecar.slo.prometheus._LARGEST", 10)
    with pytest.raises(SloRefused, match="more than 10 bytes"):
        await client.ask("q", ASKED)


async def test_nobody_there() -> None:
    client = PrometheusClient("http://127.0.0.1:1", 5.0)
    with pytest.raises(SloUnavailable, match=r"127\.0\.0\.1"):
        await client.ask("q", ASKED)
    await client.close()
