"""`candora audit` against a real Kafka: equal while it lives, different when one record was changed, else undecided."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.duration import format_duration
from schemas.ids import pinned_encoder
from schemas.values import SECOND, EventValue
from streams.audit import process_pool
from streams.audit.run import AuditRequest, audit
from streams.settings.installation import WorkerSettings
from tests.support.events import cause, opened, promoted
from tests.support.load import load
from tests.support.log import Raw
from tests.support.servers.installation import Installation, home, published, put
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Process, Processes

pytestmark = pytest.mark.proof

SERVICES: Final = 30
BANK: Final = next(name for name in ("bank", "cart", "mail", "auth") if home(name) != home("shop"))


def some_load(count: int, seed: int, step: int = SECOND) -> Iterator[EventValue]:
    return load(count, SERVICES, time.time_ns() // 1000, seed=seed, step=step)


@pytest.fixture(scope="module")
def installation(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two workers that have read a few thousand events, a link from one service to another, and what is no event."""
    folder = tmp_path_factory.mktemp("audit")
    with Processes(folder) as processes:
        place = Installation(kafka, f"{folder.name}-{folder.stat().st_mtime_ns}-", processes, folder)
        place.create_topics().start_workers("one", "two")
        place.produce_events(some_load(3_000, seed=1, step=600 * SECOND))
        place.produce_events(
            [
                promoted("B1", "12:00", sha="c1", service=BANK),
                opened("i1", "13:00", cause=cause(service=BANK, deployment="B1"), service="shop"),
            ]
        )
        place.produce(
            [
                Raw(b"shop", b"no event"),
                Raw(b"shop", None),
                Raw(None, pinned_encoder("deploy_event").encode(promoted("S1", "12:00", service="shop")), 0),
            ]
        )
        place.settle()
        yield place
        place.stop()


def run_audit(place: Installation, *args: str, **env: str) -> Process:
    """`candora audit` with the settings of the workers."""
    numbers = {
        "CANDORA_LATENESS": format_duration(place.settings.lateness),
        "CANDORA_WINDOWS": ",".join(map(format_duration, place.settings.windows)),
    }
    return place.processes.candora("audit", *args, env={**place.env, **numbers, **env})


def answer(process: Process, code: int) -> dict[str, Any]:
    """What it printed with --json, once it has ended with this exit code."""
    assert process.wait(90) == code, process.tail()
    text = process.tail(100_000)
    value: dict[str, Any] = json.loads(text[text.index("{") :])
    return value


def test_equal_while_load_goes_on(installation: Installation) -> None:
    done = threading.Event()

    def go_on() -> None:
        for seed in range(2, 1_000):
            installation.produce_events(some_load(40, seed))
            installation.produce([Raw(b"shop", b"no event either")])
            if done.wait(0.02):
                return

    feeder = threading.Thread(target=go_on)
    feeder.start()
    try:
        answers = [answer(run_audit(installation, "--json"), 0) for _ in range(4)]
    finally:
        done.set()
        feeder.join()
    assert [one["verdict"] for one in answers] == ["equal"] * 4
    assert any(one["beyond"] for one in answers), "nothing changed while it was audited"
    assert all(one["refused"] >= 3 and one["links"] == 1 and min(one["records"].values()) for one in answers)
    assert sum(answers[-1]["ends"].values()) == answers[-1]["messages"] > answers[0]["messages"]


def test_equal_by_several_processes(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "WORTH_A_PROCESS", 100)
    settings = WorkerSettings(
        kafka_bootstrap_servers=installation.kafka.bootstrap,
        topic_prefix=installation.prefix,
        app_id=installation.group,
        lateness=installation.settings.lateness,
        windows=installation.settings.windows,
    )
    seen: list[tuple[int, int]] = []
    report = audit(settings, AuditRequest(processes=3), lambda read, total: seen.append((read, total)))
    assert (report.verdict, report.differences) == ("equal", ())
    assert seen[-1] == (report.messages, report.messages)


def test_one_changed_number_is_found(installation: Installation) -> None:
    """The snapshot is put right again afterwards, and the audit sees that too."""
    installation.settle()
    (service, env), snapshot = next(item for item in published(installation).metrics.items() if item[0][1] == "prod")
    counters = {**snapshot["counters"], "deployments": snapshot["counters"]["deployments"] + 1}
    put(installation, "delivery_metrics", f"{service}/{env}", {**snapshot, "counters": counters})
    told = answer(run_audit(installation, "--json"), 1)
    [difference] = told["differences"]
    assert (difference["topic"], difference["key"]) == ("delivery_metrics", f"{service}/{env}")
    [field] = difference["fields"]
    assert field == {
        "path": "counters.deployments",
        "published": counters["deployments"],
        "recomputed": snapshot["counters"]["deployments"],
    }
    assert difference["events_total"] >= len(difference["events"]) > 0
    assert {event["partition"] for event in difference["events"]} == {home(service)}
    text = run_audit(installation)
    assert text.wait(90) == 1
    assert f"different: delivery_metrics {service}/{env}" in text.tail()
    assert f"counters.deployments: published {counters['deployments']}, recomputed" in text.tail()
    put(installation, "delivery_metrics", f"{service}/{env}", snapshot)
    assert answer(run_audit(installation, "--json"), 0)["verdict"] == "equal"


def test_other_settings_than_the_workers(installation: Installation) -> None:
    told = answer(run_audit(installation, "--json", CANDORA_LATENESS="15m"), 2)
    assert "lateness is 3s in the snapshot" in told["why"]
    assert "and 15m here" in told["why"]
    assert "CANDORA_LATENESS" in told["why"]


def test_workers_that_do_not_run(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> None:
    place = Installation(kafka, unique, processes, tmp_path).create_topics()
    place.produce_events([promoted("S1", "12:00", service="shop")])
    began = time.monotonic()
    told = answer(run_audit(place, "--wait", "2s", "--json"), 2)
    assert time.monotonic() - began > 2
    assert f"partition {home('shop')} at 0 of 1; are they running" in told["why"]


def test_a_log_that_lost_its_oldest_messages(
    kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path
) -> None:
    place = Installation(kafka, unique, processes, tmp_path).create_topics()
    place.produce_events([promoted(name, "12:00", service="shop") for name in ("S1", "S2")])
    oldest = [TopicPartition(place.topic("deploy_events"), home("shop"), 1)]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    [deleted] = admin.delete_records(oldest).values()
    deleted.result(30)
    told = answer(run_audit(place, "--json"), 2)
    assert f"deploy_events[{home('shop')}] begins at offset 1: its oldest messages are gone" in told["why"]


def test_topics_that_do_not_exist(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> None:
    told = answer(run_audit(Installation(kafka, unique, processes, tmp_path), "--json"), 2)
    assert f"Kafka has no topic {unique}changes" in told["why"]


def test_kafka_that_does_not_answer(unique: str, processes: Processes, tmp_path: Path) -> None:
    audit = processes.candora("audit", env={"CANDORA_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert audit.wait(60) == 2
    assert "undecided: Kafka at 127.0.0.1:1 does not answer" in audit.tail()
