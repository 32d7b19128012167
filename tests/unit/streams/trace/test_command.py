"""`candora trace` as it is called: what it reads, what it writes, and what it refuses."""

import json
import re
import sys
from io import StringIO
from pathlib import Path
from typing import Final

import pytest

from schemas.events import DeployEvent
from streams.cli import main
from tests.support.company_history import company_events

ROOT: Final = Path(__file__).parents[4]
PAGE: Final = (ROOT / "docs" / "pipeline.md").read_text("utf-8")
HISTORY: Final = "tests/support/data/public-delivery-history.jsonl"
AT: Final = ("--at", "2026-01-20T00:00:00Z")


def run(*arguments: str) -> int:
    try:
        return main(["trace", *arguments])
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_it_prints_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    shown = re.search(r"^    candora trace (.*)\n\n((?:    .*\n|\n)+)", PAGE, re.MULTILINE)
    assert shown is not None
    assert run(*shown[1].split()) == 0
    assert capsys.readouterr().out.strip() == re.sub("^    ", "", shown[2], flags=re.MULTILINE).strip()


def test_the_same_from_standard_input_in_any_order(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("inc-dora-3", "--events", HISTORY, *AT) == 0
    said = capsys.readouterr().out
    lines = Path(HISTORY).read_text("utf-8").splitlines()
    monkeypatch.setattr(sys, "stdin", StringIO("\n".join(reversed(lines))))
    assert run("inc-dora-3", "--events", "-", *AT) == 0
    assert capsys.readouterr().out == said


def test_one_object_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inc-dora-5", "--events", HISTORY, *AT, "--json") == 0
    alone = json.loads(capsys.readouterr().out)
    assert sorted(alone) == ["at", "changes", "deployments", "found", "incidents", "what"]
    assert alone["at"] == "2026-01-20T00:00:00Z"
    assert alone["found"] == [{"kind": "incident", "name": "inc-dora-5", "service": "svc-worker"}]
    assert alone["incidents"][0]["attribution"]["rule"] == "none"
    assert alone["incidents"][0]["time_to_restore"] == 6_300_000_000
    assert alone["incidents"][0]["why"].startswith("unattributed: worker-3.0.0-prod, in force")
    assert alone["changes"] == alone["deployments"] == []

    assert run("inc-dora-3", "--events", HISTORY, *AT, "--json") == 0
    put = json.loads(capsys.readouterr().out)
    assert [(one["verdict"], one["reason"]) for one in put["deployments"]] == [("failed", "incident")]
    assert put["deployments"][0]["commit_sha"] in [one["commit_sha"] for one in put["changes"][0]["commits"]]
    assert put["deployments"][0]["gates"] == {"artifact_built": "2026-01-06T13:00:00Z"}
    assert not {"as_of", "judged_at", "observed", "revisions"} & {*put["deployments"][0], *put["changes"][0]}


def test_every_name_of_the_company_has_its_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the demo tells of is found again, in eighty columns; here one of each kind for each service."""
    events = company_events()
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(DeployEvent.from_value(event).model_dump_json(exclude_none=True) for event in events))
    names = {(event["service"], field): event[field] for event in events for field in ("commit_sha", "incident_id")}
    for name in {name for name in names.values() if name}:
        assert run(name, "--events", str(path), "--at", "2026-03-31T12:00:00Z") == 0
        said = capsys.readouterr().out
        assert " why " in said or "No deployment carries it." in said
        assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (
            ("nothing", "--events", HISTORY),
            1,
            "nothing is no commit, change, deployment or incident in the events of 3",
        ),
        (("inc-dora-5", "--events", HISTORY, "--service", "svc-api"), 1, "in the events of 1 service"),
        (("inc-dora-5", "--events", HISTORY, "--service", "shop-*"), 1, "no event is of a service called shop-*"),
        (("inc-dora-5", "--events", HISTORY, "--at", "2026-01-06T00:00:00Z"), 1, "is no commit, change"),
        (("inc-dora-5", "--events", "/dev/null"), 1, "there is no event to search"),
        (("inc-dora-5", "--events", "nowhere.jsonl"), 2, "nowhere.jsonl"),
        (("inc-dora-5", "--at", "today"), 2, "is no time"),
        (("--events", HISTORY), 2, "WHAT"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_line(
    arguments: tuple[str, ...], code: int, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == code
    ran = capsys.readouterr()
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
    assert problem in ran.err


@pytest.mark.parametrize("content", [b'\n{"event_type": "commit_created"}\n', b"\xff\xfe"])
def test_a_file_of_something_else_is_named(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(content)
    assert run("inc", "--events", str(path)) == 2
    assert "events.jsonl: " in capsys.readouterr().err


def test_a_name_that_is_short_for_several_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = Path(HISTORY).read_text("utf-8").splitlines()
    commit = json.loads(lines[0])
    other = {**commit, "event_id": commit["event_id"][:-1] + "0", "commit_sha": commit["commit_sha"][:8] + "0" * 32}
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, (commit, other))))
    assert run(commit["commit_sha"][:7], "--events", str(path)) == 2
    assert "is short for several" in capsys.readouterr().err


def test_the_settings_are_those_of_the_workers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANDORA_FAILURE_WINDOW", "72h")
    assert run("inc-dora-5", "--events", HISTORY, *AT) == 0
    assert "put on worker-3.0.0-prod" in capsys.readouterr().out
