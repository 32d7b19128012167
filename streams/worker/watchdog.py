"""Notices that the process stood still: frozen, swapped out, or in a loop that gave nobody else a turn."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

BEAT_SECONDS: Final = 0.5


class WorkerStalledError(RuntimeError):
    """The worker was silent for so long that its partitions may be another's. It must write nothing any more."""


class Watchdog:
    """Beats while the event loop goes round. A pause of more than `limit` seconds is never forgiven.

    Kafka's broker does not keep a worker that wakes too late from writing old state over that of the new owner; only
    its revocation, which it hears of later, would. So it asks itself before it writes.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._last = clock()
        self._longest = 0.0

    def beat(self) -> None:
        """Say that the process is alive."""
        now = self._clock()
        self._longest = max(self._longest, now - self._last)
        self._last = now

    def check(self) -> None:
        """Raise StoodStillError if the process ever paused for more than the limit."""
        self.beat()
        if self._longest > self._limit:
            raise WorkerStalledError(
                f"the worker stood still for {self._longest:.1f} s, more than {self._limit:.1f} s: its partitions may "
                "be another's by now, so it ends; give it more processor time, or raise CANDORA_SESSION_TIMEOUT"
            )

    async def run(self, each_time: Callable[[], None]) -> None:
        """Beat for ever, and call `each_time`; raises StoodStillError."""
        self._last = self._clock()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.check()
            each_time()
