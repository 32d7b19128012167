"""How the serving process ends when a part of it does."""

import asyncio
import threading
from typing import cast

import pytest

from streams.exporter.lag import LagWatcher
from streams.exporter.reader import OutputReader
from streams.exporter.run import LagWatchError, _read_until, _start_watching


class Reading:
    """A reader that reads until it is stopped."""

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def run(self) -> None:
        assert self.stopped.wait(10)

    def stop(self) -> None:
        self.stopped.set()


class Watching:
    """A watch that ends as it is told to."""

    def __init__(self, failure: Exception | None, may_end: threading.Event) -> None:
        self._failure = failure
        self._may_end = may_end

    def run(self) -> None:
        assert self._may_end.wait(10)
        if self._failure is not None:
            raise self._failure


def test_a_watch_that_fails_ends_the_process_and_says_why() -> None:
    reader, at_once = Reading(), threading.Event()
    at_once.set()

    async def serve() -> None:
        watching = _start_watching(cast("LagWatcher", Watching(KeyError("partition 7"), at_once)))
        await _read_until(asyncio.Event(), cast("OutputReader", reader), watching)

    with pytest.raises(LagWatchError, match=r"pipeline.*KeyError\('partition 7'\)") as failed:
        asyncio.run(serve())
    assert isinstance(failed.value.__cause__, KeyError)
    assert reader.stopped.is_set()


def test_a_watch_that_still_waits_for_an_answer_holds_nothing_up() -> None:
    reader, stop, never = Reading(), asyncio.Event(), threading.Event()
    stop.set()

    async def serve() -> None:
        await _read_until(
            stop, cast("OutputReader", reader), _start_watching(cast("LagWatcher", Watching(None, never)))
        )

    asyncio.run(serve())
    assert reader.stopped.is_set()
    never.set()
