"""`emit`, `drain` and `doctor` with a sidecar: what they say, and how they end."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from producers import cli
from producers.sidecar.settings import LimitSettings
from producers.spool.spool import Spool
from tests.support.fakes.sidecar import EVENT, Sidecar
from tests.support.servers.in_thread import sidecar_at
from tests.support.servers.processes import free_port

STARTED = ["canary_started", "--service", "shop", "--env", "prod", "--deployment", "run-1"]
STARTED += ["--occurred-at", "2026-01-05T09:00:00Z", "--timeout", "2s"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sidecar]:
    with sidecar_at(lambda: Sidecar(tmp_path / "sidecar", LimitSettings(events=50))) as (url, sidecar):
        monkeypatch.setenv("CANDORA_SIDECAR_URL", url)
        monkeypatch.setenv("CANDORA_SIDECAR_TOKEN", "good")
        monkeypatch.setenv("CANDORA_SCHEMA_REGISTRY_URL", "http://nobody.invalid")  # not asked
        yield sidecar


def lines(path: Path, *events: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in events))
    return str(path)


def test_an_event_is_on_the_disk_of_the_sidecar(place: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["emit", *STARTED, "--json", "--strict"]) == 0
    shown = capsys.readouterr()
    [kept] = place.kept_events()
    record = json.loads(shown.out)
    assert (record["status"], record["event_id"]) == ("accepted", kept["event_id"])
    assert "has canary_started of shop" in shown.err
    assert "on its disk, and sends it to Kafka" in shown.err
    assert "good" not in shown.out + shown.err


def test_a_step_of_github_says_what_became_of_it(
    place: Sidecar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    assert cli.main(["emit", *STARTED]) == 0
    assert "\naccepted\n" in (tmp_path / "output").read_text()


def test_a_file_goes_in_few_requests(place: Sidecar, tmp_path: Path) -> None:
    events = [{**EVENT, "occurred_at": "2026-01-05T09:00:00Z", "deployment_id": f"run-{n}"} for n in range(120)]
    assert cli.main(["emit", "--file", lines(tmp_path / "events", *events), "--strict"]) == 0
    assert len(place.kept()) == 120
    received = place.metrics.registry.get_sample_value("delivery_sidecar_received_total", {"source": "events"})
    assert received is not None
    assert received < 10


@pytest.mark.parametrize(
    ("variable", "value", "flags", "strict", "said"),
    [
        ("CANDORA_SIDECAR_TOKEN", "bad", [], 4, "error: not sent: canary_started of shop"),
        ("CANDORA_SIDECAR_TOKEN", "later", [], 5, "warning: not sent: canary_started of shop"),
        ("CANDORA_SIDECAR_URL", "http://127.0.0.1:1", [], 5, "no answer: Connection refused"),
        ("CANDORA_SIDECAR_URL", "http://nobody.invalid", [], 5, "no answer: "),
        ("CANDORA_SERVICE", "", ["--service", "cart"], 4, "does not let us report this: 403"),
    ],
)
def test_what_does_not_work_fails_a_strict_run_only(
    variable: str,
    value: str,
    flags: list[str],
    strict: int,
    said: str,
    place: Sidecar,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    command = ["emit", *STARTED, *flags] if not flags else ["emit", "canary_started", *STARTED[3:], *flags]
    assert cli.main([*command, "--strict"]) == strict
    assert said in capsys.readouterr().err
    assert place.kept() == []
    if strict == 4:  # what nobody answers costs its timeout each time
        assert cli.main(command) == 0


def test_what_the_sidecar_says_of_the_contract_is_a_mistake_to_mend(
    place: Sidecar, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its clock has the last word; this machine's is years ahead of the one that the sidecar has here."""
    place.receiver.now = lambda: datetime(2020, 1, 1, tzinfo=UTC)
    assert cli.main(["emit", *STARTED]) == 2
    assert "does not take it: 422 occurred_at: is more than 5m ahead" in capsys.readouterr().err


