"""Schemas that producers wrote with and this program was not shipped with, learned from a registry."""

import asyncio
import logging
from time import monotonic
from typing import Final

from schemas.codec import EventDecoder
from schemas.registry import RegistryClient, RegistryError

log: Final = logging.getLogger(__name__)

ASK_AGAIN: Final = 60.0
"""Seconds for which an id that the registry does not know is not asked for again."""

MOST_UNKNOWN: Final = 10_000
"""Ids that are remembered as unknown, so that no producer of nonsense fills the memory."""


class Writers:
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
