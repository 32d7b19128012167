"""The thread that empties the spool into Kafka for as long as the sidecar runs."""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from typing_extensions import override

from producers.delivery.drainer import Drainer, DrainResult
from producers.delivery.publisher import Publisher, PublisherError
from producers.spool.spool import SpoolBusy, SpoolUnusable

LOOK_EVERY: Final = 5.0
"""Seconds between two looks at the spool when nobody brings news: others may have put something there."""
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 30.0
"""Seconds after a failure; they double."""
_LAST_WAIT: Final = 0.2

log = logging.getLogger("candora.sidecar")


class AbandonablePublisher(Publisher, Protocol):
    """A publisher that can be told from another thread to give up."""

    def abandon(self) -> None:
        """Have `publish` return soon."""
        ...


class DrainThread(threading.Thread):
    """Sends what is in the spool, the oldest first, and tries again for ever. `opened` makes a publisher.

    `told` hears of every go. If the pump itself fails, `failed` is called, and nothing is sent any more.
    """

    def __init__(
        self,
        drainer: Drainer,
        opened: Callable[[], AbandonablePublisher],
        told: Callable[[DrainResult], None],
        failed: Callable[[], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(name="pump", daemon=True)
        self._drainer = drainer
        self._opened = opened
        self._told = told
        self._failed = failed
        self._jitter = jitter
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._until = float("inf")
        self._publisher: AbandonablePublisher | None = None
        self._wait = 0.0
        self._complaint: str | None = None

    def news(self) -> None:
        """Something was put."""
        self._news.set()

    @override
    def run(self) -> None:
        """Send until told to finish."""
        try:
            while not self._stopping.is_set():
                self._news.wait(LOOK_EVERY * self._share())
                self._news.clear()
                if not self._go():
                    self._stopping.wait(self._wait * self._share())
            while time.monotonic() < self._until and not self._go():
                time.sleep(_LAST_WAIT)
        except Exception:
            log.exception("the pump has failed: nothing is sent to Kafka any more")
            self._failed()
        finally:
            self._close()

    def finish(self, grace: float) -> None:
        """Go on for at most `grace` seconds, until all is sent; what is left stays on the disk. Blocks until then."""
        if not self.is_alive():
            return
        self._until = time.monotonic() + grace
        self._stopping.set()
        self._news.set()
        self.join(grace)
        publisher = self._publisher
        if publisher is not None:
            publisher.abandon()
        self.join()

    def _go(self) -> bool:
        """Go through the spool once; whether nothing went wrong."""
        try:
            if self._publisher is None:
                self._publisher = self._opened()
            drained = self._drainer.run(self._publisher, lambda: time.monotonic() < self._until)
        except (SpoolBusy, SpoolUnusable, PublisherError) as error:
            drained = DrainResult(trouble=str(error))
        self._told(drained)
        for aside in drained.aside:
            log.error("put aside instead of sent: %s: %s", aside.name, aside.problem)
        wrong = drained.failure.problem if drained.failure else drained.trouble
        if wrong != self._complaint:  # once, not every half minute of an outage
            log.log(logging.WARNING if wrong else logging.INFO, "%s", wrong or "Kafka takes messages again")
        self._complaint = wrong
        if wrong is None:
            self._wait = 0.0
            return True
        # As long as something is sent, what cannot be must not hold the rest up.
        self._wait = FIRST_WAIT if drained.sent else min(LONGEST_WAIT, max(FIRST_WAIT, 2 * self._wait))
        self._close()  # a new client forgets what broke this one
        return False

    def _close(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()

    def _share(self) -> float:
        """How much of a pause to make: many sidecars must not all come back in the same moment."""
        return 0.5 + self._jitter() / 2
