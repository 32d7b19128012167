"""The thread that empties the spool: it comes back from whatever happens to Kafka, and ends when it is told to."""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from queue import Queue

import pytest
from typing_extensions import override

from producers.config import ProducerConfig
from producers.delivery.drainer import Drainer, DrainResult
from producers.delivery.encoder import InstallationEncoder
from producers.delivery.publisher import DeliveryFailure, FailureCause, Message, Outcome, PublisherError
from producers.sidecar import drain_thread as module
from producers.sidecar.drain_thread import DrainThread
from producers.spool.message_file import SpooledMessage
from producers.spool.spool import Spool
from tests.support.publishers import RecordingPublisher

AWAY = DeliveryFailure(FailureCause.UNREACHABLE, "nobody answers")


class Broker(RecordingPublisher):
    """May be away, and takes its time to say so when `hangs`."""

    def __init__(self) -> None:
        super().__init__(fail=lambda _: AWAY if self.away else None)
        self.away = False
        self.hangs = False
        self.given_up = threading.Event()
        self.asked = threading.Event()

    @override
    def publish(self, messages: Iterable[Message], report: Callable[[Message, Outcome], None]) -> None:
        self.asked.set()
        if self.hangs:
            for message in messages:
                self.given_up.wait(10)
                report(message, AWAY)
                return
        super().publish(messages, report)

    def abandon(self) -> None:
        self.given_up.set()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(str(tmp_path)) as opened:
        yield opened


class Draining:
    """A drain thread whose every pass can be waited for."""

    def __init__(self, spool: Spool, opened: Callable[[], Broker]) -> None:
        self.goes: Queue[DrainResult] = Queue()
        self.failed = threading.Event()
        drainer = Drainer(spool, InstallationEncoder(ProducerConfig(None)))
        self.thread = DrainThread(drainer, opened, self.goes.put, self.failed.set, jitter=lambda: 0.5)

    def until(self, holds: Callable[[DrainResult], bool]) -> DrainResult:
        """The first go of which it holds."""
        while not holds(drained := self.goes.get(timeout=10)):
            pass
        return drained


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_INTERVAL", "FIRST_WAIT", "LONGEST_WAIT", "_LAST_WAIT"):
        monkeypatch.setattr(module, name, 0.001)


def test_sends_what_is_put_and_goes_on_when_kafka_is_back(spool: Spool) -> None:
    broker, opened = Broker(), list[Broker]()

    def open_one() -> Broker:
        opened.append(broker)
        return broker

    draining = Draining(spool, open_one)
    draining.thread.start()
    spool.put(SpooledMessage("a", "shop", b"value"))
    draining.thread.wake()
    draining.until(lambda drained: drained.sent.total() == 1)
    broker.away = True
    spool.put(SpooledMessage("b", "shop", b"value"))
    draining.until(lambda drained: drained.failure is AWAY)
    broker.away = False
    draining.until(lambda drained: drained.sent.total() == 1)
    draining.thread.finish(5)

    assert [each.event_id for each in broker.messages] == ["a", "b"]
    assert len(opened) > 1  # a new client after each failure
    assert not draining.failed.is_set()


def test_a_client_that_cannot_be_made_is_tried_again(spool: Spool) -> None:
    attempts = iter([PublisherError("no"), PublisherError("no")])
    broker = Broker()

    def open_one() -> Broker:
        for error in attempts:
            raise error
        return broker

    draining = Draining(spool, open_one)
    spool.put(SpooledMessage("a", "shop", b"value"))
    draining.thread.start()
    assert draining.goes.get(timeout=10).trouble == "no"
    draining.until(lambda drained: drained.sent.total() == 1)
    draining.thread.finish(5)


def test_what_came_last_is_sent_before_the_end(spool: Spool) -> None:
    broker = Broker()
    draining = Draining(spool, lambda: broker)
    draining.thread.start()
    spool.put(SpooledMessage("last", "shop", b"value"))
    draining.thread.finish(5)

    assert [each.event_id for each in broker.messages] == ["last"]


def test_when_the_grace_is_over_a_client_that_hangs_is_given_up(spool: Spool) -> None:
    broker = Broker()
    broker.hangs = True
    draining = Draining(spool, lambda: broker)
    spool.put(SpooledMessage("stays", "shop", b"value"))
    draining.thread.start()
    assert broker.asked.wait(10)
    draining.thread.finish(0.01)

    assert not draining.thread.is_alive()
    assert broker.closed
    assert len(spool.entries()) == 1


def test_a_fault_of_the_thread_is_logged(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Broker:
        raise ZeroDivisionError

    draining = Draining(spool, broken)
    draining.thread.start()

    assert draining.failed.wait(10)
    draining.thread.finish(1)
    assert "nothing is sent to Kafka any more" in caplog.text


def test_a_thread_that_never_ran_can_be_finished(spool: Spool) -> None:
    Draining(spool, Broker).thread.finish(1)
    assert spool.entries() == []
