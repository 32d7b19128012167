"""Schemas that producers wrote with and this program was not shipped with, learned from a registry."""

import asyncio
import logging
from time import monotonic
from typing import Final, Protocol

from schemas.clients.registry import RegistryClient, RegistryError
from schemas.codec.codec import EventDecoder, Schema
from streams.errors import Inconclusive

log: Final = logging.getLogger(__name__)

ASK_AGAIN: Final = 60.0
"""Seconds for which an id that the registry does not know is not asked for again."""

MOST_UNKNOWN: Final = 10_000
"""Ids that are remembered as unknown, so that no producer of nonsense fills the memory."""


class SchemaLookup:
    """Adds schemas to a decoder when a message names one that it does not know."""

    def __init__(self, decoder: EventDecoder, registry: RegistryClient | None) -> None:
        self._decoder = decoder
        self._registry = registry
        self._unknown: dict[int, float] = {}

    async def learn(self, schema_id: int) -> bool:
        """Ask the registry for a schema; False if there is none of that id, or no registry.

        A registry that cannot be asked raises RegistryError: whether the message is good is not known, so the worker
        must end without acknowledging it, and try again.
        """
        if self._registry is None or monotonic() - self._unknown.get(schema_id, -ASK_AGAIN) < ASK_AGAIN:
            return False
        try:
            schema = await asyncio.to_thread(self._registry.schema_by_id, schema_id)
        except RegistryError as error:
            if error.temporary or error.status != 404:  # noqa: PLR2004 - HTTP: not found
                raise
            log.warning("schema %d is not in the registry: messages that name it are refused", schema_id)
            if len(self._unknown) >= MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[schema_id] = monotonic()
            return False
        self._decoder.add_writer(schema_id, schema)
        log.info("learned schema %d from the registry", schema_id)
        return True


_NOT_FOUND: Final = 404


class SchemaSource(Protocol):
    """A registry."""

    def schema_by_id(self, schema_id: int, /) -> Schema:
        """The schema with this id; RegistryError."""


class BlockingSchemaLookup:
    """Asks the registry for schemas that this program was not shipped with."""

    def __init__(self, decoder: EventDecoder, registry: SchemaSource | None) -> None:
        self._decoder = decoder
        self._registry = registry
        self._unknown: set[int] = set()

    def __call__(self, schema_id: int) -> bool:
        """Learn a schema; False if there is none of that id, or no registry."""
        if self._registry is None or schema_id in self._unknown:
            return False
        try:
            schema = self._registry.schema_by_id(schema_id)
        except RegistryError as error:
            if error.status != _NOT_FOUND:
                raise Inconclusive(f"the schema registry does not say what schema {schema_id} is: {error}") from error
            self._unknown.add(schema_id)
            return False
        self._decoder.add_writer(schema_id, schema)
        return True
