import pytest

from schemas.topics import Topic, load_topics, topic_name
from schemas.values import DAY

TOPICS = {topic.name: topic for topic in load_topics()}


def test_the_log_keeps_everything_and_stamps_it_itself() -> None:
    log = TOPICS["deploy_events"]
    assert log.config["message.timestamp.type"] == "LogAppendTime"
    assert log.config["retention.ms"] == str(400 * DAY // 1000)
    assert log.config["retention.bytes"] == "-1"
    assert not log.compacted


def test_the_records_are_compacted() -> None:
    compacted = {name for name, topic in TOPICS.items() if topic.compacted}
    assert compacted == {"deployments", "incidents", "changes", "delivery_metrics"}


def test_a_dead_letter_has_room_for_any_message_of_the_log() -> None:
    """A dead letter holds the whole message and its reason."""
    room, message = (int(TOPICS[name].config["max.message.bytes"]) for name in ("deploy_events_dead", "deploy_events"))
    assert room >= 2 * message


@pytest.mark.parametrize("topic", load_topics(), ids=lambda topic: topic.name)
def test_every_topic_says_who_writes_and_reads_it(topic: Topic) -> None:
    assert topic.description.endswith(".")
    assert topic.producers
    assert topic.consumers
    assert topic.key
    assert topic.partitions > 0
    assert topic.partitions_change
    assert all(isinstance(value, str) for value in topic.config.values())


def test_a_topic_file_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        Topic.from_json('{"colour": "red", "producers": [], "consumers": []}')


def test_a_prefix_goes_before_the_name() -> None:
    assert topic_name("deploy_events", "") == "deploy_events"
    assert topic_name("deploy_events", "eu.") == "eu.deploy_events"


@pytest.mark.parametrize("prefix", ["a b", "é", "x" * 249, "a/"])
def test_a_name_that_kafka_would_refuse_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="no name for a Kafka topic"):
        topic_name("deploy_events", prefix)
