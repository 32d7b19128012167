import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from producers import cli
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import free_port

pytestmark = pytest.mark.broker

GOOD = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete", "max.message.bytes": "1048576"}


@pytest.fixture(autouse=True)
def pipeline(kafka: KafkaBroker, unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that a pipeline has."""
    monkeypatch.setenv("CANDORA_KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap)
    monkeypatch.setenv("CANDORA_TOPIC_PREFIX", unique)


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address where nothing answers and nothing refuses: a listener that takes no more connections."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def _doctor(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any]]:
    code = cli.main(["doctor", "--json", *argv])
    shown = json.loads(capsys.readouterr().out)
    assert shown["exit_code"] == code
    return code, {each["check"]: each for each in shown["checks"]}


def test_all_is_well(kafka: KafkaBroker, unique: str, capsys: pytest.CaptureFixture[str]) -> None:
    kafka.create_topic(f"{unique}deploy_events", 3, GOOD)

    code, checks = _doctor(capsys)

    assert code == 0
    assert checks[kafka.bootstrap]["status"] == "ok"
    assert checks["brokers"]["text"].startswith("1 answered")
    assert checks["topic"]["text"] == f"{unique}deploy_events has 3 partitions and LogAppendTime"
    assert checks["write"]["status"] == "ok"
    assert checks["clock"]["status"] == "unknown"


def test_a_trial_proves_that_writing_works_and_reads_the_brokers_clock(
    kafka: KafkaBroker, unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka.create_topic(f"{unique}deploy_events", 3, GOOD)

    code, checks = _doctor(capsys, "--send")

    assert code == 0
    assert "at offset 0" in checks["send"]["text"]
    assert checks["clock"]["status"] == "ok"
    assert checks["clock"]["text"].endswith("that of the broker, which is close enough")


def test_a_topic_that_is_missing_is_named_with_its_cure(unique: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, checks = _doctor(capsys)

    assert code == 5
    assert checks["brokers"]["status"] == "ok"
    assert checks["topic"]["text"] == f"there is no '{unique}deploy_events' that we may see"
    assert "candora topics create" in checks["topic"]["advice"]


def test_a_topic_with_the_wrong_time_must_be_mended(
    kafka: KafkaBroker, unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka.create_topic(f"{unique}deploy_events", 3, GOOD | {"message.timestamp.type": "CreateTime"})

    code, checks = _doctor(capsys)

    assert code == 2
    assert "message.timestamp.type is CreateTime instead of LogAppendTime" in checks["topic"]["text"]


def test_a_wrong_port_is_told_apart_from_a_good_one(
    kafka: KafkaBroker, unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka.create_topic(f"{unique}deploy_events", 1, GOOD)
    wrong = f"127.0.0.1:{free_port()}"

    code, checks = _doctor(capsys, "--bootstrap-servers", f"{wrong},{kafka.bootstrap}")

    assert code == 5
    assert checks[wrong]["text"] == "cannot connect: Connection refused"
    assert checks["write"]["status"] == "ok"


def test_a_black_hole_costs_no_more_than_the_timeout(black_hole: str, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()

    code, checks = _doctor(capsys, "--bootstrap-servers", black_hole, "--timeout", "2s")

    assert code == 5
    assert time.monotonic() - began < 3
    assert checks[black_hole]["status"] == "problem"
    assert "brokers" not in checks


def test_credentials_that_are_refused_are_told_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "SASL_MECHANISM": "PLAIN",
        "SASL_USERNAME": "ci",
        "SASL_PASSWORD": "hunter2",
    }.items():
        monkeypatch.setenv(f"KAFKA_{name}", value)

    assert cli.main(["doctor", "--timeout", "4s"]) == 4

    shown = "".join(capsys.readouterr())
    assert "problem  login: refused" in shown
    assert "hunter2" not in shown


def test_a_listener_without_tls_is_seen(
    kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")

    code, checks = _doctor(capsys, "--timeout", "4s")

    assert code == 5
    assert checks[kafka.bootstrap]["advice"].startswith(("take the port of its TLS listener", "check that this port"))


def test_a_spool_with_messages_says_so(
    kafka: KafkaBroker, unique: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka.create_topic(f"{unique}deploy_events", 1, GOOD)
    argv = ["emit", "commit_created", "--service", "shop", "--sha", "a" * 40, "--spool", str(tmp_path)]
    assert cli.main([*argv, "--bootstrap-servers", f"127.0.0.1:{free_port()}", "--timeout", "2s"]) == 0
    capsys.readouterr()

    code, checks = _doctor(capsys, "--spool", str(tmp_path))

    assert code == 0
    assert checks["spool"]["text"] == f"1 messages wait in {tmp_path}"
