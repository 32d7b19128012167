"""The producer: a flush that waits until the broker has confirmed everything, or fails (H3)."""

import asyncio
from typing import Any

from faust.exceptions import ProducerSendError
from faust.transport.drivers import aiokafka as driver
from faust.transport.producer import ProducerBuffer
from faust.types.tuples import FutureMessage
from typing_extensions import override


class HardenedBuffer(ProducerBuffer):
    """Faust's send buffer, tracking messages until the broker confirms them."""

    max_messages = 10_000

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._unconfirmed: set[FutureMessage] = set()
        self._error: BaseException | None = None
        super().__init__(*args, **kwargs)

    @override
    def put(self, fut: FutureMessage) -> None:
        self._unconfirmed.add(fut)
        fut.add_done_callback(self._on_done)
        super().put(fut)

    def _on_done(self, fut: asyncio.Future[Any]) -> None:
        self._unconfirmed.discard(fut)
        if fut.cancelled():
            self._error = self._error or asyncio.CancelledError("a message was cancelled before it was confirmed")
        else:
            self._error = self._error or fut.exception()

    @override
    async def flush(self) -> None:
        """H3: Faust gives up after 100 ms and commits offsets of messages whose effects are not written."""
        while self._unconfirmed and self._error is None and not self._crashed.is_set():
            await asyncio.wait(set(self._unconfirmed), timeout=1.0)
        if self._error is not None:
            raise ProducerSendError(f"a message was not delivered: {self._error!r}") from self._error

    @override
    async def on_stop(self) -> None:
        """Wait for unconfirmed messages, unless one was lost, which has already been reported."""
        if self._error is None:
            await self.flush()


class HardenedProducer(driver.Producer):
    """Faust's producer with a `HardenedBuffer`."""

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        buffer = HardenedBuffer(loop=self.loop, beacon=self.beacon)
        buffer.app = self.app
        self.buffer = buffer
