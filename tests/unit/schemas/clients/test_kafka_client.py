import pytest
from confluent_kafka import KafkaException, Producer

from schemas.clients.kafka_client import ALLOWED, kafka_settings

SECRET = "hunter2"


def refusal(settings: dict[str, str]) -> str | None:
    """What librdkafka has against these settings."""
    try:
        Producer({**settings, "log_level": 0})
    except KafkaException as error:
        return str(error)
    return None


def test_settings_are_named_as_librdkafka_names_them() -> None:
    environ = {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_USERNAME": "ci",
        "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": "https://id.example.com/token",
        "KAFKA_SSL_CA_LOCATION": "/etc/ca.pem",
    }
    assert kafka_settings(environ) == {
        "security.protocol": "SASL_SSL",
        "sasl.username": "ci",
        "sasl.oauthbearer.token.endpoint.url": "https://id.example.com/token",
        "ssl.ca.location": "/etc/ca.pem",
    }


def test_what_kubernetes_sets_for_a_service_called_kafka_is_not_read() -> None:
    environ = {
        "KAFKA_PORT": "tcp://10.0.0.1:9092",
        "KAFKA_SERVICE_HOST": "10.0.0.1",
        "KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1",
        "KAFKA_SSL_SERVICE_PORT": "9093",
        "KAFKA_BOOTSTRAP_SERVERS": "elsewhere:9092",
        "SASL_USERNAME": "not ours",
    }
    assert kafka_settings(environ) == {}


def test_an_alias_gives_way_to_the_name_that_every_process_knows() -> None:
    assert kafka_settings({"KAFKA_SASL_MECHANISMS": "PLAIN"}) == {"sasl.mechanism": "PLAIN"}
    both = {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_MECHANISMS": "PLAIN"}
    assert kafka_settings(both) == kafka_settings(dict(reversed(both.items()))) == {"sasl.mechanism": "SCRAM-SHA-512"}


def test_what_loads_code_or_trusts_anybody_is_not_read() -> None:
    environ = {
        "KAFKA_SSL_ENGINE_LOCATION": "/usr/lib/engine.so",
        "KAFKA_SSL_PROVIDERS": "legacy",
        "KAFKA_ENABLE_SASL_OAUTHBEARER_UNSECURE_JWT": "true",
        "KAFKA_PLUGIN_LIBRARY_PATHS": "/usr/lib/plugin.so",
    }
    assert kafka_settings(environ) == {}


@pytest.mark.parametrize(
    "environ",
    [
        {
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": "ci",
            "KAFKA_SASL_PASSWORD": SECRET,
        },
        {
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
            "KAFKA_SASL_OAUTHBEARER_METHOD": "oidc",
            "KAFKA_SASL_OAUTHBEARER_CLIENT_ID": "ci",
            "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": SECRET,
            "KAFKA_SASL_OAUTHBEARER_SCOPE": "kafka",
            "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": "https://id.example.com/token",
        },
    ],
    ids=["SCRAM", "OAUTHBEARER oidc"],
)
def test_a_whole_set_of_settings_is_one_that_librdkafka_takes(environ: dict[str, str]) -> None:
    settings = kafka_settings(environ)
    assert len(settings) == len(environ)
    assert refusal({**settings, "bootstrap.servers": "127.0.0.1:9"}) is None


def test_an_empty_value_is_none() -> None:
    assert kafka_settings({"KAFKA_SASL_PASSWORD": ""}) == {}


def test_values_do_not_show_when_printed() -> None:
    settings = kafka_settings({"KAFKA_SASL_PASSWORD": SECRET, "KAFKA_SASL_USERNAME": "ci"})
    assert f"{settings}" == repr(settings) == "KafkaSettings(sasl.password, sasl.username)"
    assert SECRET not in repr([settings])


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_every_allowed_name_is_one_of_librdkafka(name: str) -> None:
    """The library may refuse the value, or want another setting with it, but never says that it has no such name."""
    assert "No such configuration property" not in (refusal({name: "x"}) or "")
