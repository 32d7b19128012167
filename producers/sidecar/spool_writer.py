"""Write to the spool from the event loop: sync in threads, with a time limit for each sender."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from producers.sidecar.rejections import RequestRejected
from producers.spool.message_file import SpooledMessage
from producers.spool.spool import Spool, SpoolFull, SpoolUnusable

T = TypeVar("T")

_THREADS: Final = 2
"""One writes, the other checks that the disk works."""
_BATCH: Final = 64
"""Maximum requests whose messages are written with one sync."""
READY_BELOW: Final = 0.9
"""Fraction of a limit above which the sidecar reports that it is not ready."""


class SpoolWriter:
    """Write messages to a spool. `on_written` is called after each request whose messages are on the disk."""

    def __init__(
        self, spool: Spool, patience: float, on_written: Callable[[], None], observe: Callable[[float], None]
    ) -> None:
        self._spool: Final = spool
        self._patience: Final = patience
        self._on_written: Final = on_written
        self._observe: Final = observe
        self._queue: deque[tuple[Sequence[SpooledMessage], asyncio.Future[None]]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="spool")

    async def write(self, messages: Sequence[SpooledMessage]) -> None:
        """Return once all are on the disk. Raises SpoolFull and SpoolUnusable as `Spool.put_all`."""
        if not messages:
            return
        began = time.perf_counter()
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((messages, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_queued())
        await written
        self._observe(time.perf_counter() - began)
        self._on_written()

    async def _write_queued(self) -> None:
        """Write queued requests in batches until the queue is empty."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), _BATCH))]
            problems: Sequence[Exception | None]
            try:
                problems = await self._in_thread(partial(self._put, [messages for messages, _ in batch]))
            except Exception as fault:  # noqa: BLE001 - each of those who wait raises it
                problems = [fault] * len(batch)
            for (_, written), problem in zip(batch, problems, strict=True):
                if written.done():  # whoever waited has gone
                    continue
                if problem is None:
                    written.set_result(None)
                else:
                    written.set_exception(problem)

    def _put(self, requests: Sequence[Sequence[SpooledMessage]]) -> list[SpoolFull | SpoolUnusable | None]:
        """Write several requests with one sync of the folder; return the error of each, or None."""
        try:
            self._spool.put_all([message for messages in requests for message in messages])
        except SpoolFull as error:
            if len(requests) == 1:
                return [error]
            return [problem for messages in requests for problem in self._put([messages])]  # some may fit
        except SpoolUnusable as error:
            return [error] * len(requests)
        return [None] * len(requests)

    async def write_in_time(self, messages: Sequence[SpooledMessage]) -> None:
        """Return once all are on the disk, or fail within the sender's time limit.

        Raises:
            RequestRejected: the spool is full, does not work, or exceeds the time limit. A retry stores nothing twice.
        """
        await self.within_patience(self.write(messages))

    async def within_patience(self, written: Awaitable[None]) -> None:
        """Await a write within the time limit. Raises RequestRejected as `write_in_time`."""
        try:
            async with asyncio.timeout(self._patience):
                await written
        except SpoolFull as error:
            raise RequestRejected("spool_full") from error
        except SpoolUnusable as error:
            raise RequestRejected("spool_unusable") from error
        except TimeoutError as error:
            raise RequestRejected("spool_slow") from error

    async def why_not_ready(self) -> str | None:
        """Return why the spool cannot accept more messages, or None."""
        try:
            async with asyncio.timeout(self._patience):
                return await self._in_thread(self._check)
        except SpoolUnusable as error:
            return str(error)
        except TimeoutError:
            return f"the disk of the spool did not answer within {self._patience:g} s"

    def close(self) -> None:
        """Wait for writes in progress."""
        self._threads.shutdown()

    def _check(self) -> str | None:
        self._spool.check_writable()
        usage, limits = self._spool.usage(), self._spool.limits
        if usage.files >= READY_BELOW * limits.max_files or usage.size >= READY_BELOW * limits.max_bytes:
            return f"the spool is nearly full: {usage.files} messages, {usage.size} bytes"
        return None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
