import json
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from schemas.ids import pinned_decoder
from tests.support.repository import Repository
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import packages_env

pytestmark = pytest.mark.broker


def test_a_job_of_a_request_sends_all_its_commits(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    topic = kafka.create_topic(f"{unique}deploy_events", 1, {"message.timestamp.type": "LogAppendTime"})
    origin = Repository.new(tmp_path / "origin")
    commits = origin.feature("tea", "09:00", "10:00")
    origin.trial_merge("tea", 12, "10:30")
    job = origin.clone(tmp_path / "job", ref="refs/pull/12/merge")
    environ = {
        "PATH": "/usr/bin:/bin",
        "CANDORA_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CANDORA_TOPIC_PREFIX": unique,
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_REF": "refs/pull/12/merge",
        "GITHUB_RUN_ID": "7",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    command = [sys.executable, "-m", "producers", "emit", "commit_created", "--strict", "--json"]

    done = subprocess.run(
        command, cwd=job.folder, env={**environ, **packages_env()}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == ["delivered"] * 2
    assert "\ndelivered\n" in (tmp_path / "output").read_text()
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        received = [
            pinned_decoder("deploy_event").decode(each.value() or b"") for each in consumer.consume(2, timeout=30)
        ]
    finally:
        consumer.close()
    assert {event["commit_sha"] for event in received} == set(commits)
    assert {event["change_id"] for event in received} == {"acme/shop#12"}
