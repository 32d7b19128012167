from collections.abc import Iterator, Mapping

import pytest
from confluent_kafka import KafkaError

from producers.delivery.kafka import KafkaPublisher, producer_settings
from producers.delivery.publisher import (
    DeliveryFailure,
    DeliveryReceipt,
    FailureCause,
    Message,
    Publisher,
    PublisherError,
)
from tests.support.publishers import PARTITIONS, BrokerSuite, RecordingPublisher, message, publish

TOO_LARGE = bytes(1_100_000)


def _unreachable(_: Message) -> DeliveryFailure:
    return DeliveryFailure(FailureCause.UNREACHABLE, "nobody there")


class TestRecordingPublisher(BrokerSuite):
    @pytest.fixture
    def publisher(self) -> Publisher:
        def refuse(sent: Message) -> DeliveryFailure | None:
            return DeliveryFailure(FailureCause.MESSAGE, "too large") if sent.value == TOO_LARGE else None

        return RecordingPublisher(fail=refuse)

    @pytest.fixture
    def unreachable(self) -> Publisher:
        return RecordingPublisher(fail=_unreachable)

    @pytest.fixture
    def too_large(self) -> Message:
        return message("large", value=TOO_LARGE)


def _settings(*, bulk: bool, **more: str | int | bool) -> Mapping[str, str | int | bool]:
    return {**producer_settings("127.0.0.1:1", {}, timeout=2, bulk=bulk), **more}


@pytest.fixture(params=[False, True], ids=["one event", "bulk"])
def bulk(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class TestKafkaPublisherOnTheClientsOwnMock(BrokerSuite):
    """Quick, and no proof: tests/broker runs the same suite on a real broker."""

    @pytest.fixture
    def publisher(self, bulk: bool) -> Iterator[Publisher]:
        mock: dict[str, str | int | bool] = {"test.mock.num.brokers": 1, "allow.auto.create.topics": True}
        publisher = KafkaPublisher("deploy_events", _settings(bulk=bulk, **mock), timeout=2)
        yield publisher
        publisher.close()

    @pytest.fixture
    def unreachable(self) -> Iterator[Publisher]:
        settings = producer_settings("127.0.0.1:1", {}, timeout=1, bulk=False)
        publisher = KafkaPublisher("deploy_events", settings, timeout=1)
        yield publisher
        publisher.close()

    @pytest.fixture
    def too_large(self) -> Message:
        return message("large", value=TOO_LARGE)

    def test_names_the_topic_that_does_not_exist(self, bulk: bool) -> None:
        publisher = KafkaPublisher("missing", _settings(bulk=bulk, **{"test.mock.num.brokers": 1}), timeout=5)

        [(_, outcome)] = publish(publisher, [message("lost")])

        assert outcome == DeliveryFailure(
            FailureCause.UNREACHABLE, "Kafka has no topic 'missing'; create it with `candora topics create`"
        )

    def test_says_what_the_connection_suffers(self, unreachable: Publisher) -> None:
        [(_, outcome)] = publish(unreachable, [message("lost")])

        assert isinstance(outcome, DeliveryFailure)
        assert "Connection refused" in outcome.problem

    @pytest.mark.parametrize(
        "how", ["Disconnected: connecting to a PLAINTEXT broker listener?", "Disconnected: connection closed by peer"]
    )
    def test_a_listener_without_tls_is_named_however_it_hangs_up(self, how: str) -> None:
        publisher = KafkaPublisher("deploy_events", _settings(bulk=False), timeout=2)
        publisher._on_error(KafkaError(KafkaError._TRANSPORT, f"{how} (after 1ms in state SSL_HANDSHAKE)"))

        assert publisher._failure(None).problem.count("PLAINTEXT broker listener?") == 1

    def test_gives_up_at_once_when_the_broker_refuses_the_credentials(self) -> None:
        publisher = KafkaPublisher("deploy_events", _settings(bulk=False), timeout=60)
        publisher._on_error(KafkaError(KafkaError._AUTHENTICATION, "wrong password"))

        [(_, outcome)] = publish(publisher, [message("lost")])

        assert outcome == DeliveryFailure(FailureCause.CREDENTIALS, "wrong password")


@pytest.mark.parametrize(
    ("name", "value"),
    [("security.protocol", "hunter2"), ("sasl.password.hunter2", "x"), ("ssl.ca.location", "/nowhere/hunter2.pem")],
)
def test_a_setting_that_the_client_refuses_is_named_without_its_value(name: str, value: str) -> None:
    security = {"security.protocol": "SSL", name: value}

    with pytest.raises(PublisherError) as refused:
        KafkaPublisher("deploy_events", producer_settings("localhost:1", security, timeout=2, bulk=False), timeout=2)

    assert value not in str(refused.value)
    assert name in str(refused.value)


def test_one_event_leaves_at_once_and_in_order() -> None:
    settings = producer_settings("kafka:9092", {"sasl.username": "ci"}, timeout=10, bulk=False)

    assert settings["sasl.username"] == "ci"
    assert settings["partitioner"] == "murmur2_random"
    assert settings["acks"] == "all"
    assert settings["enable.idempotence"] is False
    assert (settings["max.in.flight"], settings["linger.ms"], settings["compression.type"]) == (1, 0, "none")
    assert settings["message.timeout.ms"] == 8000
    assert settings["socket.connection.setup.timeout.ms"] == 3000


def test_many_events_are_batched_and_compressed() -> None:
    settings = producer_settings("kafka:9092", {}, timeout=10, bulk=True)

    assert (settings["max.in.flight"], settings["compression.type"]) == (5, "lz4")
    assert settings["acks"] == "all"


def test_the_environment_cannot_change_the_partitioner() -> None:
    settings = producer_settings("kafka:9092", {"partitioner": "random"}, timeout=10, bulk=False)

    assert settings["partitioner"] == "murmur2_random"


def test_a_recording_publisher_delivers_where_a_worker_with_as_many_partitions_looks() -> None:
    publisher = RecordingPublisher()

    [(_, outcome)] = publish(publisher, [message("event")])

    assert isinstance(outcome, DeliveryReceipt)
    assert outcome.partition < PARTITIONS
    assert publisher.messages == [message("event")]


def test_a_ctrl_c_that_the_client_lost_is_one_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it falls into a callback, `poll` answers nothing and raises nothing, which is a SystemError to Python."""

    class Interrupted:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def produce(self, *_: object, **__: object) -> None:
            pass

        def poll(self, _: float) -> int:
            raise SystemError("returned NULL without setting an exception")

    monkeypatch.setattr("producers.delivery.kafka.Producer", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish(KafkaPublisher("deploy_events", {}, timeout=2), [message("one")])
