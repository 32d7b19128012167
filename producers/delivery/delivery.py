"""Where and how the events of one run are delivered: decided once, then handed down from the command to the emitter.

Imports what it needs where it is used: a dry run loads no client, and a client connects while the contract is loaded.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from producers.config import NOWHERE, ProducerConfig
from producers.errors import UsageError
from producers.terminal.console import Console
from schemas.values import EventValue

if TYPE_CHECKING:
    from producers.delivery.outcomes import OutcomeTracker
    from producers.delivery.publisher import DeliveryFailure, Message, Publisher

TOPIC: Final = "deploy_events"
RECORD: Final = "deploy_event"

Encode = Callable[[EventValue], bytes]


@dataclass(frozen=True, slots=True)
class Delivery:
    """The way of a run's events: the encoder, and the publisher with its topic or sidecar, timeout and spool.

    A context manager: it closes the publisher.
    """

    encode: Encode
    """Frames with the registry's schema id where events go through one, else with the pinned id."""
    publisher: "Publisher | None" = None
    """None: a dry run, or neither Kafka nor a sidecar is configured and there is no spool."""
    schema_failure: "DeliveryFailure | None" = None
    """Why the registry gives no schema id: events are checked with the pinned one, and none is sent."""

    def send(self, messages: "Iterator[Message]", tracker: "OutcomeTracker") -> None:
        """Publish the messages and report the outcome of every one, also where none can be sent."""
        if self.publisher is None:
            for message in messages:
                tracker.skip(message, NOWHERE)
        elif self.schema_failure is not None:
            for message in messages:
                tracker.report(message, self.schema_failure)
        else:
            self.publisher.publish(messages, tracker.report)
            for message in messages:
                tracker.leave(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.publisher is not None:
            self.publisher.close()


def dry_run() -> Delivery:
    """Encode to check, and send nothing."""
    from schemas.ids import pinned_encoder

    return Delivery(pinned_encoder(RECORD).encode)


def open_delivery(config: ProducerConfig, environ: Mapping[str, str], console: Console, *, bulk: bool) -> Delivery:
    """Open the client, the encoder and the spool of a configuration. `bulk`: many events, which are batched.

    Raises:
        UsageError: a setting cannot be used.
    """
    publisher = open_publisher(config, bulk=bulk) if config.goes_somewhere else None  # first: it connects meanwhile
    try:
        delivery = _with_encoder(publisher, config)
        return delivery if config.spool is None else _with_spool(delivery, config, config.spool, environ, console)
    except BaseException:
        if publisher is not None:
            publisher.close()
        raise


def open_publisher(config: ProducerConfig, *, bulk: bool) -> "Publisher":
    """Open a client of the sidecar or of Kafka.

    Raises:
        UsageError: it does not take its settings.
    """
    if config.sidecar is not None:
        from producers.delivery.sidecar_client.publisher import open_sidecar

        return open_sidecar(config.sidecar, config.sidecar_environ, timeout=config.timeout)
    from producers.delivery.kafka import KafkaPublisher, producer_settings
    from producers.delivery.publisher import PublisherError

    settings = producer_settings(config.servers or "", config.kafka, timeout=config.timeout, bulk=bulk)
    try:
        return KafkaPublisher(topic_of(config), settings, timeout=config.timeout)
    except PublisherError as error:
        raise UsageError(f"the Kafka client does not take its settings: {error}") from error


def topic_of(config: ProducerConfig) -> str:
    """Return the topic of the events, with its prefix.

    Raises:
        UsageError: the prefix makes no valid name.
    """
    from schemas.topics import topic_name

    try:
        return topic_name(TOPIC, config.topic_prefix)
    except ValueError as error:
        raise UsageError(f"--topic-prefix: {error}") from error


def _with_encoder(publisher: "Publisher | None", config: ProducerConfig) -> Delivery:
    from schemas.ids import pinned_encoder

    pinned: Encode = pinned_encoder(RECORD).encode
    if publisher is None or config.registry_url is None:
        return Delivery(pinned, publisher)
    from producers.delivery.encoder import InstallationEncoder, SchemaUnavailable

    try:
        return Delivery(InstallationEncoder(config).learn(TOPIC).encode, publisher)
    except SchemaUnavailable as error:
        return Delivery(pinned, publisher, error.failure)


def _with_spool(
    delivery: Delivery, config: ProducerConfig, folder: str, environ: Mapping[str, str], console: Console
) -> Delivery:
    """Put the spool around the publisher; it also keeps events that have no publisher or no schema id.

    A spool that cannot be used is left out with a warning.
    """
    from producers.delivery.encoder import InstallationEncoder
    from producers.delivery.publisher import DeliveryFailure, FailureCause
    from producers.delivery.spooling import SpoolingPublisher, spool_limits
    from producers.spool.spool import Spool, SpoolUnusable

    missing = delivery.schema_failure if delivery.publisher else DeliveryFailure(FailureCause.NOT_CONFIGURED, NOWHERE)
    limits = spool_limits(environ)
    try:
        spool = Spool(folder, limits)
    except SpoolUnusable as error:
        console.warning(str(error))
        return delivery
    publisher = SpoolingPublisher(
        delivery.publisher,
        spool,
        InstallationEncoder(config),
        missing=missing,
        unframed=config.registry_url is not None and missing is not None,
        patience=config.timeout / 2,
        info=console.info,
        warn=console.warning,
    )
    return Delivery(delivery.encode, publisher)
