"""An installation for the tests of the worker: its topics, its workers, and what they leave in Kafka."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.ids import pinned_decoder
from schemas.topics import load_topics
from schemas.values import SECOND, EventValue, Micros
from streams.settings.installation import WorkerSettings
from streams.worker.partitions import PartitionStateFactory
from streams.worker.run import WorkerThread
from streams.worker.tables import decode_row
from tests.support import events
from tests.support.log import Log
from tests.support.servers.fake_partition_state import CountingPartitionState
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import POLL, Process, Processes, packages_env

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
class Installation(Log):
    """Topics with a prefix of their own, and what a test does with them."""

    kafka: KafkaBroker
    prefix: str
    folder: Path
    partitions: int = 4
    sent: Counter[str] = field(default_factory=Counter)
    """How many events of each service were sent: what the counting partition state must come to."""

    @classmethod
    def create(cls, kafka: KafkaBroker, prefix: str, folder: Path, partitions: int = 4) -> "Installation":
        found = cls(kafka, prefix, folder, partitions)
        for topic in load_topics():
            kafka.create_topic(prefix + topic.name, partitions if topic.name == "deploy_events" else 2, topic.config)
        kafka.create_topic(found.changelog, partitions, {"cleanup.policy": "compact"})
        kafka.create_topic(f"{found.group}-__assignor-__leader", 1)
        return found

    @property
    def changelog(self) -> str:
        return f"{self.group}-state-changelog"

    @property
    def events_topic(self) -> str:
        return self.topic("deploy_events")

    # --- workers ------------------------------------------------------------------------------------------------------

    def settings(self, name: str = "a", **changes: Any) -> WorkerSettings:
        """Settings of a worker that is quick to notice; `name` is its instance and its data directory."""
        given: dict[str, Any] = {
            "kafka_bootstrap_servers": self.bootstrap,
            "topic_prefix": self.prefix,
            "app_id": self.group,
            "instance_id": f"{self.group}-{name}",
            "data_dir": self.folder / f"data-{name}",
            "session_timeout": 6 * SECOND,
            "commit_interval": SECOND // 5,
            "tick_interval": 0,
            "web_port": None,
        }
        return WorkerSettings(**{**given, **changes})

    def thread(
        self, name: str = "a", factory: PartitionStateFactory = CountingPartitionState, **changes: Any
    ) -> WorkerThread:
        """A worker in this process."""
        return WorkerThread(self.settings(name, **changes), factory)

    def process(
        self, processes: Processes, name: str = "a", partition_state: str = "CountingPartitionState", **environ: str
    ) -> Process:
        """A worker in a process of its own."""
        settings = {
            "CANDORA_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "CANDORA_TOPIC_PREFIX": self.prefix,
            "CANDORA_APP_ID": self.group,
            "CANDORA_INSTANCE_ID": f"{self.group}-{name}",
            "CANDORA_DATA_DIR": str(self.folder / f"data-{name}"),
            "CANDORA_SESSION_TIMEOUT": "6s",
            "CANDORA_COMMIT_INTERVAL": "200ms",
            "CANDORA_TICK_INTERVAL": "0s",
            "CANDORA_WEB_PORT": "0",
        }
        env = packages_env() | settings | environ
        return processes.start(sys.executable, str(MAIN), partition_state, env=env, name=f"worker {name}")

    # --- what goes in -------------------------------------------------------------------------------------------------

    def send(self, values: Iterable[EventValue]) -> None:
        """Write events as a producer does that follows the contract."""
        self.produce_events(self._counted(values))

    def _counted(self, values: Iterable[EventValue]) -> Iterator[EventValue]:
        for value in values:
            self.sent[value["service"]] += 1
            yield value

    # --- what comes out -----------------------------------------------------------------------------------------------

    def committed_more_than(self, count: int) -> bool:
        """Whether more than so many messages were committed."""
        return sum(self.committed().values()) > count

    def all_committed(self) -> bool:
        """Whether everything in deploy_events was read and committed."""
        return self.committed() == self.ends()

    def rows(self) -> dict[tuple[int, str], Sequence[Any]]:
        """The state as the changelog has it: the last row of each key, by partition."""
        rows: dict[tuple[int, str], Sequence[Any]] = {}
        for message in self.read("worker-state-changelog"):
            number, _, key = (message.key() or b"").decode().partition("/")
            assert int(number) == message.partition()
            value = message.value()
            assert value is not None
            rows[int(number), key] = decode_row(key, value)
        return rows

    def counts(self) -> dict[str, int]:
        """The counts of the counting partition state, as stored."""
        return {key: row[0] for (_, key), row in self.rows().items() if key != "partition"}

    def published_counts(self) -> dict[str, int]:
        """The counts of the counting partition state, as published: the last record of each service."""
        decoder = pinned_decoder("change")
        found = (decoder.decode(message.value() or b"") for message in self.read("changes"))
        return {record["service"]: record["revisions"] for record in found}

    def offset_commit(self, partition: int, offset: int) -> None:
        """Set the group's offset, while no worker runs."""
        with self.looking() as consumer:
            consumer.commit(offsets=[TopicPartition(self.events_topic, partition, offset)], asynchronous=False)

    def members(self) -> int:
        """How many workers the group has."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        return len(admin.describe_consumer_groups([self.group])[self.group].result(10).members)
