"""What the reader does when Kafka, the topics or the registry are not as they should be. The rest needs a broker."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from typing_extensions import override

from schemas.clients.registry import RegistryError
from schemas.codec.codec import Encoder, Schema, load_schema
from schemas.ids import pinned_encoder
from schemas.values import DAY, SECOND
from streams.exporter import reader as reader_module
from streams.exporter.decoder import RecordReader
from streams.exporter.incident_samples import SampleQueue
from streams.exporter.reader import OutputReader, OutputReadError
from streams.exporter.store import ExporterStore
from tests.support.builders.scrapes import number, openmetrics
from tests.support.builders.snapshots import NOON, counters, metrics_value

TOPIC = "delivery_metrics"
DATA = pinned_encoder("delivery_metrics").encode(metrics_value(counted=counters(4)))
AWAY = KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))


def message(offset: int, data: bytes = DATA) -> Message:
    return Message(topic=TOPIC, partition=0, offset=offset, key=b"api/prod", value=data)


def trouble(code: int) -> Message:
    return Message(topic=TOPIC, partition=0, offset=-1, error=KafkaError(code))


@dataclass
class FakeConsumer:
    """A consumer whose every poll is one step of a script; after the last one the reader is stopped."""

    script: list[Message | Callable[[], object] | None]
    stop: Callable[[], None] = lambda: None
    ends: dict[str, int] = field(default_factory=lambda: {TOPIC: 0, "incidents": 0})
    partitions: int = 1
    missing: KafkaError | None = None
    assigned: list[TopicPartition] = field(default_factory=list)
    closed: bool = False

    def list_topics(self, topic: str, timeout: float) -> object:
        found = SimpleNamespace(error=self.missing, partitions=dict.fromkeys(range(self.partitions)))
        return SimpleNamespace(topics={topic: found})

    def get_watermark_offsets(self, place: TopicPartition, timeout: float, cached: bool) -> tuple[int, int]:
        return 0, self.ends[place.topic]

    def assign(self, places: list[TopicPartition]) -> None:
        self.assigned = places

    def poll(self, timeout: float) -> Message | None:
        if not self.script:
            self.stop()
            return None
        step = self.script.pop(0)
        if callable(step):
            step()
            return None
        return step

    def consume(self, number: int, timeout: float) -> list[Message]:
        return []

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting, and a look at Kafka after every poll."""
    monkeypatch.setattr(reader_module, "RETRY_DELAY", 0)
    monkeypatch.setattr(reader_module, "CHECK_INTERVAL", 0)


@pytest.fixture
def store() -> ExporterStore:
    return ExporterStore(SampleQueue(31 * DAY, 10 * SECOND), lambda: NOON)


def run(store: ExporterStore, consumer: FakeConsumer, records: RecordReader | None = None) -> None:
    reader = OutputReader(lambda _: cast("Consumer", consumer), "", records or RecordReader(), store)
    consumer.stop = reader.stop
    try:
        reader.run()
    finally:
        assert consumer.closed


def deployments(store: ExporterStore) -> float | None:
    return number(openmetrics(store.scrape("a")), "deployments_total", service="api", env="prod")


def test_everything_is_read_from_the_beginning(store: ExporterStore) -> None:
    consumer = FakeConsumer([message(0), message(1)], ends={TOPIC: 2, "incidents": 0})
    run(store, consumer)
    assert {(each.topic, each.partition, each.offset) for each in consumer.assigned} == {
        (TOPIC, 0, OFFSET_BEGINNING),
        ("incidents", 0, OFFSET_BEGINNING),
    }
    assert store.why_not_ready() is None
    assert deployments(store) == 4


def test_one_record_short_of_the_end_is_not_complete(store: ExporterStore) -> None:
    run(store, FakeConsumer([message(0)], ends={TOPIC: 2, "incidents": 0}))
    assert store.not_complete() is not None


def test_trouble_that_does_not_keep_kafka_from_answering_is_no_trouble(store: ExporterStore) -> None:
    run(store, FakeConsumer([trouble(KafkaError._TRANSPORT), None]))
    assert store.why_not_ready() is None


