"""`candora topics` on a real Kafka: what it creates it finds right, and what is off it names."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewPartitions

from schemas.topics import load_topics
from tests.support.servers.installation import PARTITIONS, Installation
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Process, Processes, free_port

OFF: Final = 1
UNREACHABLE: Final = 3


@pytest.fixture
def installation(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> Installation:
    return Installation(kafka, unique, processes, tmp_path).create_topics()


@pytest.fixture
def admin(kafka: KafkaBroker) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})


def topics(installation: Installation, *args: str) -> tuple[int, str]:
    """The exit code of `candora topics` and what it says."""
    process = installation.processes.candora("topics", *args, env=installation.env)
    return process.wait(60), process.tail(100)


def alter(admin: AdminClient, topic: str, name: str, value: str) -> None:
    """Change one setting of a topic, and wait until the broker shows it: the controller answers before it does."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    [done] = admin.incremental_alter_configs([resource]).values()
    done.result(30)
    asked = ConfigResource(ResourceType.TOPIC, topic)
    assert wait_for(lambda: admin.describe_configs([asked])[asked].result(30)[name].value == value)


def test_what_was_created_is_right(installation: Installation, admin: AdminClient) -> None:
    code, said = topics(installation, "check")
    names = {installation.topic(topic.name) for topic in load_topics()}
    names |= {f"{installation.group}-state-changelog", f"{installation.group}-__assignor-__leader"}
    assert code == 0
    assert sorted(said.splitlines()) == sorted(f"ok   {name}" for name in names)
    found = {name: len(topic.partitions) for name, topic in admin.list_topics(timeout=10).topics.items()}
    for base in (installation.topic("deploy_events"), f"{installation.group}-state-changelog"):
        assert found[base] == PARTITIONS


def test_creating_again_leaves_everything_as_it_is(installation: Installation, admin: AdminClient) -> None:
    """Also what somebody has set otherwise: it is `check` that says so."""
    kept = installation.topic("deployments")
    alter(admin, kept, "segment.ms", "7200000")
    code, said = topics(installation, "create", "--partitions", str(PARTITIONS * 2))
    assert code == 0
    assert f"deploy_events keeps its {PARTITIONS} partitions: they can never change" in said
    assert {line.split()[0] for line in said.splitlines()} == {"exists", "candora:"}
    code, said = topics(installation, "check")
    assert code == OFF
    assert f"off  {kept}\n     segment.ms is 7200000 instead of 3600000" in said


def test_a_missing_topic_is_created_beside_the_others(installation: Installation, admin: AdminClient) -> None:
    gone = installation.topic("incidents")
    admin.delete_topics([gone])[gone].result(30)
    assert wait_for(lambda: gone not in admin.list_topics(timeout=10).topics)
    code, said = topics(installation, "check")
    assert code == OFF
    assert f"off  {gone}\n     is missing; create it with `candora topics create`" in said
    assert said.count("off ") == 1
    code, said = topics(installation, "create", "--partitions", str(PARTITIONS))
    assert code == 0
    assert [line for line in said.splitlines() if line.startswith("created")] == [f"created  {gone}"]
    assert topics(installation, "check")[0] == 0


@pytest.mark.parametrize(
    ("base", "name", "value", "wanted"),
    [
        ("deployments", "cleanup.policy", "delete", "compact"),
        ("deploy_events", "cleanup.policy", "compact", "delete"),
        ("deploy_events", "message.timestamp.type", "CreateTime", "LogAppendTime"),
        ("deploy_events", "retention.ms", "86400000", "34560000000"),
        ("deploy_events_dead", "max.message.bytes", "1000000", "4194304"),
    ],
)
def test_a_setting_that_loses_or_breaks_something_is_named(
    installation: Installation, admin: AdminClient, base: str, name: str, value: str, wanted: str
) -> None:
    topic = installation.topic(base)
    alter(admin, topic, name, value)
    code, said = topics(installation, "check")
    assert code == OFF
    assert f"off  {topic}\n     {name} is {value} instead of {wanted}; alter the topic's configuration" in said
    assert said.count("off ") == 1


@pytest.mark.parametrize("value", ["-1", "99999999999"])
def test_keeping_longer_is_no_fault(installation: Installation, admin: AdminClient, value: str) -> None:
    alter(admin, installation.topic("deploy_events"), "retention.ms", value)
    assert topics(installation, "check")[0] == 0


def test_a_changelog_that_does_not_fit_the_events_is_named(installation: Installation, admin: AdminClient) -> None:
    """More partitions of deploy_events move services away from their state."""
    topic = installation.topic("deploy_events")
    admin.create_partitions([NewPartitions(topic, PARTITIONS + 2)])[topic].result(30)
    assert wait_for(lambda: len(admin.list_topics(timeout=10).topics[topic].partitions) == PARTITIONS + 2)
    code, said = topics(installation, "check")
    assert code == OFF
    assert f"has {PARTITIONS} partitions, deploy_events has {PARTITIONS + 2}; they must be equal" in said


def test_a_silent_address_is_told_within_twenty_seconds(processes: Processes, unique: str, tmp_path: Path) -> None:
    """Whoever asks: nobody listens there."""
    nowhere = Installation(KafkaBroker(f"127.0.0.1:{free_port()}", "nowhere"), unique, processes, tmp_path)
    began = time.monotonic()
    asked: list[Process] = [processes.candora("topics", what, env=nowhere.env) for what in ("create", "check")]
    for process in asked:
        assert process.wait(20) == UNREACHABLE
        assert "CANDORA_KAFKA_BOOTSTRAP_SERVERS" in process.tail()
        assert "Traceback" not in process.tail()
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("args", [("create", "--partitions", "0"), ("create", "--replication", "0")])
def test_what_no_broker_can_do_is_refused_before_it_is_asked(
    processes: Processes, unique: str, tmp_path: Path, args: tuple[str, ...]
) -> None:
    nowhere = Installation(KafkaBroker("127.0.0.1:1", "nowhere"), unique, processes, tmp_path)
    code, said = topics(nowhere, *args)
    assert code == 2
    assert "'0' is no whole number from 1 on" in said


def test_more_copies_than_brokers_are_refused_by_the_broker(
    kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path
) -> None:
    code, said = topics(Installation(kafka, unique, processes, tmp_path), "create", "--replication", "3")
    assert code == UNREACHABLE
    assert "replication" in said.lower()
    assert "Traceback" not in said


def test_the_events_get_the_brokers_time(installation: Installation) -> None:
    """A producer's own idea of the time is overwritten, or no clock could be read from the log."""
    producer = Producer({"bootstrap.servers": installation.kafka.bootstrap})
    producer.produce(installation.topic("deploy_events"), b"x", timestamp=1_000)
    assert producer.flush(30) == 0
    [message] = installation.read("deploy_events")
    kind, at = message.timestamp()
    assert kind == 2  # LogAppendTime
    assert abs(at / 1000 - time.time()) < 60


def wait_for(look: Callable[[], bool], timeout: float = 15.0) -> bool:
    """Whether something comes to hold in time."""
    deadline = time.monotonic() + timeout
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
