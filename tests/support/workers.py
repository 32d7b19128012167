"""An installation for the tests of the worker: its topics, its workers, and what they leave in Kafka."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.ids import pinned_decoder, pinned_encoder
from schemas.partitioner import partition_of
from schemas.topics import load_topics
from schemas.values import SECOND, EventValue, Micros
from streams.worker.run import WorkerThread
from streams.worker.settings import WorkerSettings
from streams.worker.shelves import ShelfFactory
from streams.worker.tables import decode_row
from tests.support import events
from tests.support.fake_shelf import CountingShelf
from tests.support.kafka import KafkaBroker
from tests.support.processes import POLL, Process, Processes, packages_env

MAIN: Final = Path(__file__).with_name("worker_main.py")
SERVICES: Final = tuple(f"service-{number}" for number in range(40))


def eventually(look: Callable[[], bool], what: str, timeout: float = 40.0) -> None:
    """Wait until `look` is true; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not look():
        assert time.monotonic() < deadline, f"no sign of {what} within {timeout:g} s"
        time.sleep(POLL)


def now() -> Micros:
    return time.time_ns() // 1000


def commits(count: int, at: Micros | None = None) -> Iterator[EventValue]:
    """So many different events of all services."""
    at = at if at is not None else now() - 3600 * SECOND
    for number in range(count):
        yield events.commit(f"commit-{number}", at + number, service=SERVICES[number % len(SERVICES)])


