"""Send one real event, on request: the only proof of write access, and the only way to read the broker's clock."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, Producer
from confluent_kafka import Message as KafkaMessage

from producers.delivery.kafka import CREDENTIALS
from producers.doctor.finding import CheckResult, ok, problem
from producers.errors import ExitCode
from producers.events.event_builder import Assignment, BuiltEvent, build_event

SERVICE: Final = "candora-doctor"
_ZEROS: Final = "0" * 40


def trial_event(now: datetime) -> BuiltEvent:
    """Build a synthetic commit, which no metric counts. All trials are one event."""
    values = {
        "event_type": "commit_created",
        "service": SERVICE,
        "commit_sha": _ZEROS,
        "lane": "synthetic",
        "occurred_at": now.isoformat(),
    }
    return build_event([Assignment(path, value, "doctor") for path, value in values.items()], now)


def send(
    settings: Mapping[str, str | int | bool], topic: str, event_id: str, value: bytes, limit: float
) -> tuple[CheckResult, float | None]:
    """Send the event; also return how many seconds the broker's clock is ahead, None if unknown."""
    producer = Producer(dict(settings))
    reports: list[tuple[KafkaError | None, KafkaMessage]] = []
    headers: Any = [("event_id", event_id.encode())]
    producer.produce(topic, value, SERVICE.encode(), headers=headers, on_delivery=lambda *each: reports.append(each))
    end = time.monotonic() + limit
    while not reports and time.monotonic() < end:
        producer.poll(0.05)
    now = time.time()
    producer.purge()
    producer.flush(1)
    if not reports:
        return problem("send", "no answer", "see what is said of the brokers", ExitCode.NOT_DELIVERED), None
    error, sent = reports[0]
    if error is not None:
        code = ExitCode.CREDENTIALS if error.code() in CREDENTIALS else ExitCode.NOT_DELIVERED
        advice = "grant WRITE on the topic to this user" if code is ExitCode.CREDENTIALS else "see what is said above"
        return problem("send", f"not delivered: {error.str()}", advice, code), None
    kind, millis = sent.timestamp()
    ahead = millis / 1000 - now if kind == TIMESTAMP_LOG_APPEND_TIME else None
    return ok("send", f"delivered to partition {sent.partition()} at offset {sent.offset()}"), ahead
