"""The serving process' web application over a store of a test, in a thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from streams.exporter.http import create_app
from streams.exporter.store import ExporterStore


@contextmanager
def served(store: ExporterStore) -> Iterator[str]:
    """Serve until the block ends; gives "host:port"."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="served", daemon=True)
    thread.start()
    runner = web.AppRunner(create_app(store), access_log=None)
    try:
        yield asyncio.run_coroutine_threadsafe(_start(runner), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _start(runner: web.AppRunner) -> str:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port, *_ = runner.addresses[0]
    return f"{host}:{port}"
