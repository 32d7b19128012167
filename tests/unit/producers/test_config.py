import pytest

from producers.config import ProducerConfig, load_config
from producers.errors import UsageError


def test_nothing_given_means_that_kafka_is_not_configured() -> None:
    assert load_config({}, {}) == ProducerConfig(servers=None)


def test_a_variable_that_is_empty_counts_as_unset() -> None:
    assert load_config({}, {"CANDORA_KAFKA_BOOTSTRAP_SERVERS": " ", "CANDORA_TIMEOUT": ""}) == ProducerConfig(
        servers=None
    )


def test_a_flag_comes_before_its_variable() -> None:
    environ = {
        "CANDORA_KAFKA_BOOTSTRAP_SERVERS": "env:9092",
        "CANDORA_TOPIC_PREFIX": "env-",
        "CANDORA_SCHEMA_REGISTRY_URL": "http://env",
        "CANDORA_TIMEOUT": "1m",
    }
    flags = {"servers": "flag:9092", "topic_prefix": "flag-", "registry": "http://flag", "timeout": "3s"}

    assert load_config({}, environ) == ProducerConfig("env:9092", "env-", "http://env", timeout=60.0)
    assert load_config(flags, environ) == ProducerConfig("flag:9092", "flag-", "http://flag", timeout=3.0)


@pytest.mark.parametrize("yes", ["1", "true", "YES", " on "])
def test_switches_can_be_set_by_variables(yes: str) -> None:
    config = load_config({}, {"CANDORA_STRICT": yes, "CANDORA_ALLOW_FAILURE": yes})

    assert config.strict
    assert config.allow_failure


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CANDORA_TIMEOUT", "soon"),
        ("CANDORA_TIMEOUT", "1999ms"),
        ("CANDORA_STRICT", "maybe"),
        ("CANDORA_ALLOW_FAILURE", "maybe"),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_its_variable(variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=variable):
        load_config({}, {variable: value})


def test_a_wrong_timeout_flag_is_refused_by_its_name() -> None:
    with pytest.raises(UsageError, match="--timeout"):
        load_config({"timeout": "soon"}, {})


def test_secrets_of_the_connection_are_taken_over_and_never_shown() -> None:
    environ = {"KAFKA_SASL_PASSWORD": "hunter2", "KAFKA_PORT": "tcp://10.0.0.1:9092"}
    environ |= {"CANDORA_SCHEMA_REGISTRY_PASSWORD": "hunter2", "CANDORA_SCHEMA_REGISTRY_TOKEN": "hunter2"}

    config = load_config({}, environ)

    assert config.kafka == {"sasl.password": "hunter2"}
    assert config.registry_token == "hunter2"
    assert "hunter2" not in repr(config)