@dataclass
class Installation:
    """Topics with a prefix of their own, and what a test does with them."""

    bootstrap: str
    prefix: str
    folder: Path
    partitions: int = 4
    sent: Counter[str] = field(default_factory=Counter)
    """How many events of each service were sent: what the counting shelf must come to."""

    @classmethod
    def create(cls, kafka: KafkaBroker, prefix: str, folder: Path, partitions: int = 4) -> "Installation":
        found = cls(kafka.bootstrap, prefix, folder, partitions)
        for topic in load_topics():
            kafka.create_topic(prefix + topic.name, partitions if topic.name == "deploy_events" else 2, topic.config)
        kafka.create_topic(found.changelog, partitions, {"cleanup.policy": "compact"})
        kafka.create_topic(f"{found.app_id}-__assignor-__leader", 1)
        return found

    @property
    def app_id(self) -> str:
        return f"{self.prefix}worker"

    @property
    def changelog(self) -> str:
        return f"{self.app_id}-state-changelog"

    @property
    def events_topic(self) -> str:
        return f"{self.prefix}deploy_events"

    # --- workers ------------------------------------------------------------------------------------------------------

    def settings(self, name: str = "a", **changes: Any) -> WorkerSettings:
        """Settings of a worker that is quick to notice; `name` is its instance and its data directory."""
        given: dict[str, Any] = {
            "kafka_bootstrap_servers": self.bootstrap,
            "topic_prefix": self.prefix,
            "app_id": self.app_id,
            "instance_id": f"{self.app_id}-{name}",
            "data_dir": self.folder / f"data-{name}",
            "session_timeout": 6 * SECOND,
            "commit_interval": SECOND // 5,
            "tick_interval": 0,
            "web_port": None,
        }
        return WorkerSettings(**{**given, **changes})

    def thread(self, name: str = "a", factory: ShelfFactory = CountingShelf, **changes: Any) -> WorkerThread:
        """A worker in this process."""
        return WorkerThread(self.settings(name, **changes), factory)

    def process(self, processes: Processes, name: str = "a", shelf: str = "CountingShelf", **environ: str) -> Process:
        """A worker in a process of its own."""
        settings = {
            "CANDORA_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "CANDORA_TOPIC_PREFIX": self.prefix,
            "CANDORA_APP_ID": self.app_id,
            "CANDORA_INSTANCE_ID": f"{self.app_id}-{name}",
            "CANDORA_DATA_DIR": str(self.folder / f"data-{name}"),
            "CANDORA_SESSION_TIMEOUT": "6s",
            "CANDORA_COMMIT_INTERVAL": "200ms",
            "CANDORA_TICK_INTERVAL": "0s",
            "CANDORA_WEB_PORT": "0",
        }
        env = packages_env() | settings | environ
        return processes.start(sys.executable, str(MAIN), shelf, env=env, name=f"worker {name}")

    # --- what goes in -------------------------------------------------------------------------------------------------

    def send(self, values: Iterable[EventValue]) -> None:
        """Write events as a producer does that follows the contract."""
        encoder = pinned_encoder("deploy_event")
        self.write((value["service"].encode(), encoder.encode(value), -1) for value in self._counted(values))

    def _counted(self, values: Iterable[EventValue]) -> Iterator[EventValue]:
        for value in values:
            self.sent[value["service"]] += 1
            yield value

    def write(self, messages: Iterable[tuple[bytes | None, bytes | None, int]], **more: Any) -> None:
        """Write messages of any kind: key, value, partition (-1: by the key)."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5})
        for key, value, partition in messages:
            place = partition if partition >= 0 or key is None else partition_of(key, self.partitions)
            producer.produce(self.events_topic, value, key, place, **more)
            producer.poll(0)
        assert producer.flush(20) == 0

    # --- what comes out -----------------------------------------------------------------------------------------------

    def committed(self) -> dict[int, int]:
        """The committed offset of every partition of deploy_events; 0 for none."""
        return committed_offsets(self.bootstrap, self.app_id, self.events_topic, self.partitions)

    def ends(self, topic: str | None = None) -> dict[int, int]:
        """The end of every partition of a topic, deploy_events if none is named."""
        with _consumer(self.bootstrap) as consumer:
            return {place.partition: high for place, _, high in _watermarks(consumer, topic or self.events_topic)}

    def committed_more_than(self, count: int) -> bool:
        """Whether more than so many messages were committed."""
        return sum(self.committed().values()) > count

    def all_committed(self) -> bool:
        """Whether everything in deploy_events was read and committed."""
        return self.committed() == self.ends()

    def read(self, topic: str) -> list[Message]:
        """Everything in a topic, partition by partition."""
        found: list[Message] = []
        with _consumer(self.bootstrap) as consumer:
            for place, low, high in _watermarks(consumer, topic):
                consumer.assign([TopicPartition(place.topic, place.partition, OFFSET_BEGINNING)])
                at = low
                while at < high:
                    for message in consumer.consume(min(5_000, high - at), timeout=1.0):
                        assert message.error() is None
                        found.append(message)
                        at = (message.offset() or 0) + 1
        return found

    def rows(self) -> dict[tuple[int, str], Sequence[Any]]:
        """The state as the changelog has it: the last row of each key, by partition."""
        rows: dict[tuple[int, str], Sequence[Any]] = {}
        for message in self.read(self.changelog):
            number, _, key = (message.key() or b"").decode().partition("/")
            assert int(number) == message.partition()
            value = message.value()
            assert value is not None
            rows[int(number), key] = decode_row(key, value)
        return rows

    def counts(self) -> dict[str, int]:
        """The counts of the counting shelf, as stored."""
        return {key: row[0] for (_, key), row in self.rows().items() if key != "partition"}

    def published_counts(self) -> dict[str, int]:
        """The counts of the counting shelf, as published: the last record of each service."""
        decoder = pinned_decoder("change")
        found = (decoder.decode(message.value() or b"") for message in self.read(f"{self.prefix}changes"))
        return {record["service"]: record["revisions"] for record in found}

    def dead_letters(self) -> list[Mapping[str, Any]]:
        decoder = pinned_decoder("dead_letter")
        return [decoder.decode(each.value() or b"") for each in self.read(f"{self.prefix}deploy_events_dead")]

    def offset_commit(self, partition: int, offset: int) -> None:
        """Set the group's offset, while no worker runs."""
        with _consumer(self.bootstrap, self.app_id) as consumer:
            consumer.commit(offsets=[TopicPartition(self.events_topic, partition, offset)], asynchronous=False)

    def members(self) -> int:
        """How many workers the group has."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        return len(admin.describe_consumer_groups([self.app_id])[self.app_id].result(10).members)


def committed_offsets(bootstrap: str, group: str, topic: str, partitions: int) -> dict[int, int]:
    """What a group has committed, by partition; 0 for nothing."""
    with _consumer(bootstrap, group) as consumer:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        return {place.partition: max(0, place.offset) for place in consumer.committed(places, timeout=10)}


@contextmanager
def _consumer(bootstrap: str, group: str | None = None) -> Iterator[Consumer]:
    config = {"bootstrap.servers": bootstrap, "group.id": group or f"look-{uuid4().hex}", "enable.auto.commit": False}
    consumer = Consumer(config)
    try:
        yield consumer
    finally:
        consumer.close()


def _watermarks(consumer: Consumer, topic: str) -> Iterator[tuple[TopicPartition, int, int]]:
    for number in sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions):
        place = TopicPartition(topic, number)
        low, high = consumer.get_watermark_offsets(place, timeout=10)
        yield place, low, high
