"""Detect that the process stalled: frozen, swapped out, or blocked in a loop that never yields."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

BEAT_SECONDS: Final = 0.5


class WorkerStalledError(RuntimeError):
    """The worker stalled for so long that its partitions may have another owner. It must not write any more."""


class Watchdog:
    """Measures pauses of the event loop. After one of more than `limit` seconds, every `check` fails.

    Kafka does not keep a worker that wakes too late from overwriting the new owner's state; only the revocation would,
    which it receives later. So the worker checks before it writes.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._last = clock()
        self._longest = 0.0

    def beat(self) -> None:
        """Record that the event loop is running."""
        now = self._clock()
        self._longest = max(self._longest, now - self._last)
        self._last = now

    def check(self) -> None:
        """Raise WorkerStalledError if the process ever paused for more than the limit."""
        self.beat()
        if self._longest > self._limit:
            raise WorkerStalledError(
                f"the worker stood still for {self._longest:.1f} s, more than {self._limit:.1f} s: its partitions may "
                "have another owner by now, so it stops; give it more processor time, or raise CANDORA_SESSION_TIMEOUT"
            )

    async def run(self, each_time: Callable[[], None]) -> None:
        """Beat until cancelled, calling `each_time` after each beat. Raises WorkerStalledError."""
        self._last = self._clock()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.check()
            each_time()
