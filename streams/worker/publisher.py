"""Publish outputs with one Kafka producer, wait for every confirmation, and fail on any rejected message."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.worker.credentials import SecurityError

_CONFIG: Final[Mapping[str, Any]] = {
    "enable.idempotence": True,  # no duplicates and no reordering by retries
    "partitioner": "murmur2_random",  # as Java's clients and aiokafka partition
    "compression.type": "lz4",
    "linger.ms": 5,
    "message.max.bytes": 20 * 1024 * 1024,
    "queue.buffering.max.messages": 500_000,
    "queue.buffering.max.kbytes": 256 * 1024,
}

log: Final = logging.getLogger(__name__)

_YIELD_EVERY: Final = 500


class OutgoingMessage(NamedTuple):
    """A message to send; partition -1 means partitioned by key."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int = -1


class PublishError(RuntimeError):
    """A message was not delivered. The batch it belongs to must not be acknowledged."""


class _Delivery:
    """Delivery reports of one `publish`; `report` is called from the flushing thread."""

    def __init__(self) -> None:
        self.confirmed = 0
        self.last_offset = -1
        self.error: KafkaError | None = None
        self.topic = ""

    def report(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.error = error
            self.topic = message.topic() or ""
            return
        self.confirmed += 1
        offset = message.offset()
        if offset is not None and offset > self.last_offset:
            self.last_offset = offset


class OutputPublisher:
    """An idempotent librdkafka producer, used from one event loop, which it never blocks.

    `patience` is the delivery timeout in seconds. It must be shorter than the silence allowed to a worker: messages
    queued before a freeze must not be sent after it, when the partitions may have another owner.
    Raises SecurityError if librdkafka rejects the client's settings.
    """

    def __init__(self, client: Mapping[str, str], patience: float) -> None:
        config = {**client, **_CONFIG, "delivery.timeout.ms": int(patience * 1000)}
        try:
            self._producer = Producer(config, logger=log)
        except KafkaException as error:
            reason = error.args[0].str()
            raise SecurityError(
                f"the Kafka client rejects its settings: {reason}; look at the KAFKA_… variables"
            ) from error
        self._patience = patience
        self._flusher = ThreadPoolExecutor(2, thread_name_prefix="candora-flush")
        self._closed = False

    async def publish(self, messages: Iterable[OutgoingMessage]) -> int:
        """Send messages, in order within a partition, and wait until the broker has confirmed all of them.

        Returns the largest offset assigned, -1 without messages. Raises PublishError.
        """
        delivery = _Delivery()
        sent, last = 0, monotonic()
        for sent, message in enumerate(messages, 1):
            now = monotonic()
            if now - last > self._patience:
                raise PublishError(
                    f"the worker stood still for {now - last:.1f} s within a batch and must not go on with it"
                )
            last = now
            await self._send(message, delivery)
            if sent % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        if sent:
            await asyncio.get_running_loop().run_in_executor(self._flusher, self._flush)
        if delivery.error is not None:
            raise PublishError(f"{delivery.topic}: a message was not delivered: {delivery.error.str()}")
        if delivery.confirmed != sent:
            raise PublishError(f"the worker stopped when {delivery.confirmed} of {sent} messages were confirmed")
        return delivery.last_offset

    async def _send(self, message: OutgoingMessage, delivery: _Delivery) -> None:
        while True:
            try:
                self._producer.produce(
                    message.topic, message.value, message.key, message.partition, on_delivery=delivery.report
                )
                return
            except BufferError:
                self._producer.poll(0)
                await asyncio.sleep(0.005)

    def _flush(self) -> None:
        while self._producer.flush(1.0) and not self._closed:
            pass

    def poll(self) -> None:
        """Serve the client's log callbacks; to be called regularly."""
        self._producer.poll(0)

    def partitions(self, timeout: float) -> dict[str, int]:
        """Return the partition count of every topic of the cluster. Blocks; raises KafkaException."""
        topics = self._producer.list_topics(timeout=timeout).topics
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def close(self) -> None:
        """Drop unconfirmed messages; callers waiting for them get a PublishError."""
        self._closed = True
        self._producer.purge()
        self._producer.flush(1.0)
        self._flusher.shutdown(wait=False)
