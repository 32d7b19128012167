"""The promises of `producers.delivery.publisher.Publisher` as one suite, and a publisher without Kafka."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from producers.delivery.publisher import (
    DeliveryFailure,
    DeliveryReceipt,
    FailureCause,
    Message,
    Outcome,
    Publisher,
    SidecarReceipt,
)
from schemas.partitioner import partition_of

PARTITIONS: Final = 4

Reports = list[tuple[Message, Outcome]]


class RecordingPublisher:
    """Keeps what it is given, in partitions chosen as Kafka's are. `fail` says what goes wrong with a message."""

    def __init__(
        self, topic: str = "deploy_events", *, fail: Callable[[Message], DeliveryFailure | None] | None = None
    ) -> None:
        self.topic = topic
        self.log: list[list[Message]] = [[] for _ in range(PARTITIONS)]
        self.closed = False
        self._fail = fail or (lambda _: None)

    @property
    def messages(self) -> list[Message]:
        """All that was delivered, by partition."""
        return [message for partition in self.log for message in partition]

    def publish(self, messages: Iterable[Message], report: Callable[[Message, Outcome], None]) -> None:
        for message in messages:
            failure = self._fail(message)
            if failure is not None:
                report(message, failure)
                if failure.cause is not FailureCause.MESSAGE:
                    return
                continue
            partition = partition_of(message.key, PARTITIONS)
            self.log[partition].append(message)
            report(message, DeliveryReceipt(self.topic, partition, len(self.log[partition]) - 1))

    def close(self) -> None:
        self.closed = True


def message(name: str, key: str = "shop", value: bytes = b"value") -> Message:
    """A message whose id is its name."""
    return Message(name, key.encode(), value)


def publish(publisher: Publisher, messages: Iterable[Message]) -> Reports:
    """What the publisher reports, in its order."""
    reports: Reports = []
    publisher.publish(messages, lambda sent, outcome: reports.append((sent, outcome)))
    return reports


class PublisherSuite:
    """What every publisher promises. A test class for one of them inherits this and gives the three fixtures.

    `publisher` delivers, `unreachable` reaches nobody at all, and `too_large` is a message that whoever is behind
    `publisher` does not take.
    """

    def message(self, name: str, key: str = "shop") -> Message:
        """A message that can be told from others by its name."""
        return message(name, key)

    def test_reports_each_message_once(self, publisher: Publisher) -> None:
        sent = [self.message(f"event {number}", f"service-{number % 7}") for number in range(50)]

        reports = publish(publisher, sent)

        assert sorted(report.event_id for report, _ in reports) == sorted(each.event_id for each in sent)
        assert all(isinstance(outcome, DeliveryReceipt | SidecarReceipt) for _, outcome in reports)

    def test_reports_nothing_for_nothing(self, publisher: Publisher) -> None:
        assert publish(publisher, []) == []

    def test_goes_on_after_a_message_that_is_never_taken(self, publisher: Publisher, too_large: Message) -> None:
        small = self.message("small")

        reports = dict(publish(publisher, [too_large, small]))

        refused = reports[too_large]
        assert isinstance(refused, DeliveryFailure)
        assert refused.cause is FailureCause.MESSAGE
        assert isinstance(reports[small], DeliveryReceipt | SidecarReceipt)

    def test_says_that_nothing_arrived_when_nobody_is_there(self, unreachable: Publisher) -> None:
        [(_, outcome)] = publish(unreachable, [self.message("lost")])

        assert isinstance(outcome, DeliveryFailure)
        assert outcome.cause is FailureCause.UNREACHABLE

    def test_takes_no_more_messages_once_nobody_is_there(self, unreachable: Publisher) -> None:
        def endless() -> Iterator[Message]:
            number = 0
            while True:
                yield self.message(f"event {number}")
                number += 1

        source = endless()
        reports = publish(unreachable, source)

        assert reports
        assert all(isinstance(outcome, DeliveryFailure) for _, outcome in reports)
        assert next(source) == self.message(f"event {len(reports)}")


class BrokerSuite(PublisherSuite):
    """What those promise that write to a topic, here one of `PARTITIONS` partitions."""

    def test_each_message_has_a_place_of_its_own(self, publisher: Publisher) -> None:
        reports = publish(publisher, [self.message(f"event {number}", f"service-{number % 7}") for number in range(50)])

        places = {(outcome.partition, outcome.offset) for _, outcome in reports if isinstance(outcome, DeliveryReceipt)}
        assert len(places) == len(reports)

    def test_puts_a_message_where_java_and_aiokafka_look_for_its_key(self, publisher: Publisher) -> None:
        for sent, outcome in publish(publisher, [message(f"{n}", f"service-{n}") for n in range(100)]):
            assert isinstance(outcome, DeliveryReceipt)
            assert outcome.partition == partition_of(sent.key, PARTITIONS)

    def test_keeps_the_order_of_one_key_when_asked_one_by_one(self, publisher: Publisher) -> None:
        offsets = [
            outcome.offset
            for number in range(3)
            for _, outcome in publish(publisher, [message(f"event {number}")])
            if isinstance(outcome, DeliveryReceipt)
        ]

        assert offsets == sorted(set(offsets))
        assert len(offsets) == 3
