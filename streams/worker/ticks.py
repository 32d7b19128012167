"""In-band time: now and then one clock_tick into every partition, so that idle partitions settle too."""

from schemas.codec.codec import Encoder
from schemas.events import new_event_id
from schemas.ids import pinned_encoder
from schemas.values import EventValue, Micros, plain_event
from streams.worker.publisher import OutgoingMessage


def tick(partition: int, at: Micros, interval: Micros) -> EventValue:
    """Return the tick of a partition at an instant. Those of one interval have one id."""
    event_id = str(new_event_id(f"tick-{partition}-{at // interval}"))
    return {**plain_event("clock_tick", event_id, at, ""), "emitted_at": at}


def tick_messages(topic: str, partitions: int, at: Micros, interval: Micros) -> list[OutgoingMessage]:
    """Return one tick for every partition, each addressed to it."""
    encoder: Encoder[EventValue] = pinned_encoder("deploy_event")
    return [
        OutgoingMessage(topic, None, encoder.encode(tick(partition, at, interval)), partition)
        for partition in range(partitions)
    ]
