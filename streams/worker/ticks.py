"""In-band time: regular clock_tick events in every partition, so that verdicts fall due in idle ones, too."""

from schemas.codec.codec import Encoder
from schemas.events import new_event_id
from schemas.ids import pinned_encoder
from schemas.values import EventValue, Micros, plain_event
from streams.worker.publisher import OutgoingMessage


def tick(partition: int, at: Micros, interval: Micros) -> EventValue:
    """Create the tick of a partition. Ticks of the same interval share an id."""
    event_id = str(new_event_id(f"tick-{partition}-{at // interval}"))
    return {**plain_event("clock_tick", event_id, at, ""), "emitted_at": at}


def tick_messages(topic: str, partitions: int, at: Micros, interval: Micros) -> list[OutgoingMessage]:
    """Create one tick message per partition."""
    encoder: Encoder[EventValue] = pinned_encoder("deploy_event")
    return [
        OutgoingMessage(topic, None, encoder.encode(tick(partition, at, interval)), partition)
        for partition in range(partitions)
    ]
