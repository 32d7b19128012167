"""Where a producer sends: the topic, the Kafka client and the schema's id. Imports what it needs where it is used."""

from typing import TYPE_CHECKING, Final

from producers.config import Config
from producers.errors import UsageError

if TYPE_CHECKING:
    from producers.emit import Encode
    from producers.publisher import Failure, Publisher
    from schemas.values import EventValue

TOPIC: Final = "deploy_events"
RECORD: Final = "deploy_event"
_NOT_ALLOWED: Final = frozenset({401, 403})


def open_publisher(config: Config, *, bulk: bool) -> "Publisher":
    """A client of Kafka. Raises UsageError: it does not take its settings."""
    from producers.kafka_publisher import KafkaPublisher, producer_settings
    from producers.publisher import PublisherError

    settings = producer_settings(config.servers or "", config.kafka, timeout=config.timeout, bulk=bulk)
    try:
        return KafkaPublisher(topic_of(config), settings, timeout=config.timeout)
    except PublisherError as error:
        raise UsageError(f"the Kafka client does not take its settings: {error}") from error


def topic_of(config: Config) -> str:
    """The topic of the events, with its prefix. Raises UsageError: the prefix makes no name."""
    from schemas.topics import topic_name

    try:
        return topic_name(TOPIC, config.topic_prefix)
    except ValueError as error:
        raise UsageError(f"--topic-prefix: {error}") from error


def open_encoder(config: Config, *, sends: bool) -> "tuple[Encode, Failure | None]":
    """The encoder: with the registry's id, if events are sent and there is a registry; else with the pinned id.

    If the registry gives no id, the pinned encoder is there to check with, and the failure says why nothing is sent.

    Raises:
        UsageError: the registry's address is none.
    """
    from schemas.ids import pinned_encoder

    pinned: Encode = pinned_encoder(RECORD).encode
    if not sends or config.registry_url is None:
        return pinned, None
    return _registered_encoder(config, config.registry_url, pinned)


def _registered_encoder(config: Config, url: str, pinned: "Encode") -> "tuple[Encode, Failure | None]":
    from producers.publisher import Cause, Failure
    from schemas.codec import Encoder, load_schema
    from schemas.ids import subject_for
    from schemas.registry import Credentials, RegistryClient, RegistryError

    credentials = Credentials(config.registry_user, config.registry_password, config.registry_token)
    schema, subject = load_schema(RECORD), subject_for(topic_of(config))
    try:
        schema_id = RegistryClient(url, timeout=config.timeout / 2, credentials=credentials).id_of(subject, schema)
    except ValueError as error:
        raise UsageError(f"--schema-registry: {error}") from error
    except RegistryError as error:
        cause = Cause.CREDENTIALS if error.status in _NOT_ALLOWED else Cause.UNREACHABLE
        return pinned, Failure(cause, f"no schema id for {subject}: {error}")
    encoder: Encoder[EventValue] = Encoder(schema, schema_id)
    return encoder.encode, None
