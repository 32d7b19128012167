import json
import re
from itertools import count
from pathlib import Path

import pytest

from producers import cli
from producers.terminal.github_step import StepEvent, StepOutcome, outputs, summary, write_step

NOT_SENT = StepEvent("canary_started", "shop|<b>`x`", "e-1", "run-7", {"status": "not_sent", "problem": "a\n| b"})
SENT = StepEvent("canary_started", "cart", "e-2", "run-7", {"status": "delivered", "partition": 3, "offset": 41})


def test_an_output_ends_where_nobody_can_foresee() -> None:
    numbers = count()

    text = outputs(StepOutcome("delivered", [SENT, NOT_SENT]), lambda: f"end-{next(numbers)}")

    assert text == (
        "status<<end-0\ndelivered\nend-0\n"
        "event-id<<end-1\ne-2\ne-1\nend-1\n"
        "deployment-id<<end-2\nrun-7\nend-2\n"
        "partition<<end-3\n3\nend-3\n"
        "offset<<end-4\n41\nend-4\n"
    )


def test_the_summary_is_a_table_that_no_text_can_leave() -> None:
    lines = summary(StepOutcome("not_sent", [NOT_SENT])).splitlines()

    assert lines[1:3] == ["| event | service | status | id | problem |", "|---|---|---|---|---|"]
    assert lines[3] == "| canary_started | shop\\|&lt;b>'x' | not_sent | `e-1` | a \\| b |"


def test_without_files_nothing_is_written_and_a_bad_one_is_said(tmp_path: Path) -> None:
    outcome = StepOutcome("delivered", [SENT])

    assert write_step(outcome, {}, lambda: "end") is None
    assert write_step(outcome, {"GITHUB_OUTPUT": str(tmp_path)}, lambda: "end") == "GITHUB_OUTPUT: Is a directory"


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/shop")
    monkeypatch.setenv("GITHUB_SHA", "1" * 40)
    monkeypatch.setenv("GIT_DIR", "nowhere")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.delenv("CANDORA_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    return tmp_path


def test_a_step_says_what_became_of_its_events(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["emit", "tests_passed", "--service", "shop", "--service", "cart", "--json"]) == 0

    shown = capsys.readouterr()
    ids = [json.loads(line)["event_id"] for line in shown.out.splitlines()]
    output = (job / "output").read_text()
    assert re.search(r"^status<<(candora-[0-9a-f-]{36})\nskipped\n\1$", output, re.MULTILINE)
    assert all(event_id in output for event_id in ids)
    assert (job / "summary").read_text().count("| tests_passed |") == 2
    assert shown.err.count("::warning title=candora-ci::not sent: 2 tests_passed of shop, cart: ") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "it is not JSON"), (None, "No such file"), ("[" * 100_000, "it is not JSON")],
)
def test_an_event_file_that_cannot_be_read_is_said_and_does_without(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str | None, says: str
) -> None:
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(job / "event.json"))
    if text is not None:
        (job / "event.json").write_text(text)

    assert cli.main(["emit", "tests_passed", "--dry-run", "--explain"]) == 0
    assert f"GITHUB_EVENT_PATH is not used: {says}" in capsys.readouterr().err
