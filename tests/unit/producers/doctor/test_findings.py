"""What the doctor makes of what it is told."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from producers.config import load_config
from producers.doctor.address import Address, parse_servers
from producers.doctor.clock import check_clock
from producers.doctor.cluster import BrokerAnswers, judge
from producers.doctor.environment import check_ci, check_git, check_spool
from producers.doctor.finding import CheckResult, CheckStatus, exit_code, ok, problem, unknown, warning
from producers.doctor.settings import check_settings
from producers.doctor.trial import trial_event
from producers.errors import ExitCode
from schemas.topics import topic_of
from tests.support.events import sha

TOPIC = topic_of("deploy_event")
HEALTHY = BrokerAnswers(
    brokers=[Address("kafka-0", 9092)],
    partitions=12,
    config={"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete", "max.message.bytes": "1048576"},
    operations=frozenset({"DESCRIBE", "WRITE"}),
)


def _said(findings: list[CheckResult]) -> dict[str, tuple[CheckStatus, ExitCode]]:
    return {finding.name: (finding.status, finding.code) for finding in findings}


def test_a_healthy_cluster_has_nothing_but_good_findings() -> None:
    assert {finding.status for finding in judge(HEALTHY, "deploy_events", TOPIC)} == {CheckStatus.OK}


@pytest.mark.parametrize(
    ("cluster", "name", "status", "code"),
    [
        (BrokerAnswers(refusal="bad password"), "login", CheckStatus.PROBLEM, ExitCode.CREDENTIALS),
        (BrokerAnswers(trouble="timed out"), "brokers", CheckStatus.PROBLEM, ExitCode.NOT_DELIVERED),
        (replace(HEALTHY, partitions=None), "topic", CheckStatus.PROBLEM, ExitCode.NOT_DELIVERED),
        (replace(HEALTHY, config=None, hidden=["not allowed"]), "topic", CheckStatus.UNKNOWN, ExitCode.OK),
        (replace(HEALTHY, config={"cleanup.policy": "compact"}), "topic", CheckStatus.PROBLEM, ExitCode.USAGE),
        (replace(HEALTHY, config={"max.message.bytes": "1000"}), "topic", CheckStatus.PROBLEM, ExitCode.USAGE),
        (replace(HEALTHY, config={"max.message.bytes": "9999999"}), "topic", CheckStatus.OK, ExitCode.OK),
        (replace(HEALTHY, operations=None), "write", CheckStatus.UNKNOWN, ExitCode.OK),
        (replace(HEALTHY, operations=frozenset({"READ"})), "write", CheckStatus.PROBLEM, ExitCode.CREDENTIALS),
        (replace(HEALTHY, operations=frozenset({"WRITE"})), "write", CheckStatus.WARNING, ExitCode.OK),
    ],
)
def test_each_answer_of_a_cluster_is_judged(
    cluster: BrokerAnswers, name: str, status: CheckStatus, code: ExitCode
) -> None:
    assert _said(judge(cluster, "deploy_events", TOPIC))[name] == (status, code)


@pytest.mark.parametrize(
    ("environ", "name", "status", "text"),
    [
        ({}, "settings", CheckStatus.PROBLEM, "Kafka is not configured"),
        ({"CANDORA_KAFKA_BOOTSTRAP_SERVERS": "k:9092"}, "settings", CheckStatus.OK, "CANDORA_KAFKA_BOOTSTRAP_SERVERS"),
        ({}, "security", CheckStatus.OK, "PLAINTEXT, nothing set"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "security", CheckStatus.WARNING, "SASL_SSL, with security.protocol"),
        ({"KAFKA_SASL_USERNAME": "ci"}, "security", CheckStatus.WARNING, "PLAINTEXT, with sasl.username"),
        ({"KAFKA_SSL_CA_LOCATION": "ca.pem"}, "security", CheckStatus.WARNING, "PLAINTEXT, with ssl.ca.location"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM": "PLAIN"},
            "security",
            CheckStatus.WARNING,
            "SASL_PLAINTEXT",
        ),
        ({"KAFKA_SASL_MECHANISMS": "PLAIN"}, "settings", CheckStatus.WARNING, "KAFKA_SASL_MECHANISMS is not read"),
        ({"KAFKA_PORT": "tcp://10.0.0.1:9092"}, "security", CheckStatus.OK, "PLAINTEXT, nothing set"),
    ],
)
def test_each_setting_is_judged(environ: Mapping[str, str], name: str, status: CheckStatus, text: str) -> None:
    findings = list(check_settings(load_config({}, environ), {}, environ))

    assert [
        finding for finding in findings if (finding.name, finding.status) == (name, status) and text in finding.text
    ]


def test_no_setting_is_shown_that_may_be_secret() -> None:
    environ = {
        "KAFKA_SASL_PASSWORD": "hunter2",
        "KAFKA_SSL_KEY_PEM": "hunter2",
        "CANDORA_SCHEMA_REGISTRY_TOKEN": "hunter2",
        "KAFKA_SASL_PASWORD": "hunter2",
    }

    lines = [finding.line for finding in check_settings(load_config({}, environ), {}, environ)]

    assert "hunter2" not in "".join(lines)
    assert any("sasl.password" in line for line in lines)


def test_addresses_are_read_as_kafka_clients_read_them() -> None:
    addresses, faults = parse_servers("kafka-0:9092, SASL_SSL://kafka-1:9093,[::1]:9092,kafka-2,kafka-3:port,:1,")

    assert list(map(str, addresses)) == ["kafka-0:9092", "kafka-1:9093", "[::1]:9092"]
    assert [fault.name for fault in faults] == ["kafka-2", "kafka-3:port", ":1"]


@pytest.mark.parametrize(
    ("ahead", "status", "text"),
    [
        (None, CheckStatus.UNKNOWN, "no other clock"),
        (2.0, CheckStatus.OK, "is 2 s behind that of the broker"),
        (-29.0, CheckStatus.OK, "is 29 s ahead of that of the broker"),
        (120.0, CheckStatus.WARNING, "is 120 s behind"),
        (-120.0, CheckStatus.WARNING, "is 120 s ahead of"),
        (-301.0, CheckStatus.PROBLEM, "is 301 s ahead of"),
        (4000.0, CheckStatus.WARNING, "is 4000 s behind"),
    ],
)
def test_a_clock_is_judged_by_what_it_does_to_events(ahead: float | None, status: CheckStatus, text: str) -> None:
    finding = check_clock(ahead, "the broker")

    assert finding.status is status
    assert text in finding.text


def test_the_command_ends_by_what_must_be_mended_first() -> None:
    unreachable = problem("a", "b", "c", ExitCode.NOT_DELIVERED)
    refused = problem("a", "b", "c", ExitCode.CREDENTIALS)

    assert exit_code([ok("a", "b"), unknown("a", "b"), warning("a", "b", "c")]) is ExitCode.OK
    assert exit_code([unreachable, ok("a", "b")]) is ExitCode.NOT_DELIVERED
    assert exit_code([unreachable, refused]) is ExitCode.CREDENTIALS


def test_all_trials_are_one_synthetic_event() -> None:
    first = trial_event(datetime(2026, 11, 20, tzinfo=UTC)).value
    second = trial_event(datetime(2026, 11, 21, tzinfo=UTC)).value

    assert first["lane"] == "synthetic"
    assert first["event_id"] == second["event_id"]


def test_the_spool_is_tried(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert check_spool(None, {}).status is CheckStatus.OK
    assert check_spool(str(tmp_path / "spool"), {}).status is CheckStatus.OK
    assert check_spool(str(tmp_path / "file"), {}).code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("environ", "status", "text"),
    [
        ({}, CheckStatus.UNKNOWN, "no CI system is recognised"),
        ({"CANDORA_CI": "hudson"}, CheckStatus.PROBLEM, "'hudson' is not known"),
        ({"GITHUB_ACTIONS": "true"}, CheckStatus.WARNING, "github does not say which commit"),
        ({"GITHUB_ACTIONS": "true", "GITHUB_SHA": sha("c1")}, CheckStatus.OK, f"github, commit {sha('c1')}"),
    ],
)
def test_the_ci_system_is_named(environ: Mapping[str, str], status: CheckStatus, text: str) -> None:
    finding = check_ci(environ)

    assert finding.status is status
    assert text in finding.text


def test_without_a_repository_git_is_not_asked(tmp_path: Path) -> None:
    [finding] = check_git(str(tmp_path), {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})

    assert finding.status is CheckStatus.UNKNOWN
