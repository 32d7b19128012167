"""The publisher port: messages in, outcomes out. No client is imported."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """One event, encoded. `key` decides the partition (murmur2)."""

    event_id: str
    key: bytes
    value: bytes
    line: int = 1
    """Its line in the input file."""
    topic: str = ""
    """Its topic, if it is not the publisher's own."""

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The identity again, for readers that drop repeats without decoding."""
        return [("event_id", self.event_id.encode())]


class FailureCause(Enum):
    """Why a message was not delivered, by who can fix it."""

    UNREACHABLE = auto()
    """No acknowledgement in time, or no such topic: Kafka's side. The message may be sent again as it is."""
    CREDENTIALS = auto()
    """The broker refuses the login, or the write."""
    MESSAGE = auto()
    """The broker will never take this message, e.g. because it is too large."""
    FORBIDDEN = auto()
    """The credentials are valid and do not permit this event. Another one may be accepted."""
    NOT_CONFIGURED = auto()
    """No destination is configured."""


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """A message that was not acknowledged. It can still have arrived: its identity makes sending it again harmless."""

    cause: FailureCause
    problem: str


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """The broker's acknowledgement that all in-sync replicas have the message, and where."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class SidecarReceipt:
    """A sidecar's acknowledgement that it has the message on disk, and will send it to Kafka."""

    sidecar: str
    """Its address."""


@dataclass(frozen=True, slots=True)
class SpoolReceipt:
    """Not delivered, but on the disk, in the spool of this folder: whoever drains it sends it."""

    failure: DeliveryFailure
    folder: str


Outcome = DeliveryReceipt | SidecarReceipt | SpoolReceipt | DeliveryFailure


class PublisherError(Exception):
    """Settings that no publisher can be created from; the message names the setting, never its value."""


class Publisher(Protocol):
    """Sends messages.

    Every implementation keeps these promises, and `tests/support/publishers.py` holds them to it:
    - `report` is called once for each message consumed, on the caller's thread, before `publish` returns;
    - `DeliveryReceipt` is only reported on the broker's acknowledgement, `SidecarReceipt` on a sidecar's;
    - after a failure that the next message would share (`UNREACHABLE`, `CREDENTIALS`) no more messages are consumed;
    - `publish` returns within its timeout after the last acknowledgement, or after its call if there is none.
    """

    def publish(self, messages: Iterable[Message], report: Callable[[Message, Outcome], None]) -> None:
        """Send the messages and report the outcome of each."""
        ...

    def close(self) -> None:
        """Close the connections. Nothing is in flight: `publish` leaves nothing behind."""
        ...
