"""The load of a schedule: pipelines of some services, with repeats, disorder, delays of hours, and poison."""

import threading
import time
from collections.abc import Sequence
from random import Random
from typing import Final

from confluent_kafka import KafkaError, Message, Producer
from typing_extensions import override

from schemas.ids import pinned_encoder
from schemas.values import SECOND, EventValue, Micros
from streams.core.settings import MetricSettings
from streams.demo import facts
from streams.demo.disturb import Poison, disturb
from tests.support.load import load
from tests.support.log import Raw
from tests.support.servers.installation import PARTITIONS, home

SERVICES: Final = 10
STEP: Final[Micros] = 3 * SECOND
"""Between two events of the load, which so reaches back for hours."""
_HELD: Final = 0.03
"""Of all events, these come hours late, or at the end."""
_TOLD_AGAIN: Final = 0.1
"""Of all messages, these come once more at the end, as from a spool that was sent twice."""
_AT_ONCE: Final = 0.3
"""Of all messages, these are there at the start, so that the workers have their hands full."""


def events_of(seed: int, count: int, end: Micros) -> list[EventValue]:
    """The facts, each once, in the order in which they happened. Some incidents have their cause in another service."""
    rng = Random(f"{seed}/causes")
    return [_with_cause(event, rng) for event in load(count, SERVICES, end, seed=seed, step=STEP)]


def _with_cause(event: EventValue, rng: Random) -> EventValue:
    if event["event_type"] != "incident_opened" or rng.random() < 0.5:
        return event
    service = f"service-{rng.randrange(SERVICES):04d}"
    found = facts.cause("change", service=service, deployment=f"{service}-{rng.randrange(1, 20)}")
    return {**event, "incident": facts.incident(severity="sev2", found=found)}


def messages_of(events: Sequence[EventValue], seed: int, *, foreign: bool = True) -> list[Raw]:
    """What is sent, in that order; without `foreign` nothing in a schema that nobody knows."""
    rng = Random(f"{seed}/traffic")
    held = [event for event in events if rng.random() < _HELD]
    names = {event["event_id"] for event in held}
    flowing = [event for event in events if event["event_id"] not in names]
    items = [item for item in disturb(flowing, seed) if foreign or not _is_foreign(item)]
    for event in held:
        items.insert(rng.randrange(len(items) // 2, len(items) + 1), event)
    messages = [_raw(item) for item in items]
    return messages + rng.sample(messages, int(len(messages) * _TOLD_AGAIN))


def _is_foreign(item: EventValue | Poison) -> bool:
    return isinstance(item, Poison) and item.reason == "unknown_schema"


def _raw(item: EventValue | Poison) -> Raw:
    if not isinstance(item, Poison):
        return Raw(item["service"].encode(), pinned_encoder("deploy_event").encode(item))
    astray = (home(item.key.decode()) + 1) % PARTITIONS
    return Raw(item.key, item.value, astray if item.misplaced else -1)


def finished(events: Sequence[EventValue], settings: MetricSettings, begin: Micros, end: Micros) -> dict[str, range]:
    """By service, how many deployments are judged: at least those due at `begin`, at most those that ended by `end`.

    A deployment ends once, by a promotion or a rollback. It is judged when it can fail no more, or has failed.
    """
    found: dict[str, range] = {}
    for event in events:
        if event["event_type"] in {"canary_promoted", "rollback_triggered"}:
            due = event["occurred_at"] + settings.failure_window
            held = found.get(event["service"], range(1))
            found[event["service"]] = range(
                held.start + (due + settings.lateness <= begin), held.stop + (event["occurred_at"] <= end)
            )
    return found


class Traffic(threading.Thread):
    """Sends messages within about `seconds`, through whatever happens to the broker: no message of it is ever lost."""

    def __init__(self, bootstrap: str, topic: str, messages: Sequence[Raw], seconds: float) -> None:
        super().__init__(name="traffic", daemon=True)
        self._topic = topic
        self._messages = messages
        self._seconds = seconds
        self._giving_up = threading.Event()
        self.failed: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "delivery.timeout.ms": 300_000,
                "reconnect.backoff.max.ms": 500,
                "linger.ms": 5,
                "log_level": 0,
            }
        )

    @override
    def run(self) -> None:
        began = time.monotonic()
        for order, message in enumerate(self._messages):
            self._producer.produce(
                self._topic, message.value, message.key, message.partition, on_delivery=self._delivered
            )
            self._producer.poll(0)
            share = order / len(self._messages) - _AT_ONCE
            early = share / (1 - _AT_ONCE) * self._seconds - (time.monotonic() - began)
            if early > 0.02 and self._giving_up.wait(early):
                break
        while self._producer.flush(0.5) and not self._giving_up.is_set():
            pass

    def give_up(self) -> None:
        """End it now, whatever is left."""
        self._giving_up.set()
        self.join(10)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self.failed.append(error.str())
