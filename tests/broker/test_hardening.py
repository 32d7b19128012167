"""Every fault of Faust that is overridden, shown on a real Kafka: with Faust's own class, and gone with ours.

The apps here are as small as can be: an agent that acknowledges by hand what it was sent, message by message.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Final

import faust
import pytest
from confluent_kafka import Producer
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from typing_extensions import override

from streams.worker.faust_patches import FaustReplacements, HardenedApp, settle
from streams.worker.faust_patches.consumer import BatchConsumer
from streams.worker.faust_patches.producer import HardenedProducer
from streams.worker.faust_patches.recovery import HardenedTableManager
from streams.worker.run import AppThread
from tests.support.log import committed_offsets
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.workers import eventually

pytestmark = [pytest.mark.broker, pytest.mark.timeout(90)]

STOCK: Final = FaustReplacements(driver.Consumer, driver.Producer, TableManager)
PARTITIONS: Final = 2


class Cluster:
    """One source topic and the topics of the apps that read it as one group."""

    def __init__(self, kafka: KafkaBroker, prefix: str, folder: Path, partitions: int = PARTITIONS) -> None:
        self.bootstrap = kafka.bootstrap
        self.group = f"{prefix}app"
        self.topic = f"{prefix}source"
        self.folder = folder
        self.partitions = partitions
        kafka.create_topic(self.topic, partitions)
        kafka.create_topic(f"{self.group}-seen-changelog", partitions, {"cleanup.policy": "compact"})
        kafka.create_topic(f"{self.group}-__assignor-__leader", 1)

    def send(self, offsets: Iterable[int]) -> None:
        """Write one message into every partition for each number; if numbers begin at 0, they are the offsets."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for number in offsets:
            for partition in range(self.partitions):
                producer.produce(self.topic, b"%d" % number, b"key", partition)
        assert producer.flush(10) == 0

    def committed(self) -> list[int]:
        """The committed offset of every partition, 0 for none."""
        return list(committed_offsets(self.bootstrap, self.group, self.topic, self.partitions).values())

    def app(self, parts: FaustReplacements, name: str, **options: Any) -> HardenedApp:
        """An app with these classes, and nothing else that differs."""

        class App(HardenedApp):
            hardening: ClassVar[FaustReplacements] = parts

        given: dict[str, Any] = {
            "broker": f"kafka://{self.bootstrap}",
            "broker_commit_interval": 0.2,
            "broker_session_timeout": 6.0,
            "broker_heartbeat_interval": 1.0,
            "canonical_url": f"http://{name}",
            "datadir": self.folder / name,
            "table_standby_replicas": 0,
            "topic_allow_declare": False,
            "web_enabled": False,
            "autodiscover": False,
        }
        return App(self.group, **(given | options))


class Reader:
    """Notes what an agent reads, and acknowledges what the test wants."""

    def __init__(self, acknowledge: Callable[[int], bool] = lambda _: True) -> None:
        self.seen: list[tuple[int, int]] = []
        self.lock = threading.Lock()
        self.reading = asyncio.Event()
        self._acknowledge = acknowledge

    def offsets(self, partition: int = 0) -> list[int]:
        with self.lock:
            return [offset for number, offset in self.seen if number == partition]

    @property
    def again(self) -> int:
        """How many messages were read that had been read before."""
        with self.lock:
            return len(self.seen) - len(set(self.seen))

    def install(self, app: HardenedApp, topic: str, table: Any = None) -> None:
        source = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

        async def read(stream: Any) -> None:
            async for event in stream.noack().events():
                with self.lock:
                    self.seen.append((event.message.partition, event.message.offset))
                self.reading.set()
                if table is not None:
                    table[event.value] = event.value
                if self._acknowledge(event.message.offset):
                    settle(event)
                else:
                    kept.append(event)

        kept: list[Any] = []
        app.agent(source, name="read")(read)


def seen_table(app: HardenedApp) -> Any:
    return app.Table("seen", key_type=bytes, value_type=bytes)


def running(make: Callable[[], HardenedApp]) -> AppThread[HardenedApp]:
    return AppThread(make)


@pytest.fixture
def cluster(kafka: KafkaBroker, unique: str, tmp_path: Path) -> Cluster:
    return Cluster(kafka, unique, tmp_path)


