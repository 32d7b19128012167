"""Schemas that producers wrote with and this program was not shipped with, learned from a registry."""

import asyncio
import logging
from http import HTTPStatus
from time import monotonic
from typing import Any, Final, Protocol

from schemas.clients.registry import RegistryError
from schemas.codec.codec import Decoder, Schema

log: Final = logging.getLogger(__name__)

ASK_AGAIN: Final = 60.0
"""Seconds for which an id that the registry does not know is not asked for again."""

MOST_UNKNOWN: Final = 10_000
"""Ids that are remembered as unknown, so that no producer of nonsense fills the memory."""


class SchemaSource(Protocol):
    """A registry."""

    def schema_by_id(self, schema_id: int, /) -> Schema:
        """Return the schema with this id; RegistryError if there is none or the registry cannot be asked."""


class UnknownSchemaIds:
    """The ids that a registry lately did not know, at most `MOST_UNKNOWN` of them. Pure: callers give the time."""

    def __init__(self) -> None:
        self._asked_at: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._asked_at)

    def add(self, schema_id: int, now: float) -> None:
        """Remember that there was no schema of this id at `now`, in seconds."""
        if len(self._asked_at) >= MOST_UNKNOWN:
            self._asked_at.clear()
        self._asked_at[schema_id] = now

    def fresh(self, schema_id: int, now: float) -> bool:
        """Whether it is too early to ask for this id again."""
        return now - self._asked_at.get(schema_id, -ASK_AGAIN) < ASK_AGAIN


class SchemaLookup:
    """Adds schemas to a decoder when a message names one that it does not know.

    A registry that cannot be asked raises RegistryError from both ways to learn: whether the message is good is not
    known, so a worker must end without acknowledging it, and try again.
    """

    def __init__(self, decoder: Decoder[Any], registry: SchemaSource | None) -> None:
        self._decoder = decoder
        self._registry = registry
        self.unknown: Final = UnknownSchemaIds()

    def learn(self, schema_id: int) -> bool:
        """Ask the registry for a schema, and wait; False if there is none of that id, or no registry."""
        if self._registry is None or self.unknown.fresh(schema_id, monotonic()):
            return False
        return self._keep(schema_id, _fetch(self._registry, schema_id))

    async def learn_async(self, schema_id: int) -> bool:
        """Do the same as `learn`, while the event loop goes on."""
        if self._registry is None or self.unknown.fresh(schema_id, monotonic()):
            return False
        # The decoder is not changed in that thread: the loop decodes other messages meanwhile.
        return self._keep(schema_id, await asyncio.to_thread(_fetch, self._registry, schema_id))

    def _keep(self, schema_id: int, schema: Schema | None) -> bool:
        if schema is None:
            log.warning("schema %d is not in the registry: messages that name it are refused", schema_id)
            self.unknown.add(schema_id, monotonic())
            return False
        self._decoder.add_writer(schema_id, schema)
        log.info("learned schema %d from the registry", schema_id)
        return True


def _fetch(registry: SchemaSource, schema_id: int) -> Schema | None:
    """Return the schema; None if the registry has none of that id."""
    try:
        return registry.schema_by_id(schema_id)
    except RegistryError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None
