"""Where a producer sends: the client, of Kafka or of a sidecar, the topic and the schema's id.

Imports what it needs where it is used.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from producers.config import NOWHERE, ProducerConfig
from producers.errors import UsageError
from producers.terminal.console import Console

if TYPE_CHECKING:
    from producers.delivery.emitter import Encode
    from producers.delivery.publisher import DeliveryFailure, Publisher

TOPIC: Final = "deploy_events"
RECORD: Final = "deploy_event"


def open_publisher(config: ProducerConfig, *, bulk: bool) -> "Publisher":
    """A client of the sidecar or of Kafka. Raises UsageError: it does not take its settings."""
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
    """The topic of the events, with its prefix. Raises UsageError: the prefix makes no name."""
    from schemas.topics import topic_name

    try:
        return topic_name(TOPIC, config.topic_prefix)
    except ValueError as error:
        raise UsageError(f"--topic-prefix: {error}") from error


def open_encoder(config: ProducerConfig, *, sends: bool) -> "tuple[Encode, DeliveryFailure | None]":
    """The encoder: with the registry's id, if events are sent and there is a registry; else with the pinned id.

    If the registry gives no id, the pinned encoder is there to check with, and the failure says why nothing is sent.

    Raises:
        UsageError: the registry's address is none.
    """
    from schemas.ids import pinned_encoder

    pinned: Encode = pinned_encoder(RECORD).encode
    if not sends or config.registry_url is None:
        return pinned, None
    from producers.delivery.encoder import InstallationEncoder, SchemaUnavailable

    try:
        return InstallationEncoder(config).learn(TOPIC).encode, None
    except SchemaUnavailable as error:
        return pinned, error.failure


def with_spool(
    publisher: "Publisher | None",
    config: ProducerConfig,
    environ: Mapping[str, str],
    console: Console,
    no_schema: "DeliveryFailure | None",
) -> "tuple[Publisher | None, DeliveryFailure | None]":
    """The publisher with the spool of `config` around it, which also keeps what there is no schema id for.

    Without a spool, or with one that cannot be used, both are given back as they are.
    """
    if config.spool is None:
        return publisher, no_schema
    from producers.delivery.encoder import InstallationEncoder
    from producers.delivery.publisher import DeliveryFailure, FailureCause
    from producers.delivery.spooling import SpoolingPublisher, spool_limits
    from producers.spool.spool import Spool, SpoolUnusable

    missing = no_schema if publisher else DeliveryFailure(FailureCause.NOT_CONFIGURED, NOWHERE)
    limits = spool_limits(environ)
    try:
        spool = Spool(config.spool, limits)
    except SpoolUnusable as error:
        console.warning(str(error))
        return publisher, no_schema
    return SpoolingPublisher(
        publisher,
        spool,
        InstallationEncoder(config),
        missing=missing,
        unframed=config.registry_url is not None and missing is not None,
        patience=config.timeout / 2,
        tell=console.info,
        warn=console.warning,
    ), None
