"""Drain the spool into Kafka from a background thread."""

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

POLL_INTERVAL: Final = 5.0
"""Seconds between two polls of the spool without a wake-up: other processes may have written to it."""
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 30.0
"""Upper bound in seconds of the back-off, which doubles from `FIRST_WAIT` after each failure."""
_LAST_WAIT: Final = 0.2

log = logging.getLogger("candora.sidecar")


class AbandonablePublisher(Publisher, Protocol):
    """A publisher that another thread can abort."""

    def abandon(self) -> None:
        """Make `publish` return soon."""
        ...


class DrainThread(threading.Thread):
    """Send spooled messages, oldest first, retrying without end. `open_publisher` creates a publisher.

    `on_drained` is called after each pass. If the thread itself fails, `on_failure` is called and sending stops.
    """

    def __init__(
        self,
        drainer: Drainer,
        open_publisher: Callable[[], AbandonablePublisher],
        on_drained: Callable[[DrainResult], None],
        on_failure: Callable[[], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(name="drain", daemon=True)
        self._drainer = drainer
        self._open_publisher = open_publisher
        self._on_drained = on_drained
        self._on_failure = on_failure
        self._jitter = jitter
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._until = float("inf")
        self._publisher: AbandonablePublisher | None = None
        self._wait = 0.0
        self._complaint: str | None = None

    def wake(self) -> None:
        """Start a pass now: messages were spooled."""
        self._wake.set()

    @override
    def run(self) -> None:
        """Send until `finish` is called."""
        try:
            while not self._stopping.is_set():
                self._wake.wait(POLL_INTERVAL * self._jittered())
                self._wake.clear()
                if not self._drain():
                    self._stopping.wait(self._wait * self._jittered())
            while time.monotonic() < self._until and not self._drain():
                time.sleep(_LAST_WAIT)
        except Exception:
            log.exception("the drain thread has failed: nothing is sent to Kafka any more")
            self._on_failure()
        finally:
            self._close()

    def finish(self, grace: float) -> None:
        """Block until the spool is drained, for at most `grace` seconds; the rest stays on the disk."""
        if not self.is_alive():
            return
        self._until = time.monotonic() + grace
        self._stopping.set()
        self._wake.set()
        self.join(grace)
        publisher = self._publisher
        if publisher is not None:
            publisher.abandon()
        self.join()

    def _drain(self) -> bool:
        """Drain the spool once; return whether it succeeded."""
        try:
            if self._publisher is None:
                self._publisher = self._open_publisher()
            drained = self._drainer.run(self._publisher, lambda: time.monotonic() < self._until)
        except (SpoolBusy, SpoolUnusable, PublisherError) as error:
            drained = DrainResult(trouble=str(error))
        self._on_drained(drained)
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

    def _jittered(self) -> float:
        """Return a random fraction of a pause, so that many sidecars do not retry at the same moment."""
        return 0.5 + self._jitter() / 2
