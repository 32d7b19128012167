"""`candora-ci explain`: what it prints, and how it ends."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from producers import cli
from schemas.events import parse_event
from tests.support.deliveries import WEBHOOKS

FIXTURES: Final = WEBHOOKS / "fixtures"
FIRING: Final = FIXTURES / "alertmanager" / "firing.json"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CANDORA_ALLOW_FAILURE", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def explain(*arguments: str) -> int:
    return cli.main(["explain", *arguments])


@pytest.mark.parametrize(
    ("source", "name", "events", "reason", "code"),
    [
        ("Alertmanager", "firing", 1, None, 0),
        ("alertmanager", "mixed-group", 2, "alerts[2]: nothing names the service", 1),
        ("grafana", "test-alert", 0, "ignored: alerts[0]: a test of the contact point", 0),
        ("incident.io", "no-body", 0, "id: is missing", 1),
        ("jsm", "hostile", 0, "incident_id: is not an id", 1),
    ],
)
def test_as_json_it_is_the_contract_with_a_reason(
    capsys: pytest.CaptureFixture[str], source: str, name: str, events: int, reason: str | None, code: int
) -> None:
    folder = {"incident.io": "incident_io", "jsm": "opsgenie"}.get(source, source.lower())
    assert explain("--source", source, "--json", str(FIXTURES / folder / f"{name}.json")) == code

    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert list(told) == ["events", "refused"]
    assert len([parse_event(event) for event in told["events"]]) == events
    assert (told["refused"] is None) if reason is None else (reason in told["refused"])


def test_for_people_it_shows_each_field_with_its_origin(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("--source", "alertmanager", str(FIXTURES / "alertmanager" / "mixed-group.json")) == 1

    out = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "incident_opened of shop-api"
    assert 'service "shop-api" alerts[0].labels.service' in lines
    assert 'incident.severity "sev1" alerts[0].labels.severity: critical' in lines
    assert any(line.startswith("ignored: alerts[3]") for line in lines)
    assert any(line.startswith("refused: alerts[2]") for line in lines)


def test_nothing_in_a_payload_reaches_the_terminal_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    firing = json.loads(FIRING.read_text())
    firing["alerts"][0]["labels"] = {"service": "shop", "x\x1b[2J": "a", "severity": "\u009b31m", "\u202eenv": "b"}
    (tmp_path / "body").write_text(json.dumps({**firing, "truncatedAlerts": "\x1b[2J"}))
    explain("--source", "alertmanager", str(tmp_path / "body"))
    firing["alerts"][0]["labels"].pop("service")
    (tmp_path / "body").write_text(json.dumps(firing))
    explain("--source", "alertmanager", str(tmp_path / "body"))

    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())


def test_a_mapping_file_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tmp_path / "names.yaml"
    names.write_text("envs:\n  prod: live\nseverities:\n  critical: sev5\n")
    assert explain("--source", "alertmanager", "--names", str(names), "--json", str(FIRING)) == 0

    [event] = json.loads(capsys.readouterr().out)["events"]
    assert (event["env"], event["incident"]["severity"]) == ("live", "sev5")


@pytest.mark.parametrize(
    "headers", ["X-GitHub-Event: ping\n\nContent-Type:application/json\n", '{"X-GitHub-Event": "ping"}']
)
def test_headers_are_lines_or_an_object(tmp_path: Path, capsys: pytest.CaptureFixture[str], headers: str) -> None:
    (tmp_path / "headers").write_text(headers)
    body = str(FIXTURES / "github" / "ping.json")

    assert explain("--source", "github", "--headers", str(tmp_path / "headers"), body) == 0
    assert "ignored: " in capsys.readouterr().out


def test_standard_input_may_be_a_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "headers").write_text("X-GitHub-Event: ping\nContent-Type: application/x-www-form-urlencoded\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"payload=%7B%22zen%22%3A+1%7D")))

    assert explain("--source", "github", "--headers", str(tmp_path / "headers"), "-") == 0
    assert "ignored: " in capsys.readouterr().out


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"a": NaN}', b"[" * 100 + b"]" * 100])
def test_what_is_no_json_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], body: bytes) -> None:
    (tmp_path / "body").write_bytes(body)

    assert explain("--source", "pagerduty", "--json", str(tmp_path / "body")) == 1
    assert json.loads(capsys.readouterr().out)["refused"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--source", "fax", "BODY"], "--source: no source is called"),
        (["BODY"], "--source"),
        (["--source", "pagerduty", "nowhere.json"], "nowhere.json: No such file"),
        (["--source", "pagerduty", "--names", "BODY", "BODY"], "version: is not a setting"),
        (["--source", "pagerduty", "--headers", "LINES", "BODY"], ":1: is no header"),
        (["--source", "pagerduty", "--headers", "BODY", "BODY"], "every header should be text"),
    ],
)
def test_wrong_usage_ends_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    (tmp_path / "LINES").write_text("no header at all")
    paths = {"BODY": str(FIRING), "LINES": str(tmp_path / "LINES")}

    assert explain(*(paths.get(each, each) for each in arguments)) == 2
    assert told in capsys.readouterr().err


def test_it_loads_no_web_stack_and_no_kafka_client() -> None:
    code = (
        "import sys; from producers import cli; "
        f"cli.main(['explain', '--source', 'alertmanager', '--json', {str(FIRING)!r}]); "
        "print(sorted({'aiohttp', 'jwt', 'prometheus_client', 'confluent_kafka', 'faust'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
