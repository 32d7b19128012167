"""What ends a worker, and that nothing is acknowledged on the way out."""

import json
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewPartitions

from schemas.values import SECOND
from streams.event_log.raw_record import WrongTimestampsError
from streams.worker import app
from streams.worker.preflight import TopicsError
from streams.worker.publisher import PublishError
from streams.worker.run import WorkerThread
from streams.worker.tables import StateError
from tests.support import events
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes
from tests.support.servers.workers import Installation, commits, eventually, now

pytestmark = [pytest.mark.broker, pytest.mark.proof, pytest.mark.timeout(120)]


@pytest.fixture
def installation(kafka: KafkaBroker, unique: str, tmp_path: Path) -> Installation:
    return Installation.create(kafka, unique, tmp_path)


def configure(bootstrap: str, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap})  # it takes its futures with it when it goes
    admin.incremental_alter_configs([resource])[resource].result(10)


def run_to_its_end(worker: WorkerThread, timeout: float = 40.0) -> None:
    worker.start()
    eventually(lambda: not worker.running, "the end of the worker", timeout)
    worker.stop()


def test_an_exception_while_reading_exits_with_1_and_commits_nothing_of_its_batch(
    installation: Installation, processes: Processes
) -> None:
    installation.send(commits(100))
    with installation.thread():
        eventually(installation.all_committed, "all commits")
    before = installation.committed()
    installation.send([*commits(40), events.commit("x", now(), service="broken")])
    worker = installation.process(processes, partition_state="FailingPartitionState")
    assert worker.wait(40) == 1
    assert "a bug" in worker.tail(2000)
    broken = events.commit("x", now(), service="broken")
    assert broken["service"] not in installation.counts()
    after, ends = installation.committed(), installation.ends()
    assert [number for number in after if after[number] < ends[number]], "the batch with the bug was committed"
    assert all(after[number] >= before[number] for number in after)
    with installation.thread():
        eventually(installation.all_committed, "all commits once the bug is gone")
    assert installation.counts() == installation.sent


def test_outputs_that_the_broker_does_not_take_end_the_worker_uncommitted(installation: Installation) -> None:
    configure(installation.bootstrap, f"{installation.prefix}changes", "max.message.bytes", "80")
    installation.send(commits(50))
    with pytest.raises(PublishError, match=f"{installation.prefix}changes"):
        run_to_its_end(installation.thread())
    assert set(installation.committed().values()) == {0}
    assert installation.rows() == {}
    configure(installation.bootstrap, f"{installation.prefix}changes", "max.message.bytes", "1048576")
    with installation.thread():
        eventually(installation.all_committed, "all commits once the topic takes them")
    assert installation.published_counts() == installation.counts() == installation.sent


def test_timestamps_of_producers_are_refused_unless_they_are_to_be_trusted(installation: Installation) -> None:
    configure(installation.bootstrap, installation.events_topic, "message.timestamp.type", "CreateTime")
    installation.send(commits(20))
    with pytest.raises(WrongTimestampsError, match=r"message\.timestamp\.type=LogAppendTime"):
        run_to_its_end(installation.thread())
    assert set(installation.committed().values()) == {0}
    with installation.thread(trust_create_time=True):
        eventually(installation.all_committed, "all commits")
    assert installation.counts() == installation.sent


def test_what_the_state_does_not_know_is_read_again_though_it_was_committed(installation: Installation) -> None:
    """A committed offset is no promise: the state may be older, if its topic was lost or an old owner wrote last."""
    installation.send(commits(120))
    for partition, end in installation.ends().items():
        installation.offset_commit(partition, end)
    assert installation.all_committed()
    with installation.thread():
        eventually(lambda: installation.counts() == installation.sent, "all counts")


def test_a_log_that_ends_before_the_state_is_refused(kafka: KafkaBroker, installation: Installation) -> None:
    installation.send(commits(120))
    with installation.thread():
        eventually(installation.all_committed, "all commits")
    admin = AdminClient({"bootstrap.servers": installation.bootstrap})
    admin.delete_topics([installation.events_topic])[installation.events_topic].result(10)
    eventually(lambda: installation.events_topic not in admin.list_topics(timeout=5).topics, "the topic gone")
    kafka.create_topic(installation.events_topic, 4, {"message.timestamp.type": "LogAppendTime"})
    installation.send(commits(4))
    with pytest.raises(StateError, match="deleted and created anew"):
        run_to_its_end(installation.thread())


