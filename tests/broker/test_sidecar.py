"""The sidecar on a real Kafka: from a webhook to the topic, through outages and restarts."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from schemas.ids import pinned_decoder
from schemas.partitioner import partition_of
from tests.support.builders.sidecar_requests import alert, deployment, group
from tests.support.servers.installation import PARTITIONS, Installation
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes, free_port
from tests.support.servers.sidecar import Sidecar

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def kafka(own_kafka: KafkaBroker) -> KafkaBroker:
    """Some tests here take the broker away."""
    return own_kafka


@pytest.fixture
def place(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> Installation:
    return Installation(kafka, unique, processes, tmp_path).create_topics()


@pytest.fixture
def sidecar(place: Installation) -> Sidecar:
    return Sidecar(place.processes, place.kafka, place.prefix, place.folder)


def post(sidecar: Sidecar, path: str, body: Any) -> dict[str, Any]:
    """The answer to a request that is taken."""
    request = urllib.request.Request(  # noqa: S310 - a server of ours
        sidecar.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        assert answer.status == 202
        found: dict[str, Any] = json.load(answer)
        return found


def sent(place: Installation) -> list[str]:
    """The ids of the events on the topic; each stands where its service belongs."""
    found = []
    for message in place.read("deploy_events"):
        event = pinned_decoder("deploy_event").decode(message.value() or b"")
        assert message.key() == event["service"].encode()
        assert message.partition() == partition_of(message.key() or b"", PARTITIONS)
        assert message.headers() == [("event_id", event["event_id"].encode())]
        found.append(event["event_id"])
    return found


def test_what_is_promised_is_on_the_topic(place: Installation, sidecar: Sidecar) -> None:
    promised = post(sidecar, "/v1/webhooks/alertmanager", group(alert("shop", 1)))["events"]
    promised += post(sidecar, "/v1/events", deployment("cart", "run-1"))["events"]
    letter = post(sidecar, "/v1/webhooks/github", {"no": "header"})
    place.await_that(lambda: not sidecar.waiting(), "an empty spool", 60)

    assert len(promised) == 3
    assert sorted(sent(place)) == sorted(promised)
    assert [each["topic"] for each in place.dead_letters()] == ["webhooks/github"] * letter["dead_letters"]
    assert sidecar.process.terminate() == 0
    sidecar.process.wait_for_log("the spool is empty")


def test_a_backlog_survives_kill_9_and_goes_out_when_kafka_is_back(place: Installation, sidecar: Sidecar) -> None:
    place.kafka.stop()
    try:
        promised = [post(sidecar, "/v1/events", deployment("shop", f"run-{each}"))["events"] for each in range(20)]
        sidecar.kill()
        promised.append(post(sidecar, "/v1/webhooks/alertmanager", group(alert("shop", 1)))["events"])
        assert sidecar.waiting() == 41
    finally:
        place.kafka.start()
    place.await_that(lambda: not sidecar.waiting(), "an empty spool", 60)

    assert sorted(sent(place)) == sorted(each for ids in promised for each in ids)


def test_sigterm_sends_what_waits_and_leaves_the_rest(
    place: Installation, kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path
) -> None:
    away = Sidecar(processes, kafka, unique, tmp_path, grace="1s")
    kafka.stop()
    try:
        promised = post(away, "/v1/events", deployment("shop", "run-1"))["events"]
        assert away.process.terminate() == 0
        away.process.wait_for_log("2 messages stay in the spool")
    finally:
        kafka.start()
    back = Sidecar(processes, kafka, unique, tmp_path, grace="25s")
    promised += post(back, "/v1/events", deployment("shop", "run-2"))["events"]
    assert back.process.terminate(60) == 0

    assert sorted(sent(place)) == sorted(promised)


def test_emit_keeps_an_event_that_drain_sends(place: Installation, processes: Processes, tmp_path: Path) -> None:
    env = {**place.env, "CANDORA_SPOOL": str(tmp_path / "jobs"), "CANDORA_TIMEOUT": "2s"}
    away = {**env, "CANDORA_KAFKA_BOOTSTRAP_SERVERS": f"localhost:{free_port()}"}
    arguments = "emit", "canary_started", "--service", "shop", "--env", "prod", "--strict", "--deployment"
    assert processes.candora_ci(*arguments, "run-1", env=away).wait() == 5
    assert processes.candora_ci(*arguments, "run-2", env=away).wait() == 5
    assert sent(place) == []

    assert processes.candora_ci(*arguments, "run-3", env=env).wait() == 0
    assert len(sent(place)) == 3
    assert processes.candora_ci(*arguments, "run-4", env=away).wait() == 5
    drain = processes.candora_ci("drain", "--strict", "--json", env=env)
    assert drain.wait() == 0
    assert '{"sent": 1, "left": 0, "quarantined": []}' in drain.tail()
    assert len(sent(place)) == 4


def test_emit_through_a_sidecar_that_is_killed_in_between(
    place: Installation, sidecar: Sidecar, processes: Processes, tmp_path: Path
) -> None:
    env = {"CANDORA_SIDECAR_URL": sidecar.url, "CANDORA_SPOOL": str(tmp_path / "jobs"), "CANDORA_TIMEOUT": "2s"}
    started = "emit", "canary_started", "--service", "shop", "--env", "prod", "--strict", "--deployment"
    assert processes.candora_ci(*started, "run-1", env=env).wait() == 0

    sidecar.process.kill()
    kept = processes.candora_ci(*started, "run-2", env=env)
    assert kept.wait() == 5
    assert "kept for the next run" in kept.tail()
    (tmp_path / "events.jsonl").write_text(
        "".join(json.dumps(deployment("cart", f"run-{n}")[0]) + "\n" for n in range(300))
    )
    many = processes.candora_ci("emit", "--strict", "--file", str(tmp_path / "events.jsonl"), env=env)
    assert many.wait() == 5
    assert processes.candora_ci("drain", "--strict", env=env).wait() == 5

    sidecar.start()
    drain = processes.candora_ci("drain", "--strict", "--json", env=env)
    assert drain.wait() == 0
    assert '{"sent": 301, "left": 0, "quarantined": []}' in drain.tail()
    assert processes.candora_ci("emit", "--strict", "--file", str(tmp_path / "events.jsonl"), env=env).wait() == 0
    place.await_that(lambda: not sidecar.waiting(), "an empty spool", 60)

    found = sent(place)
    assert len(set(found)) == 302  # what was sent twice has the same ids, and counts once
