"""From a raw message of deploy_events to an event that the core may read, or to the reason why not."""

from typing import Final

from schemas.codec.codec import EventDecoder
from schemas.errors import Undecodable, WrongKey, WrongPartition
from schemas.partitioner import partition_of
from schemas.rules import check_event, check_time
from schemas.values import EventValue, Micros
from streams.event_log.raw_record import ConsumedMessage, WrongTimestampsError

LOG_APPEND_TIME: Final = 1
"""Kafka's number for a timestamp that the broker gave."""

_CACHED_KEYS: Final = 100_000


class EventValidator:
    """Decides what is an event. Pure but for a cache of keys."""

    def __init__(
        self, decoder: EventDecoder, partitions: int, max_future: Micros, *, trust_create_time: bool = False
    ) -> None:
        self._decoder = decoder
        self._partitions = partitions
        self._max_future = max_future
        self._trust_create_time = trust_create_time
        self._places: dict[bytes, tuple[str, int]] = {}

    def append_time(self, record: ConsumedMessage) -> Micros:
        """When the broker received a message; WrongTimestampsError if the topic does not say."""
        if record.timestamp_type != LOG_APPEND_TIME and not self._trust_create_time:
            raise WrongTimestampsError(
                f"{record.topic}, partition {record.partition}, offset {record.offset}: its timestamp is its "
                f"producer's, but a partition's clock is the broker's: set message.timestamp.type=LogAppendTime on "
                f"{record.topic}, and for what it already holds CANDORA_TRUST_CREATE_TIME=true"
            )
        return record.timestamp * 1000

    def read(self, record: ConsumedMessage) -> EventValue | None:
        """Return the event of a message, None if it is a tick.

        Raises a ContractError, with the reason of its dead letter, if the message breaks the contract.
        """
        value = record.value
        if not value:
            raise Undecodable(
                "the message has no value",
                hint="events cannot be taken back: send the event that corrects it instead of a tombstone",
            )
        event = self._decoder.decode(value)
        check_event(event)
        if event["event_type"] == "clock_tick":
            return None
        key, partition = record.key, record.partition
        place = self._places.get(key) if key is not None else None
        if place is None or place[0] != event["service"] or place[1] != partition:
            self._check_place(event, key, partition)
        check_time(event, record.timestamp * 1000, self._max_future)
        return event

    def _check_place(self, event: EventValue, key: bytes | None, partition: int) -> None:
        service = event["service"]
        if key != service.encode():
            raise WrongKey(
                "the message has no key"
                if key is None
                else f"the key of the message is {_shown(key)}, not the service",
                path="service",
                hint=f"send it with the key {service!r}",
            )
        expected = partition_of(key, self._partitions)
        if expected != partition:
            raise WrongPartition(
                f"a message of service {service!r} belongs to partition {expected} of {self._partitions}, not to "
                f"{partition}",
                hint="set partitioner=murmur2_random on a producer that uses librdkafka",
            )
        if len(self._places) >= _CACHED_KEYS:
            self._places.clear()
        self._places[key] = (service, partition)


def _shown(key: bytes) -> str:
    return ascii(key[:80].decode("utf-8", "backslashreplace"))
