"""The doctor before a Kafka that asks who its clients are."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from producers import cli
from tests.support.certificates import Authority
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.secure_kafka import PASSWORD, USER, SecureBroker, secure_broker

pytestmark = pytest.mark.broker


PERMISSIONS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS;User:CN=client",
}
"""Who comes by the test's own port or with a certificate may do all, who has a password what is granted."""


@pytest.fixture(scope="module")
def kafkas() -> Iterator[tuple[KafkaBroker, SecureBroker]]:
    with secure_broker(PERMISSIONS) as both:
        yield both


@pytest.fixture
def topic(kafkas: tuple[KafkaBroker, SecureBroker], unique: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CANDORA_TOPIC_PREFIX", unique)
    settings = {"message.timestamp.type": "LogAppendTime"}
    return kafkas[0].create_topic(f"{unique}deploy_events", 1, settings)


@pytest.fixture
def broker(kafkas: tuple[KafkaBroker, SecureBroker], topic: str) -> SecureBroker:
    return kafkas[1]


@pytest.mark.parametrize(
    ("way", "code", "line"),
    [
        ("wrong password", 4, "problem  login: refused"),
        ("mutual_tls", 0, "accepts connections over TLSv1.3"),
        ("tls", 4, "refuses TLS"),
        ("a stranger's certificate", 4, "refuses TLS"),
        ("a stranger's authority", 4, "its certificate is not trusted"),
    ],
)
def test_each_way_of_proving_oneself_is_told_from_the_others(
    broker: SecureBroker,
    way: str,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stranger = Authority("stranger")
    ways: dict[str, Callable[[], dict[str, str]]] = {
        "scram": broker.scram,
        "wrong password": lambda: broker.scram("not-the-password"),
        "mutual_tls": broker.mutual_tls,
        "tls": broker.tls,
        "a stranger's certificate": lambda: broker.mutual_tls(stranger),
        "a stranger's authority": lambda: (
            broker.mutual_tls() | {"KAFKA_SSL_CA_LOCATION": str(stranger.write(broker.folder / "stranger.pem"))}
        ),
    }
    for name, value in ways[way]().items():
        monkeypatch.setenv(name, value)

    assert cli.main(["doctor", "--timeout", "6s"]) == code

    shown = "".join(capsys.readouterr())
    assert line in shown
    assert PASSWORD not in shown
    assert "not-the-password" not in shown


def _grant(kafka: KafkaBroker, topic: str, *operations: AclOperation) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    rules = [
        AclBinding(
            ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{USER}", "*", each, AclPermissionType.ALLOW
        )
        for each in operations
    ]
    for future in admin.create_acls(rules).values() if rules else ():
        future.result(10)


@pytest.mark.parametrize(
    ("operations", "code", "lines"),
    [
        ([], 5, ["problem  topic: there is no"]),
        (
            [AclOperation.DESCRIBE],
            4,
            ["unknown  topic:", "grant DESCRIBE_CONFIGS", "problem  write: we may not write to", "only DESCRIBE"],
        ),
        (
            [AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS],
            0,
            ["ok       topic:", "ok       write: we may write to"],
        ),
    ],
)
def test_what_we_may_do_is_told_without_trying_it(
    kafkas: tuple[KafkaBroker, SecureBroker],
    topic: str,
    operations: Sequence[AclOperation],
    code: int,
    lines: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _grant(kafkas[0], topic, *operations)
    for name, value in kafkas[1].scram().items():
        monkeypatch.setenv(name, value)

    assert cli.main(["doctor", "--timeout", "6s"]) == code

    shown = capsys.readouterr().out
    assert [line for line in lines if line not in shown] == []
