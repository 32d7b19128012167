"""Kafka behind the publisher port, by librdkafka."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from producers.delivery.publisher import (
    DeliveryFailure,
    DeliveryReceipt,
    FailureCause,
    Message,
    Outcome,
    PublisherError,
)

CREDENTIALS: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own errors are public under these names
        KafkaError._SSL,  # noqa: SLF001
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""Errors of authentication and authorization."""

_MESSAGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.INVALID_MSG})
_NO_TOPIC: Final = frozenset({KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART})  # noqa: SLF001
_CONNECTION: Final = frozenset({KafkaError._TRANSPORT, KafkaError._RESOLVE})  # noqa: SLF001

_REFUSED_CERTIFICATE: Final = re.compile(r"SSL alert number (?:4[2-9]|116)\b")
"""A broker that does not take our certificate, or misses one, sends a TLS alert (RFC 8446, section 6.2); librdkafka
reports that as a connection lost."""

_POLL: Final = 0.1
"""Seconds between looks at the deadline while acknowledgements are awaited."""


def producer_settings(
    servers: str, security: Mapping[str, str], *, timeout: float, bulk: bool
) -> dict[str, str | int | bool]:
    """Return the settings of librdkafka. One event leaves at once and uncompressed; many are batched.

    Idempotence costs half a second on a first send and protects from nothing here: a repeat has the same event id.
    Partitions are chosen as Java and aiokafka do, or every join in the worker would miss rows.
    """
    return {
        **_always(servers, security),
        "enable.idempotence": False,
        "max.in.flight": 5 if bulk else 1,
        "linger.ms": 20 if bulk else 0,
        "compression.type": "lz4" if bulk else "none",
        # The report of an expired message must come before our own deadline does.
        "message.timeout.ms": int(timeout * 800),
        "socket.connection.setup.timeout.ms": max(1000, int(timeout * 300)),
        "retry.backoff.max.ms": 1000,
        "reconnect.backoff.max.ms": 1000,
    }


def sidecar_settings(servers: str, security: Mapping[str, str]) -> dict[str, str | int | bool]:
    """Return the settings of the long-running sidecar: idempotent, so that librdkafka's retries do not duplicate."""
    return {
        **_always(servers, security),
        "enable.idempotence": True,
        "linger.ms": 5,
        "compression.type": "lz4",
        "message.timeout.ms": 60_000,
        "socket.connection.setup.timeout.ms": 10_000,
    }


def _always(servers: str, security: Mapping[str, str]) -> dict[str, str | int | bool]:
    return {
        **security,
        "bootstrap.servers": servers,
        "client.id": "candora-ci",
        "partitioner": "murmur2_random",
        "acks": "all",
        "allow.auto.create.topics": False,
        "topic.metadata.propagation.max.ms": 1000,
        "enable.metrics.push": False,
        "statistics.interval.ms": 0,
        # What librdkafka logs on its own repeats what we report, and may hold settings.
        "log_level": 0,
    }


