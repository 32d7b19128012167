"""The end of a worker's process."""

import asyncio
import os
import threading

import pytest
from mode import Service, Worker
from typing_extensions import override

from streams.worker.run import PromptWorker


class Stuck(Service):
    """A service that never stops, as one whose thread has died."""

    @override
    async def on_stop(self) -> None:
        await asyncio.Event().wait()


async def test_a_worker_ends_though_something_in_it_does_not_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(os, "_exit", end)
    worker = PromptWorker.__new__(PromptWorker)
    worker.patience = 0.01
    monkeypatch.setattr(Worker, "stop", Stuck().on_stop)
    stopping = asyncio.ensure_future(worker.stop())
    assert await asyncio.to_thread(ended.wait, 10)
    assert codes == [1]
    assert not stopping.done()
    stopping.cancel()