def test_what_it_does_not_take_is_kept_and_drained_later(
    place: Sidecar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = str(tmp_path / "spool")
    with monkeypatch.context() as away:
        away.setenv("CANDORA_SIDECAR_URL", f"http://127.0.0.1:{free_port()}")
        assert cli.main(["emit", *STARTED, "--spool", spool, "--strict"]) == 5
        assert "kept for the next run" in capsys.readouterr().err
    assert cli.main(["drain", "--spool", spool, "--strict"]) == 0
    assert "sent 1, 0 left" in capsys.readouterr().err
    [kept] = place.kept_events()
    assert kept["deployment_id"] == "run-1"


def test_the_next_emit_sends_what_was_kept_first(
    place: Sidecar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = str(tmp_path / "spool")
    with monkeypatch.context() as away:
        away.setenv("CANDORA_SIDECAR_TOKEN", "bad")
        assert cli.main(["emit", *STARTED, "--spool", spool]) == 0
    promoted = ["canary_promoted", *STARTED[1:]]
    assert cli.main(["emit", *promoted, "--spool", spool, "--strict"]) == 0
    assert "sent 1 older messages" in capsys.readouterr().err
    assert [kept["event_type"] for kept in place.kept_events()] == ["canary_started", "canary_promoted"]


def test_an_event_that_we_may_not_report_is_put_aside_and_holds_nothing_up(
    place: Sidecar, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = str(tmp_path / "spool")
    foreign = ["canary_started", "--service", "cart", *STARTED[3:], "--spool", spool]
    assert cli.main(["emit", *foreign, "--strict"]) == 4
    assert cli.main(["emit", *STARTED, "--spool", spool, "--strict"]) == 0
    assert "put aside" in capsys.readouterr().err
    assert [kept["service"] for kept in place.kept_events()] == ["shop"]
    with Spool(spool) as left:
        assert left.entries() == []
        assert len(list((tmp_path / "spool" / "quarantine").glob("*.reason"))) == 1


@pytest.mark.parametrize(
    ("token", "flags", "code", "said"),
    [
        ("good", [], 0, "ok       credentials: it takes events from us"),
        ("bad", [], 4, "problem  credentials: refuses the credentials: 401 not authorized (wrong_secret)"),
        ("good", ["--send"], 4, "problem  send: the sidecar"),
    ],
)
def test_doctor_asks_the_sidecar(
    place: Sidecar,
    token: str,
    flags: list[str],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CANDORA_SIDECAR_TOKEN", token)
    assert cli.main(["doctor", *flags]) == code
    shown = capsys.readouterr().out
    assert said in shown
    assert "ok       clock" in shown
    assert "answers and has room" in shown
    assert place.kept() == []


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("http://127.0.0.1:1", 5, "no answer: Connection refused"),
        ("https://ci:geheim@candora.example", 2, "has a user in it"),
    ],
)
def test_doctor_says_why_there_is_no_sidecar(
    url: str, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CANDORA_SIDECAR_URL", url)
    assert cli.main(["doctor", "--timeout", "2s"]) == code
    shown = capsys.readouterr().out
    assert said in shown
    assert "geheim" not in shown


def test_doctor_warns_of_a_token_that_can_be_read_on_the_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CANDORA_SIDECAR_TOKEN", "geheim")
    assert cli.main(["doctor", "--sidecar", "http://nobody.invalid:8480", "--timeout", "2s"]) == 5
    shown = capsys.readouterr().out
    assert "warning  security: a bearer token, over http; use https" in shown
    assert "geheim" not in shown


def test_doctor_tells_a_sidecar_that_is_full(place: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    place.receiver.stopping = True
    assert cli.main(["doctor"]) == 5
    assert "does not take events now: shutting down" in capsys.readouterr().out


def test_it_loads_neither_a_kafka_client_nor_a_web_stack(place: Sidecar) -> None:
    """A pipeline waits for every import."""
    code = f"import sys; from producers import cli; cli.main({['emit', *STARTED, '--strict']!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "on its disk" in done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "urllib" in loaded
    assert loaded.isdisjoint({"confluent_kafka", "aiohttp", "jwt", "pydantic", "prometheus_client", "asyncio", "yaml"})