# --- H1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [STOCK, FaustReplacements()], ids=["faust", "hardened"])
def test_h1_a_revoke_commits_what_was_acknowledged(cluster: Cluster, parts: FaustReplacements) -> None:
    reader = Reader()

    def make(name: str) -> HardenedApp:
        app = cluster.app(parts, name, broker_commit_interval=3600.0)
        seen_table(app)
        reader.install(app, cluster.topic)
        return app

    cluster.send(range(10))
    with running(lambda: make("a")):
        eventually(lambda: len(reader.seen) == 20, "all messages at the first")
        assert cluster.committed() == [0, 0]
        with running(lambda: make("b")) as second:
            if parts is STOCK:  # it may stall besides, so nothing else is waited for
                eventually(lambda: reader.again > 0, "a message read twice: is the override not needed any more?", 60)
                return
            eventually(lambda: second.app is not None and bool(second.app.tables.actives_ready), "the second's share")
            cluster.send(range(10, 12))
            eventually(lambda: all({10, 11} <= set(reader.offsets(each)) for each in (0, 1)), "what came later")
            assert reader.again == 0


# --- H2 ---------------------------------------------------------------------------------------------------------------


def slow_seek(reading: asyncio.Event, patience: float) -> type[driver.Consumer]:
    """Faust's consumer on a slow day: before the broker says what was committed, something is fetched and read.

    It waits for that up to `patience` seconds, and in vain if nothing may be read yet.
    """

    class SlowSeek(driver.Consumer):
        @override
        async def perform_seek(self) -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(reading.wait(), patience)
            await super().perform_seek()

    return SlowSeek


@pytest.mark.parametrize("tables", [TableManager, HardenedTableManager], ids=["faust", "hardened"])
def test_h2_nothing_is_read_before_the_position_is_set(cluster: Cluster, tables: type[TableManager]) -> None:
    first, second = Reader(), Reader()
    stock = tables is TableManager

    def make(reader: Reader, consumer: type[driver.Consumer], commit_interval: float) -> HardenedApp:
        parts = FaustReplacements(consumer, driver.Producer, tables)
        app = cluster.app(parts, "a", consumer_group_instance_id="a", broker_commit_interval=commit_interval)
        reader.install(app, cluster.topic, seen_table(app))
        return app

    def read_as_written() -> bool:
        return all(read == list(range(100, 100 + len(read))) for read in map(second.offsets, (0, 1)))

    cluster.send(range(100))
    with running(lambda: make(first, driver.Consumer, 0.2)):
        eventually(lambda: cluster.committed() == [100, 100], "all commits of the first run")
    cluster.send(range(100, 200))
    slow = slow_seek(second.reading, 30.0 if stock else 2.5)
    with running(lambda: make(second, slow, 3600.0)) as again:
        eventually(lambda: again.app is not None and bool(again.app.tables.actives_ready), "the end of the recovery")
        cluster.send([200])
        if stock:
            eventually(lambda: not read_as_written(), "messages read twice: is the override not needed any more?")
            return
        eventually(lambda: 200 in second.offsets(0) and 200 in second.offsets(1), "what came later")
    assert read_as_written()
    assert cluster.committed() == [201, 201]


# --- H3 ---------------------------------------------------------------------------------------------------------------


def slow_changelog(base: type[driver.Producer], written: list[int]) -> type[driver.Producer]:
    """A producer whose broker takes its time with every record of a changelog."""

    class SlowProducer(base):  # type: ignore[misc, valid-type]
        async def send(self, topic: str, key: bytes, value: bytes, *args: Any, **kwargs: Any) -> Any:
            if topic.endswith("-changelog"):
                await asyncio.sleep(0.3)
                written.append(int(value))
            return await super().send(topic, key, value, *args, **kwargs)

    return SlowProducer


def noting_commits(commits: list[tuple[int, int]], written: list[int]) -> type[driver.Consumer]:
    """A consumer that notes, at each commit, its offset and how far the changelog was then."""

    class NotingConsumer(BatchConsumer):
        @override
        async def _commit(self, offsets: Mapping[TP, int]) -> bool:
            commits.extend((offset, len(written)) for offset in offsets.values())
            return await super()._commit(offsets)

    return NotingConsumer


@pytest.mark.parametrize("producer", [driver.Producer, HardenedProducer], ids=["faust", "hardened"])
def test_h3_offsets_are_committed_after_the_changelog(
    kafka: KafkaBroker, unique: str, tmp_path: Path, producer: type[driver.Producer]
) -> None:
    cluster = Cluster(kafka, unique, tmp_path, partitions=1)
    commits: list[tuple[int, int]] = []
    written: list[int] = []
    parts = FaustReplacements(noting_commits(commits, written), slow_changelog(producer, written), HardenedTableManager)

    def make() -> HardenedApp:
        app = cluster.app(parts, "a")
        Reader().install(app, cluster.topic, seen_table(app))
        return app

    cluster.send(range(10))
    with running(make):
        eventually(lambda: cluster.committed() == [10], "all commits")
    ahead = [(offset, rows) for offset, rows in commits if offset > rows]
    if producer is driver.Producer:
        assert ahead, "Faust waits for the changelog: the override is not needed any more"
    else:
        assert ahead == []


