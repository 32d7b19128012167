"""Embedded Kafka for the demo: librdkafka's mock cluster, in this process and in memory.

It implements enough of the protocol for producers, consumers and groups. It has no admin requests and no durability,
keeps about 5 MB of each partition, stores the time the producer sets, and creates every topic with four partitions on
its first metadata request. Suitable for demonstrations, not for tests of correctness.
"""

import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaException, Producer

from streams.demo.errors import DemoError

PARTITIONS: Final = 4
"""Partitions per topic of the mock cluster; librdkafka has no setting for it."""

_TIMEOUT: Final = 10.0
_null_logger: Final = logging.getLogger("candora.demo.broker")


class EmbeddedBroker:
    """A broker on a free local port, alive until closed or garbage-collected."""

    def __init__(self) -> None:
        self._cluster: Producer | None = None
        self.bootstrap = ""

    def __enter__(self) -> Self:
        _null_logger.addHandler(logging.NullHandler())
        _null_logger.propagate = False
        self._cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0}, logger=_null_logger)
        try:
            brokers = self._cluster.list_topics(timeout=_TIMEOUT).brokers.values()
        except KafkaException as error:
            raise DemoError(f"the embedded broker did not start: {error}") from error
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        return self

    def create(self, topics: Iterable[str]) -> None:
        """Create topics with `PARTITIONS` partitions each, so that no client sees an unknown one.

        Raises:
            DemoError: a topic has another number of partitions, or none.
        """
        if self._cluster is None:
            raise DemoError("the embedded broker is not running; use it in a with statement")
        for topic in topics:
            try:
                metadata = self._cluster.list_topics(topic, timeout=_TIMEOUT).topics[topic]
            except KafkaException as error:
                raise DemoError(f"the embedded broker did not create {topic}: {error}") from error
            if len(metadata.partitions) != PARTITIONS:
                raise DemoError(f"{topic} has {len(metadata.partitions)} partitions instead of {PARTITIONS}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster = None
        self.bootstrap = ""
