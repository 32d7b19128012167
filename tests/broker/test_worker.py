"""The worker on a real Kafka: everything that was sent is counted once, whatever happens to the workers."""

import json
import signal
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas.ids import pinned_encoder
from schemas.partitioner import partition_of
from schemas.values import DAY, SECOND
from streams.worker.preflight import TopicsError
from streams.worker.tables import encode_row, row_key
from tests.support import events
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes
from tests.support.servers.workers import SERVICES, Installation, commits, eventually, now

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]


@pytest.fixture
def installation(kafka: KafkaBroker, unique: str, tmp_path: Path) -> Installation:
    return Installation.create(kafka, unique, tmp_path)


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_a_worker_counts_and_commits_everything_and_a_restart_goes_on(installation: Installation, store: str) -> None:
    installation.send(commits(400))
    with installation.thread(store=store):
        eventually(installation.all_committed, "all commits")
        installation.send(commits(80))
        eventually(installation.all_committed, "all commits of what came later")
    assert installation.counts() == installation.sent
    with installation.thread(store=store) as worker:
        installation.send(commits(40))
        eventually(installation.all_committed, "all commits after the restart")
        assert worker.app is not None
        assert worker.app.why_not_ready() == []
    assert installation.counts() == installation.sent
    assert installation.published_counts() == installation.sent


def test_a_lost_data_directory_is_restored_from_the_changelog(installation: Installation) -> None:
    installation.send(commits(200))
    with installation.thread("a"):
        eventually(installation.all_committed, "all commits")
    with installation.thread("b", instance_id=f"{installation.group}-a"):
        installation.send(commits(200))
        eventually(installation.all_committed, "all commits by the one with an empty directory")
    assert installation.counts() == installation.sent


def test_a_batch_has_no_more_records_or_bytes_than_its_bounds(installation: Installation) -> None:
    installation.send(commits(500))
    with installation.thread(batch_records=7, batch_bytes=600):
        eventually(installation.all_committed, "all commits of small batches")
    rows = list(installation.read("worker-state-changelog"))
    partition_rows = [message for message in rows if (message.key() or b"").endswith(b"/partition")]
    assert len(partition_rows) >= 500 / 7
    assert installation.counts() == installation.sent


@pytest.mark.slow
def test_a_thousand_malformed_messages_between_good_ones(installation: Installation) -> None:
    encoder = pinned_encoder("deploy_event")
    at = now() - SECOND
    good = [(value["service"].encode(), encoder.encode(value), -1) for value in installation._counted(commits(1000))]
    future = events.commit("future", at + DAY, service="shop")
    unknown = encoder.encode({**events.commit("odd", at), "event_type": "UNKNOWN"})
    faults = [
        ("undecodable", b"shop", b"no avro at all"),
        ("undecodable", b"shop", None),
        ("undecodable", b"shop", b""),
        ("undecodable", b"shop", encoder.encode(events.commit("long", at)) + b"!"),
        ("unknown_schema", b"shop", b"\0\0\0\0\7" + good[0][1][5:]),
        ("failed_validation", b"shop", unknown),
        ("failed_validation", b"shop", encoder.encode({**events.commit("odd", at), "commit_sha": None})),
        ("future_timestamp", b"shop", encoder.encode(future)),
        ("wrong_key", b"bank", encoder.encode(events.commit("c", at, service="shop"))),
        ("wrong_key", None, encoder.encode(events.commit("c", at, service="shop"))),
    ]
    bad = [faults[number % len(faults)] for number in range(1000)]
    mixed = [pair for each, (_, key, value) in zip(good, bad, strict=True) for pair in (each, (key, value, -1))]
    with installation.thread() as worker:
        installation.produce(mixed, headers=[("origin", b"test")])
        stray = encoder.encode(events.commit("stray", at, service=SERVICES[0]))
        home = partition_of(SERVICES[0].encode(), installation.partitions)
        installation.produce([(SERVICES[0].encode(), stray, (home + 1) % installation.partitions)])
        eventually(installation.all_committed, "all commits")
        assert worker.running
    assert installation.counts() == installation.sent
    letters = installation.dead_letters()
    wanted = sorted(
        [(reason, key, value) for reason, key, value in bad] + [("wrong_partition", SERVICES[0].encode(), stray)],
        key=repr,
    )
    assert sorted(((each["reason"], each["key"], each["value"]) for each in letters), key=repr) == wanted
    log = {(each.partition(), each.offset()): each for each in installation.read("deploy_events")}
    for letter in letters:
        message = log[letter["partition"], letter["offset"]]
        assert (message.key(), message.value()) == (letter["key"], letter["value"])
        assert message.timestamp()[1] * 1000 == letter["append_time"]
        assert letter["topic"] == installation.events_topic
        assert letter["problem"]
    assert any(each["headers"] == {"origin": b"test"} for each in letters)


