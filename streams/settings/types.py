"""Kinds of settings that several processes have."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field

from schemas.duration import parse_duration
from schemas.values import Micros


def _length(given: object) -> object:
    return parse_duration(given) if isinstance(given, str) else given


Duration = Annotated[Micros, BeforeValidator(_length)]
"""A length in microseconds; in the environment "15m", "24h", "30d"."""

TopicPrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,200}$")]
"""What stands in front of the names of topics: only what Kafka takes in a name."""


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """The largest batch, so that one takes far less than the session timeout."""

    records: int = 16_000
    size: int = 8 * 1024 * 1024
    """Bytes of keys and values; one larger message is a batch of its own."""
