"""A message of a log as it was read, before anybody knows what it is."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from streams.errors import SetupError


class ConsumedMessage(Protocol):
    """A message as a Kafka client gives it, as far as it is validated."""

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


class FetchedMessage(Protocol):
    """A message as librdkafka gives it."""

    def partition(self) -> int | None: ...  # noqa: D102
    def offset(self) -> int | None: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102 - the kind, and milliseconds since 1970
    def key(self) -> bytes | None: ...  # noqa: D102
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


def record_of(topic: str, message: FetchedMessage) -> RawRecord:
    """Return the record of a message, without its headers: they are slow to get and seldom needed."""
    kind, timestamp = message.timestamp()
    place = message.partition() or 0, message.offset() or 0
    # librdkafka counts the kinds of timestamps from 1, Kafka from 0.
    return RawRecord(topic, *place, timestamp, kind - 1, message.key(), message.value())


class WrongTimestampsError(SetupError):
    """The topic's timestamps are the producers', so nobody's clock may be read from them. A fault of its operator."""
