"""Values for Kafka, framed with the schema ids of one installation: the pinned ones, or those of its registry."""

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from producers.config import ProducerConfig
from producers.delivery.publisher import DeliveryFailure, FailureCause
from producers.errors import UsageError
from producers.spool.message_file import DEAD_LETTERS, EVENTS, DamagedMessageFile, SpooledMessage
from schemas.codec.codec import Encoder, load_schema
from schemas.ids import pinned_encoder, subject_for
from schemas.topics import topic_name
from schemas.values import DeadLetterValue, EventValue

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS: Final = {EVENTS: "deploy_event", DEAD_LETTERS: "dead_letter"}
_ANY_TIME: Final = datetime.max.replace(tzinfo=UTC)
"""Of a clock that no event is ahead of: their times were checked when they came."""
_NOT_ALLOWED: Final = frozenset({401, 403})


class SchemaUnavailable(Exception):
    """The registry does not give the id of a schema; `failure` says why."""

    def __init__(self, failure: DeliveryFailure) -> None:
        super().__init__(failure.problem)
        self.failure: Final = failure


class InstallationEncoder:
    """Encodes for the topics of one installation. An id that was learned is kept: it never changes its meaning.

    Raises:
        UsageError: the registry's address, or the prefix of the topics, is none.
    """

    def __init__(self, config: ProducerConfig) -> None:
        self._prefix = config.topic_prefix
        self._encoders: dict[str, Encoder[Any]] = {}
        try:
            topic_name(EVENTS, self._prefix)
        except ValueError as error:
            raise UsageError(f"--topic-prefix: {error}") from error
        if config.registry_url is None:
            self._ask: Callable[[str], Encoder[Any]] = lambda topic: pinned_encoder(RECORDS[topic])
            for topic in RECORDS:
                self.learn(topic)
        else:
            self._ask = _registered(config, config.registry_url)

    def topic(self, base: str) -> str:
        """Return the name of a topic in this installation."""
        return topic_name(base, self._prefix)

    def learn(self, topic: str) -> Encoder[Any]:
        """Return the encoder of a topic, asking the registry once. Raises SchemaUnavailable if it gives no id."""
        if topic not in self._encoders:
            self._encoders[topic] = self._ask(topic)
        return self._encoders[topic]

    def event(self, value: EventValue) -> SpooledMessage:
        """Prepare an event for the spool: encoded if its schema id is known, else as JSON. Makes no request.

        Raises:
            ContractError: it cannot be encoded.
        """
        if EVENTS in self._encoders:
            content = self._encoders[EVENTS].encode(value)
            return SpooledMessage(value["event_id"], value["service"], content)
        pinned_encoder(RECORDS[EVENTS]).encode(value)  # what will not go through is refused now, not at drain
        from schemas.events import DeployEvent  # noqa: PLC0415 - only when the registry is away

        text = DeployEvent.from_value(value).model_dump_json(exclude_none=True)
        return SpooledMessage(value["event_id"], value["service"], text.encode(), "json")

    def dead_letter(self, letter_id: str, key: str, value: DeadLetterValue) -> SpooledMessage:
        """Prepare a dead letter for the spool, as `event` does."""
        if DEAD_LETTERS in self._encoders:
            return SpooledMessage(letter_id, key, self._encoders[DEAD_LETTERS].encode(value), topic=DEAD_LETTERS)
        from schemas.records import DeadLetter  # noqa: PLC0415 - as above

        text = DeadLetter.from_value(value).model_dump_json(exclude_none=True)
        return SpooledMessage(letter_id, key, text.encode(), "json", DEAD_LETTERS)

    def value(self, spooled: SpooledMessage) -> bytes:
        """Return the value to publish for a spooled message.

        Raises:
            SchemaUnavailable: it waits for an id.
            ContractError: this version of the contract refuses it.
            DamagedMessageFile: it is for a topic that this program does not know.
        """
        if spooled.topic not in RECORDS:
            raise DamagedMessageFile(f"is for a topic {spooled.topic!r} that this program does not know")
        if spooled.body == "avro":
            return spooled.content
        encoder = self.learn(spooled.topic)
        if spooled.topic == DEAD_LETTERS:
            from schemas.records import DeadLetter  # noqa: PLC0415 - as above

            return encoder.encode(DeadLetter.model_validate_json(spooled.content).to_value())
        from producers.events.event_builder import event_from  # noqa: PLC0415 - as above

        return encoder.encode(event_from(json.loads(spooled.content), _ANY_TIME).value)


def _registered(config: ProducerConfig, url: str) -> "Callable[[str], Encoder[Any]]":
    from schemas.clients.registry import RegistryClient, RegistryCredentials  # noqa: PLC0415 - most installations have none

    credentials = RegistryCredentials(config.registry_user, config.registry_password, config.registry_token)
    try:
        client = RegistryClient(url, timeout=config.timeout / 2, credentials=credentials)
    except ValueError as error:
        raise UsageError(f"--schema-registry: {error}") from error
    return partial(_ask_registry, client, config.topic_prefix)


def _ask_registry(client: Any, prefix: str, topic: str) -> Encoder[Any]:
    from schemas.clients.registry import RegistryError  # noqa: PLC0415 - as above

    schema, subject = load_schema(RECORDS[topic]), subject_for(topic_name(topic, prefix))
    try:
        return Encoder(schema, client.id_of(subject, schema))
    except RegistryError as error:
        cause = FailureCause.CREDENTIALS if error.status in _NOT_ALLOWED else FailureCause.UNREACHABLE
        raise SchemaUnavailable(DeliveryFailure(cause, f"no schema id for {subject}: {error}")) from error
