"""A worker that stood still for too long stays stalled."""

import pytest

from streams.worker.watchdog import Watchdog, WorkerStalledError


def test_a_pause_within_the_limit_is_nothing() -> None:
    now = iter([0.0, 9.0, 18.0])
    watchdog = Watchdog(9.0, lambda: next(now))
    watchdog.check()
    watchdog.check()


def test_a_longer_pause_is_never_forgiven() -> None:
    now = iter([0.0, 10.0, 10.1, 10.2])
    watchdog = Watchdog(9.0, lambda: next(now))
    watchdog.beat()
    for _ in range(2):
        with pytest.raises(WorkerStalledError, match=r"stood still for 10\.0 s"):
            watchdog.check()
