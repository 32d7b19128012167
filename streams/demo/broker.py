"""Kafka for a demo: librdkafka's mock cluster, in this process and in memory.

It speaks enough of the protocol for producers, consumers and groups. It has no admin requests and no durability, keeps
about 5 MB of each partition, stores the time the producer sets, and gives every topic four partitions when somebody
first asks for it. Good to show something, never proof of anything.
"""

import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaException, Producer

from streams.demo.errors import DemoError

PARTITIONS: Final = 4
"""What the mock cluster gives a topic; librdkafka has no setting for it."""

_ANSWER: Final = 10.0
_silent: Final = logging.getLogger("candora.demo.broker")


class EmbeddedBroker:
    """One broker on a free local port, alive until it is closed or garbage."""

    def __init__(self) -> None:
        self._cluster: Producer | None = None
        self.bootstrap = ""

    def __enter__(self) -> Self:
        _silent.addHandler(logging.NullHandler())
        _silent.propagate = False
        self._cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0}, logger=_silent)
        try:
            brokers = self._cluster.list_topics(timeout=_ANSWER).brokers.values()
        except KafkaException as error:
            raise DemoError(f"the embedded broker did not start: {error}") from error
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        return self

    def create(self, topics: Iterable[str]) -> None:
        """Make topics exist, each with `PARTITIONS` partitions, so that no client meets an unknown one.

        Raises:
            DemoError: a topic has another number of partitions, or none.
        """
        if self._cluster is None:
            raise DemoError("the embedded broker is not running; use it in a with statement")
        for topic in topics:
            try:
                found = self._cluster.list_topics(topic, timeout=_ANSWER).topics[topic]
            except KafkaException as error:
                raise DemoError(f"the embedded broker did not create {topic}: {error}") from error
            if len(found.partitions) != PARTITIONS:
                raise DemoError(f"{topic} has {len(found.partitions)} partitions instead of {PARTITIONS}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster = None
        self.bootstrap = ""
