"""The spool as the event loop sees it: synced in threads, and never waited for longer than a sender waits."""

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
"""One puts, the other looks whether the disk works."""
_TOGETHER: Final = 64
"""Requests whose messages are put at a time."""
READY_BELOW: Final = 0.9
"""Of a limit. Above it no new senders should be sent here."""


class SpoolWriter:
    """Puts messages into a spool. `news` is called after each request whose messages are kept."""

    def __init__(self, spool: Spool, patience: float, news: Callable[[], None], took: Callable[[float], None]) -> None:
        self._spool: Final = spool
        self._patience: Final = patience
        self._news: Final = news
        self._took: Final = took
        self._queue: deque[tuple[Sequence[SpooledMessage], asyncio.Future[None]]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="spool")

    async def keep(self, parcels: Sequence[SpooledMessage]) -> None:
        """Return once all of them are on the disk. SpoolFull and SpoolUnusable as `Spool.put_all`."""
        if not parcels:
            return
        began = time.perf_counter()
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((parcels, kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await kept
        self._took(time.perf_counter() - began)
        self._news()

    async def _write(self) -> None:
        """Put what has come while the disk was busy, and again, until nothing has."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), _TOGETHER))]
            problems: Sequence[Exception | None]
            try:
                problems = await self._in_thread(partial(self._put, [parcels for parcels, _ in batch]))
            except Exception as fault:  # noqa: BLE001 - each of those who wait raises it
                problems = [fault] * len(batch)
            for (_, kept), problem in zip(batch, problems, strict=True):
                if kept.done():  # whoever waited has gone
                    continue
                if problem is None:
                    kept.set_result(None)
                else:
                    kept.set_exception(problem)

    def _put(self, requests: Sequence[Sequence[SpooledMessage]]) -> list[SpoolFull | SpoolUnusable | None]:
        """Put the messages of several requests with one sync of the folder; what went wrong with each of them."""
        try:
            self._spool.put_all([parcel for parcels in requests for parcel in parcels])
        except SpoolFull as error:
            if len(requests) == 1:
                return [error]
            return [problem for parcels in requests for problem in self._put([parcels])]  # some may fit
        except SpoolUnusable as error:
            return [error] * len(requests)
        return [None] * len(requests)

    async def promise(self, parcels: Sequence[SpooledMessage]) -> None:
        """As `keep`, for a sender who waits.

        Raises:
            Rejected: the spool is full, does not work, or is slower than a sender waits. Sent again, nothing is twice.
        """
        await self.in_time(self.keep(parcels))

    async def in_time(self, kept: Awaitable[None]) -> None:
        """Wait for something to be kept. Rejected as `promise`."""
        try:
            async with asyncio.timeout(self._patience):
                await kept
        except SpoolFull as error:
            raise RequestRejected("spool_full") from error
        except SpoolUnusable as error:
            raise RequestRejected("spool_unusable") from error
        except TimeoutError as error:
            raise RequestRejected("spool_slow") from error

    async def why_not_ready(self) -> str | None:
        """Why no more should be sent here, if so."""
        try:
            async with asyncio.timeout(self._patience):
                return await self._in_thread(self._check)
        except SpoolUnusable as error:
            return str(error)
        except TimeoutError:
            return f"the disk of the spool did not answer within {self._patience:g} s"

    def close(self) -> None:
        """Wait for what is being written."""
        self._threads.shutdown()

    def _check(self) -> str | None:
        self._spool.check_writable()
        usage, limits = self._spool.usage(), self._spool.limits
        if usage.files >= READY_BELOW * limits.max_files or usage.size >= READY_BELOW * limits.max_bytes:
            return f"the spool is nearly full: {usage.files} messages, {usage.size} bytes"
        return None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
