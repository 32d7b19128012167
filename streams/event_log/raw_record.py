"""A message of a log as it was read, before anybody knows what it is."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from streams.errors import SetupError


class ConsumedMessage(Protocol):
    """A message as a Kafka client gives it, as far as the intake looks at it."""

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102 - milliseconds since 1970
    @property
    def timestamp_type(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102


class RawRecord(NamedTuple):
    """A message that no client made."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970."""
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


class WrongTimestampsError(SetupError):
    """The topic's timestamps are the producers', so nobody's clock may be read from them. A fault of its operator."""
