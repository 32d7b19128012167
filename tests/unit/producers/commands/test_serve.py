"""The settings of `candora-ci serve`, and how it begins."""

import re
from pathlib import Path

import pytest
import yaml

from producers import cli
from producers.sidecar.metrics import SidecarMetrics
from producers.sidecar.settings import (
    LimitSettings,
    ListenSettings,
    SidecarKafkaSettings,
    SidecarSettings,
    SpoolSettings,
    load_settings,
)
from producers.spool.spool import Spool

EXAMPLE = Path(__file__).parents[4] / "docs/sidecar.yaml"


def written(tmp_path: Path, **sections: object) -> str:
    """A file with these sections."""
    whole = {"spool": {"folder": str(tmp_path / "spool")}, "kafka": {"bootstrap_servers": "localhost:1"}, **sections}
    (tmp_path / "sidecar.yaml").write_text(yaml.safe_dump(whole), "utf-8")
    return str(tmp_path / "sidecar.yaml")


def test_the_example_says_the_defaults() -> None:
    example = load_settings(EXAMPLE)
    assert example.spool == SpoolSettings(folder=Path("/var/lib/candora/spool"))
    assert example.limits == LimitSettings()
    assert (example.listen, example.metrics) == (ListenSettings(port=8480), ListenSettings(port=9480))
    assert example.grace == SidecarSettings(spool=example.spool).grace
    text = EXAMPLE.read_text("utf-8")
    for section in (SidecarSettings, SpoolSettings, LimitSettings, SidecarKafkaSettings, ListenSettings):
        assert all(re.search(rf"\b{name}\b", text) for name in section.model_fields), section


def test_the_check_opens_everything_but_listens_to_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--config", written(tmp_path), "--check"]) == 0
    assert "the settings are good" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"listen": {"host": "0.0.0.0", "port": 8480}}, "no authentication is configured"),  # noqa: S104 - refused
        ({"limits": {"rats": 3}}, "sidecar.yaml:4: limits.rats: is not a setting"),
        ({"limits": {"body_timeout": "soon"}}, "limits.body_timeout: 'soon' is not a duration"),
        ({"limits": {"in_flight": 0}}, "limits.in_flight"),
        ({"names": {}, "names_file": "other.yaml"}, "give names or names_file, not both"),
        ({"names_file": "missing.yaml"}, "missing.yaml"),
        ({"kafka": {}}, "kafka.bootstrap_servers: say where Kafka is"),
        ({"kafka": {"bootstrap_servers": "localhost:1", "topic_prefix": "a b"}}, "no name for a Kafka topic"),
        ({"kafka": {"bootstrap_servers": "localhost:1", "schema_registry": "ftp://x"}}, "--schema-registry"),
        ({"auth": {"webhooks": {"github": {"secrets": [{"env": "NOT_THERE_AT_ALL"}]}}}}, "NOT_THERE_AT_ALL"),
        ({"spool": {"folder": "/dev/null/spool"}}, "spool.folder"),
    ],
)
def test_what_cannot_work_is_said_before_anything_begins(
    tmp_path: Path, sections: dict[str, object], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", "--config", written(tmp_path, **sections)]) == 2
    assert problem in capsys.readouterr().err


def test_without_its_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("producers.commands.serve.find_spec", lambda name: None if name == "aiohttp" else name)
    assert cli.main(["serve", "--config", written(tmp_path)]) == 2
    assert "`serve` needs aiohttp: pip install 'candora[sidecar]'" in capsys.readouterr().err


def test_every_series_is_there_from_the_start(tmp_path: Path) -> None:
    with Spool(str(tmp_path)) as spool:
        text = SidecarMetrics(spool).text().decode()
    for line in (
        'delivery_sidecar_rejected_total{reason="bad_signature",source="github"} 0.0',
        'delivery_sidecar_received_total{source="unknown"} 0.0',
        'delivery_sidecar_delivered_total{topic="deploy_events"} 0.0',
        'delivery_sidecar_quarantined_total{reason="damaged"} 0.0',
        "delivery_sidecar_spool_files 0.0",
        "delivery_sidecar_spool_oldest_seconds 0.0",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "spool: is missing"),
        (b"spool: \xff", "the settings are not UTF-8, at byte 8"),
        (None, "the settings cannot be read: No such file or directory"),
    ],
)
def test_a_settings_file_that_is_none_is_told_with_the_reason(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "sidecar.yaml"
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["serve", "--config", str(path)]) == 2
    assert capsys.readouterr().err.rstrip().endswith(f": {problem}")
