"""The doctor before a Kafka that asks who its clients are."""

from collections.abc import Callable, Iterator

import pytest

from producers import cli
from tests.support.certificates import Authority
from tests.support.kafka import KafkaBroker
from tests.support.secure_kafka import PASSWORD, SecureBroker, secure_broker

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def kafkas() -> Iterator[tuple[KafkaBroker, SecureBroker]]:
    with secure_broker() as both:
        yield both


@pytest.fixture
def broker(kafkas: tuple[KafkaBroker, SecureBroker], unique: str, monkeypatch: pytest.MonkeyPatch) -> SecureBroker:
    kafkas[0].create_topic(f"{unique}deploy_events", 1, {"message.timestamp.type": "LogAppendTime"})
    monkeypatch.setenv("CANDORA_TOPIC_PREFIX", unique)
    return kafkas[1]


@pytest.mark.parametrize(
    ("way", "code", "line"),
    [
        ("scram", 0, "ok       write: we may write"),
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
