"""`candora report` as it is called: what it reads, what it writes, and what it refuses."""

import sys
from io import StringIO
from pathlib import Path

import pytest

from schemas.events import DeployEvent
from streams.cli import main
from tests.support.company_history import company_events

WEEK = ("--week", "2026-W13")


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company's events, the latest first."""
    path = tmp_path_factory.mktemp("report") / "events.jsonl"
    lines = (DeployEvent.from_value(event).model_dump_json(exclude_none=True) for event in reversed(company_events()))
    path.write_text("\n".join(lines))
    return path


def run(*arguments: str | Path) -> int:
    try:
        return main(["report", *map(str, arguments)])
    except SystemExit as ended:
        return int(ended.code or 0)


def test_the_same_in_any_order_from_a_file_and_from_standard_input(
    events: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("--events", events, *WEEK) == 0
    said = capsys.readouterr().out
    assert said == (Path(__file__).parent / "golden" / "week.txt").read_text("utf-8")
    monkeypatch.setattr(sys, "stdin", StringIO(events.read_text()))
    assert run("--events", "-", *WEEK) == 0
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("form", "begins"), [("markdown", "# Delivery review"), ("html", "<!DOCTYPE html>"), ("json", "{\n")]
)
def test_it_writes_a_file_of_each_format(events: Path, tmp_path: Path, form: str, begins: str) -> None:
    path = tmp_path / "review"
    assert run("--events", events, *WEEK, "--format", form, "--output", path) == 0
    text = path.read_text("utf-8")
    assert text.startswith(begins)
    assert text.endswith("\n")


def test_settings_and_environments_come_from_the_workers(
    events: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANDORA_FAILURE_WINDOW", "2h")
    monkeypatch.setenv("CANDORA_PRODUCTION_ENVS", "prod,staging")
    assert run("--events", events, *WEEK) == 0
    said = capsys.readouterr().out
    assert "Delivery review: prod, staging, week 13" in said
    assert "identity/staging" in said
    assert "no later than 2h after it finished" in " ".join(said.split())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--week", "13", "--quarter", "1"), "give one of"),
        (("--to", "2026-03-31T00:00:00Z"), "--to needs"),
        (("--week", "3", "--to", "2026-03-31T00:00:00Z"), "--to needs"),
        (("--from", "2026-03-31T00:00:00Z", "--to", "2026-03-30T00:00:00Z"), "begin before it ends"),
        (("--last", "7d", "--to", "2999-01-01T00:00:00Z"), "future"),
        (("--week", "2998-W01"), "not over"),
        (("--quarter", "7"), "no quarter"),
        (("--last", "a while"), "no duration|not a duration"),
        (("--events", "nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(
    arguments: tuple[str, ...], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments if "--events" in arguments else ("--events", "/dev/null", *arguments)
    assert run(*given) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert any(one in last for one in problem.split("|")), last


def test_a_bad_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('\n{"event_type": "commit_created"}\n')
    assert run("--events", path, *WEEK) == 2
    assert "line 2" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_without_the_extra_only_the_page_is_missing(
    missing: str, events: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in {missing, "numpy"} or "streams.report" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    for form in ("terminal", "markdown", "json"):
        assert run("--events", events, *WEEK, "--format", form) == 0
        assert len(capsys.readouterr().out) > 1000
    assert run("--events", events, *WEEK, "--format", "html") == 2
    assert "pip install 'candora[report]'" in capsys.readouterr().err
    assert "numpy" not in sys.modules
