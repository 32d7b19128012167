"""What is asked of Kafka about the pipeline, and what is shown when it does not answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.values import DAY, MINUTE, Micros
from streams.exporter.incident_samples import SampleQueue
from streams.exporter.lag import UNKNOWN, LagWatcher, PipelineLag, look
from streams.exporter.store import ExporterStore
from streams.kafka.admin import TopicOffsets
from tests.support.builders.scrapes import HEALTH, number, openmetrics, scrape
from tests.support.builders.snapshots import NOON

LOG, DEAD, GROUP = "deploy_events", "deploy_events_dead", "candora-worker"


@dataclass
class Answers:
    """A Kafka with these offsets; `silent` names the question that it does not answer."""

    committed_at: Mapping[int, int] = field(default_factory=dict)
    begins: Mapping[int, int] = field(default_factory=lambda: {0: 0, 1: 50})
    silent: str = ""

    def offsets(self, topic: str) -> TopicOffsets:
        self._maybe_silent("offsets")
        return TopicOffsets(self.begins, {0: 100, 1: 70}) if topic == LOG else TopicOffsets({0: 3}, {0: 7})

    def committed(self, group: str, topic: str, partitions: Iterable[int]) -> Mapping[int, int]:
        self._maybe_silent("committed")
        assert (group, topic, sorted(partitions)) == (GROUP, LOG, [0, 1])
        return self.committed_at

    def appended_at(self, topic: str, partitions: Iterable[int]) -> Micros | None:
        self._maybe_silent("appended_at")
        return NOON

    def _maybe_silent(self, question: str) -> None:
        if self.silent == question:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


@pytest.mark.parametrize(
    ("committed", "behind"),
    [({0: 100, 1: 70}, 0), ({0: 90, 1: 70}, 10), ({}, 120), ({0: 100, 1: 20}, 20), ({0: 101, 1: 70}, 0)],
    ids=["all read", "ten left", "nothing acknowledged", "what is gone cannot be read", "read since"],
)
def test_behind_is_what_is_left_to_read(committed: Mapping[int, int], behind: int) -> None:
    assert look(Answers(committed), LOG, DEAD, GROUP) == PipelineLag(behind, NOON, 7)


@pytest.mark.parametrize(
    ("question", "said"),
    [("offsets", UNKNOWN), ("committed", PipelineLag(None, None, 7)), ("appended_at", PipelineLag(120, None, 7))],
)
def test_what_kafka_does_not_say_is_not_made_up(question: str, said: PipelineLag) -> None:
    assert look(Answers(silent=question), LOG, DEAD, GROUP) == said
    rendered = openmetrics(scrape(health=replace(HEALTH, pipeline=UNKNOWN)))
    assert number(rendered, "delivery_worker_lag_messages") is None
    assert number(rendered, "delivery_dead_letters_total") is None


def test_the_watch_tells_the_sink_until_it_is_stopped() -> None:
    told: list[PipelineLag] = []

    class ExporterStore:
        def set_pipeline(self, pipeline: PipelineLag) -> None:
            told.append(pipeline)
            watch.stop()

    watch = LagWatcher(Answers({0: 100, 1: 60}), (LOG, DEAD), GROUP, ExporterStore())
    watch.run()
    assert told == [PipelineLag(10, NOON, 7)]


def test_what_only_rises_stays_when_kafka_does_not_say_it() -> None:
    store = ExporterStore(SampleQueue(DAY, MINUTE), lambda: NOON)
    store.set_pipeline(PipelineLag(10, NOON, 7))
    store.set_pipeline(UNKNOWN)
    assert store.scrape("one").health.pipeline == PipelineLag(None, None, 7)


def test_the_first_look_waits_until_kafka_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[PipelineLag] = []

    class ExporterStore:
        def set_pipeline(self, pipeline: PipelineLag) -> None:
            told.append(pipeline)

    def wait(_: float) -> bool:
        kafka.silent = ""
        return False

    kafka = Answers({0: 100, 1: 60}, silent="offsets")
    watch = LagWatcher(kafka, (LOG, DEAD), GROUP, ExporterStore())
    monkeypatch.setattr(watch._stop, "wait", wait)
    watch.first()
    assert told == [PipelineLag(10, NOON, 7)]


def test_nothing_is_served_before_the_first_look() -> None:
    store = ExporterStore(SampleQueue(DAY, MINUTE), lambda: NOON, await_lag=True)
    store.mark_complete()
    assert store.not_complete()
    assert store.why_not_ready()
    store.set_pipeline(UNKNOWN)
    assert store.not_complete() is None
    assert store.why_not_ready() is None
