from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.values import DAY, HOUR, MINUTE, SECOND
from streams.core.settings import MetricSettings
from streams.settings.installation import WorkerSettings
from streams.worker.faust_patches import BatchBounds


def test_the_defaults_are_those_of_the_specification() -> None:
    assert WorkerSettings().core() == MetricSettings()


def test_durations_and_lists_are_written_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "LATENESS": "2s",
        "FAILURE_WINDOW": "1h30m",
        "WINDOWS": "1d, 7d",
        "FAILING_SEVERITIES": "sev1",
        "PRODUCTION_ENVS": "prod,live",
        "DATA_DIR": "/var/lib/candora",
        "BATCH_RECORDS": "10",
        "SESSION_TIMEOUT": "10s",
        "WEB_PORT": "",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"CANDORA_{name}", value)
    settings = WorkerSettings()
    core = settings.core()
    assert (core.lateness, core.failure_window) == (2 * SECOND, HOUR + 30 * MINUTE)
    assert (core.windows, core.failing_severities) == ((DAY, 7 * DAY), ("sev1",))
    assert core.production_envs == ("prod", "live")
    assert settings.data_dir == Path("/var/lib/candora")
    assert settings.bounds() == BatchBounds(10, 8 * 1024 * 1024)
    assert settings.session_timeout == 10 * SECOND


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LATENESS", "soon"),
        ("STORE", "disk"),
        ("APP_ID", "a b"),
        ("WINDOWS", "0s"),
        ("WINDOWS", ","),
        pytest.param("WINDOWS", "7d,168h", id="the same series twice"),
        pytest.param("FAILING_SEVERITIES", "SEV1", id="nothing would ever fail"),
    ],
)
def test_what_cannot_be_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"CANDORA_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        WorkerSettings()


def test_topics_have_the_prefix_and_internal_ones_the_app_id() -> None:
    settings = WorkerSettings(topic_prefix="eu-", app_id="w")
    assert settings.topic("deployments") == "eu-deployments"
    assert settings.changelog == "w-state-changelog"
    assert settings.leader_topic == "w-__assignor-__leader"


def test_kafka_client_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "me")
    monkeypatch.setenv("KAFKA_PORT", "tcp://somewhere")
    client = WorkerSettings(kafka_bootstrap_servers="k:1").client()
    assert client == {"bootstrap.servers": "k:1", "sasl.username": "me"}
