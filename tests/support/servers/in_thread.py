"""Servers for a client that blocks: a sidecar, or any application, that runs in a thread."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Final, TypeVar

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.fakes.sidecar import Sidecar

T = TypeVar("T")

PATIENCE: Final = 20.0
PROXIES: Final = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@contextmanager
def running(make: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """What `make` gives, entered and left on a loop in another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait(work: Awaitable[object]) -> object:
        async def do() -> object:
            return await work

        return asyncio.run_coroutine_threadsafe(do(), loop).result(PATIENCE)

    try:
        made: list[AbstractAsyncContextManager[T]] = []

        async def enter() -> T:
            made.append(make())
            return await made[0].__aenter__()

        entered = asyncio.run_coroutine_threadsafe(enter(), loop).result(PATIENCE)
        try:
            yield entered
        finally:
            wait(made[0].__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


@contextmanager
def sidecar_at(make: Callable[[], Sidecar]) -> Iterator[tuple[str, Sidecar]]:
    """A sidecar without Kafka, and its address."""
    with running(make) as sidecar:
        yield str(sidecar.client.make_url("")).rstrip("/"), sidecar


@contextmanager
def serving(routes: Sequence[web.RouteDef], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """An application with these routes; its address."""

    @asynccontextmanager
    async def server() -> AsyncIterator[str]:
        app = web.Application()
        app.add_routes(routes)
        test_server = TestServer(app, scheme="https" if tls else "http")
        await test_server.start_server(ssl=tls)
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{test_server.port}"
        finally:
            await test_server.close()

    with running(server) as url:
        yield url
