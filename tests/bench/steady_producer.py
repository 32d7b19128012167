"""A producer that runs for long and sends at an even pace; every tenth event opens an incident that can be watched for.

Called with bootstrap servers, topic, events per second, seconds, and the file for the answer: [service, incident, time
of emit] of every incident, in order, the time (seconds since 1970) taken before the event is made and encoded.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from producers.delivery.kafka import KafkaPublisher, producer_settings
from producers.delivery.publisher import DeliveryReceipt, Message, Outcome
from schemas.ids import pinned_encoder
from schemas.values import SECOND, EventValue
from streams.demo import facts
from streams.demo.facts import PROD, fact
from tests.support.load import load

SERVICES: Final = 40
WATCHED: Final = 20
EVERY: Final = 10


class Steady:
    """The events of one run."""

    def __init__(self, rate: int, seconds: int) -> None:
        self._rate = rate
        self._count = rate * seconds
        self._encode = pinned_encoder("deploy_event").encode
        self.opened: list[tuple[str, str, float]] = []

    def messages(self) -> Iterator[Message]:
        """Each message when it is due."""
        others = load(self._count, SERVICES, time.time_ns() // 1000, step=SECOND)
        began = time.monotonic()
        for number, event in enumerate(others):
            wait = began + number / self._rate - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            yield self._message(event if number % EVERY else self._incident(number // EVERY))

    def _incident(self, number: int) -> EventValue:
        at = time.time()
        service, name = f"watched-{number % WATCHED:02d}", f"inc-{number}"
        self.opened.append((service, name, at))
        about: facts.EventFields = {"env": PROD, "incident_id": name, "incident": facts.incident(severity="sev2")}
        return fact("incident_opened", int(at * SECOND), service, about)

    def _message(self, event: EventValue) -> Message:
        return Message(event["event_id"], event["service"].encode(), self._encode(event))


def main() -> None:
    servers, topic, rate, seconds, answer = sys.argv[1:]
    steady = Steady(int(rate), int(seconds))
    publisher = KafkaPublisher(topic, producer_settings(servers, {}, timeout=10.0, bulk=False), timeout=10.0)
    lost: list[Outcome] = []

    def report(_: Message, outcome: Outcome) -> None:
        if not isinstance(outcome, DeliveryReceipt):
            lost.append(outcome)

    publisher.publish(steady.messages(), report)
    publisher.close()
    if lost:
        raise RuntimeError(f"{len(lost)} events were not delivered: {lost[0]}")
    Path(answer).write_text(json.dumps(steady.opened), "utf-8")


if __name__ == "__main__":
    main()