def test_while_kafka_does_not_answer_the_numbers_may_be_old(store: ExporterStore) -> None:
    consumer = FakeConsumer([])

    def away(*_: object, **__: object) -> tuple[int, int]:
        raise AWAY

    consumer.script = [lambda: setattr(consumer, "get_watermark_offsets", away), None]
    run(store, consumer)
    assert store.not_complete() is None
    assert "Kafka does not answer" in (store.why_not_ready() or "")


def test_a_client_that_hangs_is_exchanged_and_reading_goes_on(
    store: ExporterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was, and the same whether it was reading or had only begun to ask."""
    monkeypatch.setattr(reader_module, "RECREATE_CLIENT_AFTER", 0)
    monkeypatch.setattr(reader_module, "CLOSE_TIMEOUT", 0.01)
    ended = threading.Event()

    class Hung(FakeConsumer):
        @override
        def get_watermark_offsets(self, place: TopicPartition, timeout: float, cached: bool) -> tuple[int, int]:
            if not self.script:
                raise AWAY
            return super().get_watermark_offsets(place, timeout, cached)

        @override
        def poll(self, timeout: float) -> Message | None:
            return cast("Message", self.script.pop(0)) if self.script else None

        @override
        def close(self) -> None:
            ended.wait(10)

    ends = {TOPIC: 1, "incidents": 0}
    last = FakeConsumer([message(1)], ends={TOPIC: 2, "incidents": 0})
    made = [Hung([]), Hung([message(0)], ends=ends), last]
    waiting = iter(made)
    reader = OutputReader(lambda _: cast("Consumer", next(waiting)), "", RecordReader(), store)
    last.stop = reader.stop
    reader.run()
    ended.set()

    begun, resumed = [{(each.topic, each.offset) for each in one.assigned} for one in made[1:]]
    assert begun == {(TOPIC, OFFSET_BEGINNING), ("incidents", OFFSET_BEGINNING)}
    assert resumed == {(TOPIC, 1), ("incidents", 0)}
    assert store.why_not_ready() is None
    assert deployments(store) == 4


@pytest.mark.parametrize(
    "code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET]
)
def test_a_topic_that_is_gone_ends_it(store: ExporterStore, code: int) -> None:
    with pytest.raises(OutputReadError, match=r"delivery_metrics\[0\] cannot be read on"):
        run(store, FakeConsumer([trouble(code)]))


def test_a_topic_made_anew_ends_it(store: ExporterStore) -> None:
    """Its end is before what was read: what is shown is of the topic before."""
    consumer = FakeConsumer([message(0), message(1)], ends={TOPIC: 2, "incidents": 0})
    consumer.script.append(lambda: consumer.ends.update({TOPIC: 1}))
    with pytest.raises(OutputReadError, match=r"delivery_metrics\[0\] ends at 1, but was read up to 2"):
        run(store, consumer)


def test_a_topic_that_is_missing_later_ends_it(store: ExporterStore) -> None:
    consumer = FakeConsumer([])
    gone = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    consumer.script = [lambda: setattr(consumer, "missing", gone)]
    with pytest.raises(OutputReadError, match="does not exist"):
        run(store, consumer)


def test_partitions_that_were_added_make_it_unready(store: ExporterStore) -> None:
    consumer = FakeConsumer([])
    consumer.script = [lambda: setattr(consumer, "partitions", 2), None]
    run(store, consumer)
    assert (
        store.why_not_ready()
        == "delivery_metrics has a new partition, 1, which is not being read: restart this process"
    )


@dataclass
class Registry:
    """Does not answer the first times."""

    silent: int

    def schema_by_id(self, schema_id: int) -> Schema:
        self.silent -= 1
        if self.silent >= 0:
            raise RegistryError("connection refused")
        return load_schema(TOPIC)


def test_no_record_is_lost_while_the_registry_is_away(store: ExporterStore) -> None:
    data = Encoder[Any](load_schema(TOPIC), 7).encode(metrics_value(counted=counters(4)))
    registry = Registry(silent=3)
    consumer = FakeConsumer([message(0, data)], ends={TOPIC: 1, "incidents": 0})
    run(store, consumer, RecordReader(registry))
    assert registry.silent == -1
    assert deployments(store) == 4