def test_state_of_another_version_is_refused_with_what_to_do(installation: Installation, processes: Processes) -> None:
    installation.send(commits(40))
    producer = Producer({"bootstrap.servers": installation.bootstrap})
    row = encode_row((1, 2)) or b""
    producer.produce(installation.changelog, b"\x09" + row[1:], row_key(0, "partition"), 0)
    assert producer.flush(10) == 0
    worker = installation.process(processes)
    assert worker.wait(60) == 1
    assert "this program reads version 1" in worker.tail(2000)
    assert "CANDORA_APP_ID" in worker.tail(2000)
    assert installation.committed() == dict.fromkeys(range(4), 0)


def test_a_missing_topic_is_named(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    worker = Installation(kafka, unique, tmp_path).thread()
    worker.start()
    eventually(lambda: not worker.running, "its end")
    with pytest.raises(TopicsError, match=f"{unique}deploy_events.*candora topics create"):
        worker.stop()


def test_ticks_reach_every_partition_from_one_writer(installation: Installation) -> None:
    with installation.thread("a", tick_interval=SECOND // 2), installation.thread("b", tick_interval=SECOND // 2):
        eventually(lambda: min(installation.ends().values()) >= 3, "three ticks in every partition")
    messages = list(installation.read("deploy_events"))
    ids = [message.value() for message in messages]
    assert len(ids) == len(set(ids)), "two writers wrote the tick of one interval and partition"
    assert installation.dead_letters() == []


@pytest.mark.slow
def test_sigterm_ends_a_worker_in_seconds_with_everything_committed(
    installation: Installation, processes: Processes
) -> None:
    installation.send(commits(400))
    worker = installation.process(processes)
    eventually(installation.all_committed, "all commits")
    installation.send(commits(40))
    assert worker.terminate(10) == 0
    before = installation.committed()
    assert sum(before.values()) == sum(
        row[1] + 1 for (_, key), row in installation.rows().items() if key == "partition"
    )
    for line in worker.tail(5000).splitlines():
        assert json.loads(line)["level"] in {"info", "warning"}


@pytest.mark.slow
def test_kill_9_again_and_again_loses_nothing(installation: Installation, processes: Processes) -> None:
    for _round in range(4):
        installation.send(commits(3000))
        seen = sum(installation.committed().values())
        worker = installation.process(processes, CANDORA_BATCH_RECORDS="25")
        eventually(partial(installation.committed_more_than, seen), "a first commit")
        worker.popen.send_signal(signal.SIGKILL)
        worker.popen.wait()
    installation.process(processes)
    eventually(installation.all_committed, "all commits after the last restart")
    assert installation.counts() == installation.sent
    assert installation.published_counts() == installation.sent


@pytest.mark.slow
@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_two_workers_share_and_hand_over(installation: Installation, store: str) -> None:
    installation.send(commits(1000))
    with installation.thread("a", batch_records=20, store=store) as first:
        eventually(lambda: sum(installation.committed().values()) > 0, "a first commit")
        with installation.thread("b", batch_records=20, store=store) as second:
            installation.send(commits(2000))
            eventually(lambda: bool(second.app and second.app.positions()), "partitions at the second worker")
            installation.send(commits(2000))
            eventually(installation.all_committed, "all commits by both")
            assert first.app is not None
            assert second.app is not None
            assert first.app.positions().keys().isdisjoint(second.app.positions())
            assert len({*first.app.positions(), *second.app.positions()}) == installation.partitions
        installation.send(commits(1000))
        eventually(installation.all_committed, "all commits by the one that is left", 60)
    assert installation.counts() == installation.sent
    assert installation.published_counts() == installation.sent
