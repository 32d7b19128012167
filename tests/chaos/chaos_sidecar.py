"""`make chaos`, the sidecar: Kafka goes away under load, the sidecar is killed twice, and no promise is broken.

A minute without Kafka; ten with CHAOS_LONG=1.
"""

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.duration import format_duration
from schemas.ids import pinned_decoder
from schemas.values import EventValue
from tests.chaos.sidecar_traffic import SidecarTraffic
from tests.support.servers.installation import Installation, published
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes
from tests.support.servers.sidecar import Sidecar

OUTAGE: Final = 600.0 if os.environ.get("CHAOS_LONG") else float(os.environ.get("CHAOS_OUTAGE") or 60)
RATE: Final = 50.0
BEFORE: Final = 5.0
PATIENCE: Final = 300.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(int(OUTAGE) + 900)]


def test_every_promise_is_kept_when_kafka_is_away_and_the_sidecar_is_killed(
    kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path
) -> None:
    installation = Installation(kafka, unique, processes, tmp_path).create_topics()
    sidecar = Sidecar(processes, kafka, unique, tmp_path, spool={"max_files": 200_000, "max_bytes": 1 << 30})
    traffic = SidecarTraffic(sidecar.url, RATE)
    traffic.start()
    time.sleep(BEFORE)
    kafka.stop()
    try:
        for _ in range(2):
            time.sleep(OUTAGE / 3)
            sidecar.kill()
        time.sleep(OUTAGE / 3)
        backlog = sidecar.waiting()
    finally:
        kafka.start()
    back_at = time.monotonic()
    time.sleep(BEFORE)
    traffic.end()
    while waiting := sidecar.waiting():
        assert time.monotonic() - back_at < PATIENCE, f"{waiting} messages are still on the disk"
        time.sleep(0.2)
    drained_in = time.monotonic() - back_at
    assert sidecar.process.terminate() == 0

    found = events_of(installation)
    repeats = sum(len(each) - 1 for each in found.values())
    print(  # noqa: T201 - the result
        f"\nsidecar: Kafka away for {OUTAGE:.0f} s, {RATE:g} requests/s, answers {dict(traffic.answers)}, "
        f"given up {traffic.given_up}, slowest 2xx {traffic.slowest:.3f} s, promised {len(traffic.promised)} events, "
        f"backlog {backlog}, drained {drained_in:.1f} s after Kafka was back, repeats on the topic {repeats}",
        flush=True,
    )
    assert backlog > OUTAGE * RATE * 0.8
    assert len(traffic.promised) > OUTAGE * RATE
    assert traffic.promised <= found.keys(), f"{len(traffic.promised - found.keys())} promised events were lost"
    for copies in found.values():
        assert all(copy == copies[0] for copy in copies), "an event came twice with two contents"
    assert len(installation.dead_letters()) >= traffic.promised_letters > 0
    assert_each_counts_once(installation, [copies[0] for copies in found.values()])


def events_of(installation: Installation) -> dict[str, list[EventValue]]:
    """What is on the topic, by event id."""
    decode = pinned_decoder("deploy_event").decode
    found: dict[str, list[EventValue]] = {}
    for message in installation.read("deploy_events"):
        event = decode(message.value() or b"")
        assert [("event_id", event["event_id"].encode())] == message.headers()
        found.setdefault(event["event_id"], []).append(event)
    return found


def assert_each_counts_once(installation: Installation, events: list[EventValue]) -> None:
    """The worker counts what was sent, and the audit finds its numbers right."""
    kinds = Counter(event["event_type"] for event in events)
    installation.start_workers("one")
    installation.settle(60)
    installation.stop()
    records = published(installation)
    counters: list[Any] = [value["counters"] for key, value in records.metrics.items() if key[1]]

    assert len(records.deployments) == kinds["canary_promoted"] == kinds["rollback_triggered"]
    assert sum(sum(each["failures"].values()) for each in counters) == kinds["rollback_triggered"]
    assert len(records.incidents) == kinds["incident_opened"]
    assert sum(sum(each["restore"]["counts"]) for each in counters) == kinds["incident_resolved"] > 0
    assert sum(each["conflicting_events"] for each in counters) == 0
    settings = installation.settings
    told = {
        "CANDORA_LATENESS": format_duration(settings.lateness),
        "CANDORA_WINDOWS": ",".join(map(format_duration, settings.windows)),
    }
    audit = installation.processes.candora("audit", "--wait", "60s", env={**installation.env, **told})
    assert audit.wait(120) == 0, json.dumps(kinds) + audit.tail()