class KafkaPublisher:
    """A `Publisher` to one topic. Connecting starts at once, in the background.

    Raises:
        PublisherError: librdkafka does not take the settings.
    """

    def __init__(self, topic: str, settings: Mapping[str, str | int | bool], *, timeout: float) -> None:
        self._topic = topic
        self._timeout = timeout
        self._refusal: str | None = None
        self._trouble: str | None = None
        self._failed = False
        self._deadline = 0.0
        self._abandoned = False
        try:
            self._producer = Producer({**settings, "error_cb": self._on_error}, logger=_SILENT)
        except (KafkaException, TypeError, ValueError) as error:
            text = error.args[0].str() if isinstance(error, KafkaException) else str(error)
            raise PublisherError(_without_values(text, settings)) from error

    def publish(self, messages: Iterable[Message], report: Callable[[Message, Outcome], None]) -> None:
        """Send the messages and report the outcome of each, see `Publisher`."""
        self._failed = False
        self._extend()
        for message in messages:
            self._send(message, report)
            if self._failed or self._refusal:
                break
        self._drain()

    def abandon(self) -> None:
        """Make `publish` give up on messages in flight and return. Thread-safe."""
        self._abandoned = True

    def close(self) -> None:
        """Close the connections."""
        self._producer.purge()
        self._producer.flush(0)

    def _send(self, message: Message, report: Callable[[Message, Outcome], None]) -> None:
        def on_delivery(error: KafkaError | None, sent: KafkaMessage) -> None:
            report(message, self._outcome(error, sent))

        while True:
            try:
                self._producer.produce(
                    message.topic or self._topic,
                    message.value,
                    message.key,
                    headers=[*message.headers],
                    on_delivery=on_delivery,
                )
            except BufferError:  # the queue is full: wait for acknowledgements
                self._poll(_POLL)
                if self._given_up():
                    report(message, self._failure(None))
                    return
            except KafkaException as error:
                report(message, self._failure(error.args[0]))
                return
            else:
                self._poll(0)
                return

    def _drain(self) -> None:
        """Wait for messages in flight; give up on them at the deadline or after a refusal."""
        while len(self._producer) and not self._given_up():
            self._poll(_POLL)
        if len(self._producer):
            self._producer.purge()
            self._producer.flush(1)

    def _poll(self, seconds: float) -> None:
        try:
            self._producer.poll(seconds)
        except SystemError as error:
            # A Ctrl-C that falls into one of our callbacks is lost in the client; this is what is left of it.
            raise KeyboardInterrupt from error

    def _given_up(self) -> bool:
        return self._refusal is not None or self._abandoned or time.monotonic() >= self._deadline

    def _extend(self) -> None:
        self._deadline = time.monotonic() + self._timeout

    def _outcome(self, error: KafkaError | None, sent: KafkaMessage) -> Outcome:
        partition, offset = sent.partition(), sent.offset()
        if error is None and partition is not None and offset is not None:
            self._extend()
            return DeliveryReceipt(sent.topic() or self._topic, partition, offset)
        return self._failure(error, sent.topic())

    def _failure(self, error: KafkaError | None, topic: str | None = None) -> DeliveryFailure:
        if error is not None and error.code() in _MESSAGE:
            return DeliveryFailure(FailureCause.MESSAGE, f"the broker does not take it: {error.str()}")
        self._failed = True
        if self._refusal:
            return DeliveryFailure(FailureCause.CREDENTIALS, self._refusal)
        if error is not None and error.code() in CREDENTIALS:
            return DeliveryFailure(FailureCause.CREDENTIALS, error.str())
        if error is not None and error.code() in _NO_TOPIC:
            problem = f"Kafka has no topic {topic or self._topic!r}; create it with `candora topics create`"
            return DeliveryFailure(FailureCause.UNREACHABLE, problem)
        if self._abandoned:
            return DeliveryFailure(
                FailureCause.UNREACHABLE, f"gave up before Kafka acknowledged it ({self._trouble or 'busy'})"
            )
        why = self._trouble or (error.str() if error else "the queue stayed full")
        return DeliveryFailure(FailureCause.UNREACHABLE, f"no acknowledgement within {self._timeout:g} s ({why})")

    def _on_error(self, error: KafkaError) -> None:
        """Remember connection errors. A refusal is final here; librdkafka would retry until the deadline."""
        if error.code() in CREDENTIALS or _REFUSED_CERTIFICATE.search(error.str()):
            self._refusal = error.str()
        elif error.code() in _CONNECTION:
            self._trouble = _with_the_likely_cause(error.str())


def _with_the_likely_cause(trouble: str) -> str:
    """Add the likely cause, which librdkafka names when a handshake is reset, not when it is closed."""
    if "SSL_HANDSHAKE" in trouble and "PLAINTEXT" not in trouble:
        return f"{trouble}; is it a PLAINTEXT broker listener?"
    return trouble


def _without_values(text: str, settings: Mapping[str, str | int | bool]) -> str:
    """Mask the values of all settings in librdkafka's error text: some are secrets."""
    for value in sorted({value for value in settings.values() if isinstance(value, str)}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "***", text) if value else text
    return text


_SILENT: Final = logging.getLogger("candora.kafka")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
