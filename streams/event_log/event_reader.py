"""From the messages of the event log to its events: one reader for the workers, the audit and the replays."""

from typing import Final, Self

from schemas.clients.registry import RegistryClient, RegistryError
from schemas.codec.codec import EventDecoder
from schemas.errors import UnknownSchema
from schemas.ids import pinned_decoder
from schemas.values import EventValue, Micros
from streams.errors import Inconclusive
from streams.event_log.raw_record import RawRecord
from streams.event_log.schema_lookup import SchemaLookup
from streams.event_log.validator import EventValidator


class EventReader:
    """Decodes and validates messages, and learns the schemas that they name and this program does not know."""

    def __init__(self, decoder: EventDecoder, validator: EventValidator, schemas: SchemaLookup) -> None:
        self._schemas = schemas
        self.decode: Final = decoder.decode
        """Decode the value of a message without validating it."""
        self.append_time: Final = validator.append_time
        """Return when the broker received a message; WrongTimestampsError if the topic does not say."""
        self.validate: Final = validator.read
        """Return the event of a message, None for a tick; UnknownSchema if its schema is not learned yet."""

    @classmethod
    def open(cls, partitions: int, max_future: Micros, registry_url: str | None, *, trust_create_time: bool) -> Self:
        """Open a reader of a log with so many partitions; without a URL only the pinned schemas are known."""
        decoder = pinned_decoder("deploy_event")
        validator = EventValidator(decoder, partitions, max_future, trust_create_time=trust_create_time)
        return cls(decoder, validator, SchemaLookup(decoder, RegistryClient(registry_url) if registry_url else None))

    def read(self, record: RawRecord) -> EventValue | None:
        """Return the event of a message, None for a tick, asking the registry where necessary.

        Raises:
            ContractError: the message is refused; its reason goes into a dead letter.
            Inconclusive: the registry cannot be asked.
        """
        try:
            return self.validate(record)
        except UnknownSchema as unknown:
            try:
                learned = self._schemas.learn(unknown.schema_id)
            except RegistryError as error:
                raise Inconclusive(
                    f"the schema registry does not say what schema {unknown.schema_id} is: {error}"
                ) from error
            if not learned:
                raise
            return self.validate(record)

    async def learn_and_validate(self, record: RawRecord, unknown: UnknownSchema) -> EventValue | None:
        """Validate a message again once its schema is known, without blocking the event loop.

        Raises:
            ContractError: the message is refused; `unknown` itself if there is no such schema.
            RegistryError: the registry cannot be asked.
        """
        if not await self._schemas.learn_async(unknown.schema_id):
            raise unknown
        return self.validate(record)