def test_partitions_that_are_added_while_it_runs_end_a_worker(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another, started later, is refused as well: `test_rebuild.test_a_log_that_got_more_partitions`."""
    monkeypatch.setattr(app, "TOPIC_CHECK_INTERVAL", 0.5)
    installation.send(commits(100))
    worker = installation.thread()
    worker.start()
    eventually(installation.all_committed, "all commits")
    admin = AdminClient({"bootstrap.servers": installation.bootstrap})
    admin.create_partitions([NewPartitions(installation.events_topic, 5)])[installation.events_topic].result(30)
    eventually(lambda: not worker.running, "the end of the worker")
    with pytest.raises(TopicsError, match=r"had 4 partitions and now has 5: .* begin another log: set a new CANDORA"):
        worker.stop()


def test_what_its_operator_has_to_mend_is_one_clear_line(
    kafka: KafkaBroker, unique: str, tmp_path: Path, processes: Processes
) -> None:
    """No traceback, and exit code 1 as for everything that ends a worker."""
    empty = Installation(kafka, f"{unique}empty-", tmp_path)
    whole = Installation.create(kafka, unique, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ending = {
            rf"Kafka at {kafka.bootstrap} has no topic .*`candora topics create`": empty.process(processes, "a"),
            rf"cannot listen on 127\.0\.0\.1:{port} \(CANDORA_WEB_HOST, CANDORA_WEB_PORT\): Address already in use": (
                whole.process(processes, "b", CANDORA_WEB_HOST="127.0.0.1", CANDORA_WEB_PORT=port)
            ),
        }
        for expected, worker in ending.items():
            assert worker.wait(40) == 1
            said = [json.loads(line) for line in worker.tail(50_000).splitlines() if line.startswith("{")]
            [error] = [line for line in said if line["level"] in {"error", "critical"}]
            assert re.fullmatch(expected, error["message"])
            assert not [line for line in said if "error" in line]


@pytest.mark.slow
def test_a_worker_that_stood_still_writes_nothing_when_it_wakes(
    installation: Installation, processes: Processes
) -> None:
    installation.send(commits(1200))
    frozen = installation.process(processes, "a", CANDORA_BATCH_RECORDS="10")
    eventually(lambda: installation.committed_more_than(100), "a first commit")
    frozen.pause()
    with installation.thread("b", batch_records=200):
        installation.send(commits(400))
        eventually(installation.all_committed, "all commits by the other", 60)
        frozen.resume()
        assert frozen.wait(30) == 1
        assert "stood still" in frozen.tail(3000)
        installation.send(commits(80))
        eventually(installation.all_committed, "all commits of what came later")
    assert installation.counts() == installation.sent
    assert installation.published_counts() == installation.sent


def answer(worker: WorkerThread, path: str) -> tuple[int, str]:
    assert worker.app is not None
    assert worker.app.health is not None
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.app.health.port}{path}", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def test_health_says_why_it_is_not_ready_and_then_that_it_is(installation: Installation) -> None:
    installation.send(commits(40))
    seen: list[tuple[int, str]] = []
    with installation.thread(web_port=0, web_host="127.0.0.1", tick_interval=SECOND) as worker:
        eventually(lambda: bool(worker.app and worker.app.health and worker.app.health.port), "the web server")
        assert answer(worker, "/healthz")[0] == 200

        def ready() -> bool:
            seen.append(answer(worker, "/readyz"))
            return seen[-1][0] == 200

        eventually(ready, "readiness")
    assert _reasons(seen), "the worker was ready before it had any partitions"
    assert '"why": []' in seen[-1][1]


def _reasons(seen: Sequence[tuple[int, str]]) -> list[str]:
    return [body for status, body in seen if (status == 503 and "recovered" in body) or "assigned" in body]