@pytest.mark.parametrize("producer", [driver.Producer, HardenedProducer], ids=["faust", "hardened"])
def test_h3_a_changelog_that_cannot_be_written_stops_the_commits(
    kafka: KafkaBroker, unique: str, tmp_path: Path, producer: type[driver.Producer]
) -> None:
    cluster = Cluster(kafka, unique, tmp_path, partitions=1)
    failures = []

    class Refused(producer):  # type: ignore[misc, valid-type]
        async def send(self, topic: str, key: bytes, value: bytes, *args: Any, **kwargs: Any) -> Any:
            if topic.endswith("-changelog"):
                failures.append(value)
                refused: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                refused.set_exception(RuntimeError("the broker says no"))
                return refused
            return await super().send(topic, key, value, *args, **kwargs)

    def make() -> HardenedApp:
        app = cluster.app(FaustReplacements(BatchConsumer, Refused, HardenedTableManager), "a")
        Reader().install(app, cluster.topic, seen_table(app))
        return app

    cluster.send(range(3))
    app = running(make)
    app.start()
    if producer is driver.Producer:
        eventually(lambda: cluster.committed() == [3], "commits of what the changelog does not have")
        app.stop()
        return
    eventually(lambda: not app.running, "the end of the worker")
    with pytest.raises(Exception, match="the broker says no"):
        app.stop()
    assert failures
    assert cluster.committed() == [0]


# --- H4 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("consumer", [driver.Consumer, BatchConsumer], ids=["faust", "hardened"])
def test_h4_an_unacknowledged_message_is_not_committed_over(
    kafka: KafkaBroker, unique: str, tmp_path: Path, consumer: type[driver.Consumer]
) -> None:
    cluster = Cluster(kafka, unique, tmp_path, partitions=1)
    reader = Reader(acknowledge=lambda offset: offset != 4)

    def make() -> HardenedApp:
        app = cluster.app(FaustReplacements(consumer), "a", stream_wait_empty=False)
        seen_table(app)
        reader.install(app, cluster.topic)
        return app

    with running(make):
        cluster.send(range(4))
        eventually(lambda: cluster.committed() == [4], "a commit of the first four")
        cluster.send(range(4, 10))
        eventually(lambda: len(reader.seen) == 10, "all messages")
        if consumer is driver.Consumer:
            eventually(lambda: cluster.committed() == [10], "a commit past the fifth, which nobody acknowledged")
            return
        cluster.send(range(10, 12))
        eventually(lambda: len(reader.seen) == 12, "more messages")
    assert cluster.committed() == [4]


def test_h4_from_the_first_message_of_a_partition(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    cluster = Cluster(kafka, unique, tmp_path, partitions=1)
    reader = Reader(acknowledge=lambda offset: offset != 0)

    def make() -> HardenedApp:
        app = cluster.app(FaustReplacements(), "a", stream_wait_empty=False)
        seen_table(app)
        reader.install(app, cluster.topic)
        return app

    cluster.send(range(5))
    with running(make):
        eventually(lambda: len(reader.seen) == 5, "all messages")
    assert cluster.committed() == [0]


# --- what follows from batches ----------------------------------------------------------------------------------------


def test_a_gap_in_the_log_holds_nothing_up(cluster: Cluster) -> None:
    """Transactions take offsets that no reader ever sees; a chain of batches must not take them for lost."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": cluster.group})
    producer.init_transactions(10)
    for number in range(5):
        producer.begin_transaction()
        for partition in range(cluster.partitions):
            producer.produce(cluster.topic, b"%d" % number, b"key", partition)
        producer.commit_transaction(10)
    reader = Reader()

    def make() -> HardenedApp:
        app = cluster.app(FaustReplacements(), "a")
        seen_table(app)
        reader.install(app, cluster.topic)
        return app

    with running(make):
        eventually(lambda: cluster.committed() == [10, 10], "commits past the last marker")
        cluster.send([5])
        eventually(lambda: cluster.committed() == [11, 11], "commits of what came behind it")
    assert reader.offsets(0) == [0, 2, 4, 6, 8, 10]


def test_a_batch_that_is_skipped_is_not_acknowledged(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    """Faust acknowledges what a stream skips. A batch is acknowledged by `settle` alone."""
    cluster = Cluster(kafka, unique, tmp_path, partitions=1)
    skipped = []

    def make() -> HardenedApp:
        app = cluster.app(FaustReplacements(), "a", stream_wait_empty=False)
        seen_table(app)
        source = app.topic(cluster.topic, key_type=bytes, value_type=bytes)

        async def read(stream: faust.Stream[Any]) -> None:
            async for event in stream.noack().events():
                skipped.append(event.message.offset)
                event.ack()

        app.agent(source, name="read")(read)  # type: ignore[arg-type]
        return app

    cluster.send(range(5))
    with running(make):
        eventually(lambda: len(skipped) == 5, "all messages")
    assert cluster.committed() == [0]
