"""The settings and their variables."""

import pytest
from pydantic import ValidationError

from schemas.values import DAY, SECOND
from streams.exporter.reader import consumer_config
from streams.exporter.settings import ServingSettings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ServingSettings.model_fields:
        monkeypatch.delenv(f"CANDORA_{name.upper()}", raising=False)


def test_the_defaults_listen_on_this_machine_only() -> None:
    settings = ServingSettings()
    assert (settings.metrics_host, settings.metrics_port) == ("127.0.0.1", 9464)
    assert settings.kafka_bootstrap_servers == "localhost:9092"
    assert (settings.scrape_interval, settings.incident_replay) == (30 * SECOND, 31 * DAY)


def test_variables_set_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CANDORA_KAFKA_BOOTSTRAP_SERVERS": "kafka:9093",
        "CANDORA_TOPIC_PREFIX": "acme.",
        "CANDORA_METRICS_HOST": "0.0.0.0",  # noqa: S104 - nothing listens here
        "CANDORA_METRICS_PORT": "9000",
        "CANDORA_SCRAPE_INTERVAL": "1m",
        "CANDORA_INCIDENT_REPLAY": "0s",
        "CANDORA_SCHEMA_REGISTRY_URL": "",
    }.items():
        monkeypatch.setenv(name, value)
    settings = ServingSettings()
    assert (settings.kafka_bootstrap_servers, settings.topic_prefix) == ("kafka:9093", "acme.")
    assert (settings.metrics_port, settings.scrape_interval, settings.incident_replay) == (9000, 60 * SECOND, 0)
    assert settings.schema_registry_url is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("CANDORA_METRICS_PORT", "70000"), ("CANDORA_SCRAPE_INTERVAL", "15"), ("CANDORA_INCIDENT_REPLAY", "-1d")],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.removeprefix("CANDORA_").lower()):
        ServingSettings()


def test_the_client_reads_from_the_beginning_and_commits_nothing() -> None:
    config = consumer_config("kafka:9093", {"security.protocol": "SSL"})
    assert config["security.protocol"] == "SSL"
    assert config["bootstrap.servers"] == "kafka:9093"
    assert not config["enable.auto.commit"]
    assert config["enable.partition.eof"]
