"""Topics with a load of events in them, and the worker that reads them, for the measurements."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.ids import pinned_encoder
from schemas.values import EventValue, Micros
from streams.kafka.topics import create_topics, wanted_topics
from tests.bench.machine import cpu_seconds
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Process, Processes, free_port

PARTITIONS: Final = 4
PATIENCE: Final = 900.0
"""Seconds that anything may take before it is given up."""


class Timing(NamedTuple):
    """How long a number of events took, by the clock and by the processor (all threads of the process)."""

    seconds: float
    cpu: float


@dataclass(frozen=True)
class Installation:
    """All topics under one prefix."""

    kafka: KafkaBroker
    prefix: str
    partitions: int = PARTITIONS

    @property
    def events_topic(self) -> str:
        return f"{self.prefix}deploy_events"

    def create(self, app_id: str, *, broker_time: bool = True) -> None:
        """Create the topics that are missing for a worker of this name.

        Without `broker_time`, deploy_events keeps the append times that it is given: a log as it grows over weeks.
        """
        for one in wanted_topics(app_id, self.prefix, self.partitions):
            if one.name == self.events_topic and not broker_time and one.name not in self._topics():
                self.kafka.create_topic(
                    one.name, self.partitions, {**one.config, "message.timestamp.type": "CreateTime"}
                )
        create_topics(self._admin(), wanted_topics(app_id, self.prefix, self.partitions), 1)

    def append(self, events: Iterable[EventValue]) -> None:
        """Write events to the log, each with the time when it happened as its own."""
        encode = pinned_encoder("deploy_event").encode
        failed: list[object] = []
        producer = Producer(
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 200_000,
            }
        )
        for event in events:
            at: Micros = event["occurred_at"]
            while len(producer) > 100_000:
                producer.poll(0.01)
            producer.produce(
                self.events_topic,
                encode(event),
                event["service"],
                timestamp=at // 1000,
                on_delivery=lambda error, _: failed.append(error) if error else None,
            )
            producer.poll(0)
        assert producer.flush(60) == 0
        assert not failed

    def ends(self) -> dict[int, int]:
        """The next offset of every partition of deploy_events."""
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": "ends"})
        try:
            topic = self.events_topic
            return {
                each: consumer.get_watermark_offsets(TopicPartition(topic, each), timeout=10)[1]
                for each in range(self.partitions)
            }
        finally:
            consumer.close()

    def messages(self, base: str) -> Iterator[tuple[str, bytes, float]]:
        """Key, value and time (seconds since 1970) of every message of a topic that has a key and a value."""
        config = {"bootstrap.servers": self.kafka.bootstrap, "group.id": "all", "enable.partition.eof": True}
        consumer = Consumer(config)
        topic = self.prefix + base
        try:
            open_ends = set(self._topics()[topic].partitions)
            consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in open_ends])
            while open_ends:
                for message in consumer.consume(1_000, 1.0):
                    error, key, value = message.error(), message.key(), message.value()
                    if error is not None:
                        assert error.code() == KafkaError._PARTITION_EOF
                        open_ends.discard(message.partition())
                    elif key is not None and value is not None:
                        yield key.decode(), value, message.timestamp()[1] / 1000
        finally:
            consumer.close()

    def environment(self) -> dict[str, str]:
        """Where everything is, for our commands."""
        return {"CANDORA_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap, "CANDORA_TOPIC_PREFIX": self.prefix}

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.kafka.bootstrap})

    def _topics(self) -> Mapping[str, Any]:
        return self._admin().list_topics(timeout=10).topics


class Worker:
    """A worker as a process of its own."""

    def __init__(
        self, processes: Processes, at: Installation, app_id: str, data_dir: Path, settings: Mapping[str, str]
    ) -> None:
        self._at = at
        self._app_id = app_id
        port = free_port()
        self._ready_url = f"http://127.0.0.1:{port}/readyz"
        self.process: Process = processes.candora(
            "worker",
            env={
                **at.environment(),
                "CANDORA_APP_ID": app_id,
                "CANDORA_INSTANCE_ID": "bench",
                "CANDORA_DATA_DIR": str(data_dir),
                "CANDORA_WEB_PORT": str(port),
                "CANDORA_TICK_INTERVAL": "0s",
                **settings,
            },
        )

    def ready(self) -> "Worker":
        """Wait until it has partitions and their state."""
        self.process.wait_until(self._is_ready, "a ready worker", PATIENCE)
        return self

    def catch_up(self) -> Timing:
        """Wait until the worker is ready and then until it has committed everything there is.

        It commits what is published and stored, both confirmed by the broker. The time is that from ready to committed.
        """
        self.ready()
        began, cpu = perf_counter(), cpu_seconds(self.process.pid)
        await_end(self._at, self._app_id, self.process)
        return Timing(perf_counter() - began, cpu_seconds(self.process.pid) - cpu)

    def held(self) -> int:
        """How many partitions it reads; 0 until it is ready."""
        answer = self._readiness()
        return len(answer["next_offsets"]) if answer["ready"] else 0

    def _is_ready(self) -> bool | None:
        return True if self._readiness()["ready"] else None

    def _readiness(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(self._ready_url, timeout=5) as answer:  # noqa: S310 - a server of ours
                said: dict[str, Any] = json.load(answer)
                return said
        except (OSError, urllib.error.HTTPError):
            return {"ready": False}


def await_end(place: Installation, app_id: str, process: Process) -> None:
    """Wait until a group has committed all that is in the log now."""
    ends = place.ends()
    places = [TopicPartition(place.events_topic, each) for each in ends]
    group = Consumer({"bootstrap.servers": place.kafka.bootstrap, "group.id": app_id})
    try:
        process.wait_until(
            lambda: True if all(at.offset >= ends[at.partition] for at in group.committed(places, 10)) else None,
            "the end of the log",
            PATIENCE,
        )
    finally:
        group.close()
