"""The serving process on a real Kafka: complete before it answers, the same after SIGKILL, and open about trouble."""

import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.ids import pinned_encoder
from schemas.values import DAY, SECOND
from tests.support.builders.scrapes import number, numbers
from tests.support.builders.snapshots import counters, full_value, incident, metrics_value
from tests.support.servers.exporter import Outputs, Reply, start_serving
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

API = {"service": "api", "env": "prod"}


@pytest.fixture(scope="module")
def kafka(own_kafka: KafkaBroker) -> KafkaBroker:
    """Some tests here take the broker away."""
    return own_kafka


def test_the_first_answer_is_the_whole_truth(kafka: KafkaBroker, unique: str, processes: Processes) -> None:
    """From its start on it is asked without a pause: refused, 503, and then at once everything, in its last version."""
    outputs = Outputs(kafka, unique).create(partitions=6)
    for version in range(1, 21):
        outputs.metrics(
            *(metrics_value(f"s{each}", offset=version, counted=counters(version * each)) for each in range(200))
        )
    serving = start_serving(processes, kafka, unique)
    statuses = []
    while (reply := serving.get("/metrics")) is None or reply.status != 200:
        assert serving.process.exit_code is None
        statuses.append(reply and (reply.status, reply.text))
    assert (503, "not ready: still reading what was published before the start\n") in statuses
    shown = {
        line.split('service="')[1].split('"')[0]: float(line.split()[-1])
        for line in reply.text.splitlines()
        if line.startswith("deployments_total{")
    }
    assert shown == {f"s{each}": 20 * each for each in range(200)}


def test_a_new_process_says_what_the_killed_one_said(kafka: KafkaBroker, unique: str, processes: Processes) -> None:
    outputs = Outputs(kafka, unique).create()
    outputs.metrics(full_value(), full_value("web"), metrics_value(env="", counted=counters(conflicts=1)))
    ended_at = _now_micros() - DAY
    outputs.incidents(incident(ended_at=ended_at), incident(service="web", ended_at=ended_at))
    first = start_serving(processes, kafka, unique).ready()
    later = full_value(offset=1)
    later["counters"]["deployments"] = 100
    outputs.metrics(later)
    first.await_number(100, "deployments_total", **API)
    before = first.numbers()
    first.process.kill()
    second = start_serving(processes, kafka, unique).ready()
    assert second.numbers() == before
    assert ("incident_resolution_seconds", (("env", "prod"), ("service", "web"), ("severity", "sev1"))) in before


def test_ends_without_a_message_are_ends(kafka: KafkaBroker, unique: str, processes: Processes) -> None:
    """Transaction markers, aborted records, emptied and empty partitions: the reader waits for no message there."""
    emptied = kafka.create_topic(f"{unique}incidents", 2, {"cleanup.policy": "compact,delete", "retention.ms": "-1"})
    kafka.create_topic(f"{unique}delivery_metrics", 3, {"cleanup.policy": "compact"})
    outputs = Outputs(kafka, unique)
    outputs.incidents(*(incident(f"inc-{each}") for each in range(20)))
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for future in admin.delete_records([TopicPartition(emptied, each, -1) for each in range(2)]).values():
        assert future.result(30).low_watermark > 0
    encoder = pinned_encoder("delivery_metrics")
    transactional = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": unique})
    transactional.init_transactions(30)
    for offset, commit in ((1, True), (2, True), (3, False)):
        transactional.begin_transaction()
        value = metrics_value(offset=offset, counted=counters(offset))
        transactional.produce(f"{unique}delivery_metrics", encoder.encode(value), "api/prod")
        transactional.flush(30)
        if commit:
            transactional.commit_transaction(30)
        else:
            transactional.abort_transaction(30)
    serving = start_serving(processes, kafka, unique).ready()
    assert number(serving.text(), "deployments_total", **API) == 2


def test_it_follows_and_counters_do_not_dip(kafka: KafkaBroker, unique: str, processes: Processes) -> None:
    outputs = Outputs(kafka, unique).create()
    outputs.metrics(metrics_value(offset=5, counted=counters(5)))
    serving = start_serving(processes, kafka, unique).ready()
    outputs.metrics(
        metrics_value(offset=7, counted=counters(7)),
        metrics_value(offset=6, counted=counters(6)),  # a worker that had paused
        metrics_value(offset=9, partition=4, counted=counters(1)),
        metrics_value(offset=10, counted=counters(2)),
    )
    outputs.metrics(metrics_value("web", counted=counters(3)))
    topic = {"topic": "delivery_metrics"}
    serving.await_number(6, "delivery_serving_records_total", **topic)
    text = serving.text()
    assert number(text, "deployments_total", **API) == 7
    assert number(text, "delivery_serving_stale_records_total", **topic) == 1
    for reason in ("other_partition", "counter_fell"):
        assert number(text, "delivery_serving_bad_records_total", **topic, reason=reason) == 1
    assert number(text, "deployments_total", service="web", env="prod") == 3
    assert "offset" not in text


def test_bad_records_are_counted_and_named_and_stop_nothing(
    kafka: KafkaBroker, unique: str, processes: Processes
) -> None:
    outputs = Outputs(kafka, unique).create(partitions=1)
    good = pinned_encoder("delivery_metrics").encode(metrics_value(counted=counters(4)))
    outputs.raw(
        "delivery_metrics",
        [("api/prod", b"{}"), ("api/prod", b"\0\0\0\0\1" + good[5:]), ("web/prod", good), ("api/prod", good)],
    )
    outputs.raw("incidents", [("api/inc-1", b"\1")])
    serving = start_serving(processes, kafka, unique).ready()
    text = serving.text()
    assert number(text, "deployments_total", **API) == 4
    bad = {
        (dict(labels)["topic"], dict(labels)["reason"]): value
        for (name, labels), value in numbers(text).items()
        if name == "delivery_serving_bad_records_total" and value
    }
    assert bad == {
        ("delivery_metrics", "undecodable"): 1,
        ("delivery_metrics", "unknown_schema"): 1,
        ("delivery_metrics", "wrong_key"): 1,
        ("incidents", "undecodable"): 1,
    }
    serving.process.wait_for_log(f"refused {unique}delivery_metrics[0]@2: wrong_key: the key is 'web/prod'")
    outputs.raw("delivery_metrics", [("api/prod", None)])
    serving.await_number(5, "delivery_serving_records_total", topic="delivery_metrics")
    assert number(serving.text(), "deployments_total", **API) is None


def test_it_waits_for_its_topics_and_says_so(kafka: KafkaBroker, unique: str, processes: Processes) -> None:
    serving = start_serving(processes, kafka, unique)
    reason = f"topic {unique}delivery_metrics does not exist"
    serving.process.wait_until(lambda: _says(serving.get("/readyz"), 503, reason), reason)
    assert _says(serving.get("/metrics"), 503, "candora topics create")
    Outputs(kafka, unique).create(partitions=1)
    serving.ready()


def test_it_ends_when_its_topics_do(kafka: KafkaBroker, unique: str, processes: Processes) -> None:
    """What it knows is then no longer what is written: whoever runs it starts it again."""
    outputs = Outputs(kafka, unique).create(partitions=1)
    outputs.metrics(metrics_value())
    serving = start_serving(processes, kafka, unique).ready()
    topic = f"{unique}delivery_metrics"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})  # kept: a client that is forgotten sends nothing
    admin.delete_topics([topic])[topic].result(30)
    assert serving.process.wait(60) == 1
    assert "OutputReadError" in serving.process.tail()


def test_a_broker_away_makes_it_unready_with_the_reason(kafka: KafkaBroker, unique: str, processes: Processes) -> None:
    outputs = Outputs(kafka, unique).create(partitions=1)
    outputs.metrics(metrics_value(counted=counters(4)))
    serving = start_serving(processes, kafka, unique).ready()
    kafka.stop()
    try:
        reason = "Kafka does not answer"
        serving.process.wait_until(lambda: _says(serving.get("/readyz"), 503, reason), reason)
        text = serving.text()
        assert (number(text, "deployments_total", **API), number(text, "delivery_serving_ready")) == (4, 0)
        assert _says(serving.get("/healthz"), 200, "alive")
    finally:
        kafka.start()
    serving.ready()
    outputs.metrics(metrics_value(offset=1, counted=counters(5)))
    serving.await_number(5, "deployments_total", **API)


def test_it_ends_in_good_order(kafka: KafkaBroker, unique: str, processes: Processes) -> None:
    Outputs(kafka, unique).create(partitions=1)
    serving = start_serving(processes, kafka, unique).ready()
    assert serving.process.terminate(10) == 0


def test_without_a_broker_it_ends_in_good_order_too(unique: str, processes: Processes) -> None:
    nowhere = KafkaBroker("127.0.0.1:1", "nowhere")
    serving = start_serving(processes, nowhere, unique)
    serving.process.wait_until(lambda: _says(serving.get("/readyz"), 503, "Kafka does not answer"), "unreadiness")
    assert serving.process.terminate(20) == 0


def test_it_says_what_waits_for_the_workers(kafka: KafkaBroker, unique: str, processes: Processes) -> None:
    """Three messages, one acknowledged by the workers' group, and two dead letters."""
    Outputs(kafka, unique).create()
    for topic in ("deploy_events", "deploy_events_dead"):
        kafka.create_topic(unique + topic, 2, {"message.timestamp.type": "LogAppendTime"})
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for topic, partition in (("deploy_events", 0), ("deploy_events", 0), ("deploy_events", 1)):
        producer.produce(unique + topic, b"x", partition=partition)
    for partition in (0, 1):
        producer.produce(f"{unique}deploy_events_dead", b"x", partition=partition)
    assert producer.flush(10) == 0
    group = f"{unique}workers"
    workers = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    workers.commit(offsets=[TopicPartition(f"{unique}deploy_events", 0, 1)], asynchronous=False)
    workers.close()
    serving = start_serving(processes, kafka, unique, CANDORA_APP_ID=group).ready()
    serving.await_number(2, "delivery_worker_lag_messages")
    serving.await_number(2, "delivery_dead_letters_total")
    appended = number(serving.text(), "delivery_log_last_append_timestamp_seconds")
    assert appended is not None
    assert abs(appended - time.time()) < 60


def _says(reply: Reply | None, status: int, words: str) -> bool | None:
    """True if an HTTP answer has this status and these words; None, as for a thing awaited, if not."""
    return True if reply is not None and reply.status == status and words in reply.text else None


def _now_micros() -> int:
    return int(time.time()) * SECOND
