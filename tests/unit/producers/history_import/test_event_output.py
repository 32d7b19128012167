"""Where imported events go: a file that any interruption leaves whole, and Kafka, each of them once."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers import cli
from producers.delivery import delivery
from producers.delivery.publisher import DeliveryFailure, DeliveryReceipt, FailureCause, Message, Outcome
from producers.errors import UsageError
from producers.history_import.event_output import as_lines, merge, read_output
from producers.history_import.exports import read_export
from producers.history_import.github import read_github
from producers.history_import.imported_events import ImportedEvents
from tests.support.deliveries import NAMES
from tests.unit.producers.history_import.exported import GITHUB
from tests.unit.producers.history_import.runs import Capture, export, history, read

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def imported(path: Path, entries: object) -> ImportedEvents:
    found = ImportedEvents(NOW)
    read_github(read_export(str(export(path, entries))), NAMES, found)
    return found


def test_a_second_run_changes_nothing_and_a_larger_export_adds_what_is_new(tmp_path: Path, capsys: Capture) -> None:
    output, part, whole = tmp_path / "out", tmp_path / "part.json", tmp_path / "whole.json"
    export(part, GITHUB[:12])
    export(whole, GITHUB)
    first = history(capsys, output, "github", part)
    text = output.read_bytes()
    assert history(capsys, output, "github", part).summary["new"] == 0
    assert output.read_bytes() == text

    grown = history(capsys, output, "github", whole)
    assert (grown.summary["new"], grown.summary["known"]) == (4, len(first.events))
    at_once = history(capsys, tmp_path / "at-once", "github", whole)
    assert grown.ids() == at_once.ids()
    assert [event["occurred_at"] for event in grown.events] == sorted(event["occurred_at"] for event in grown.events)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_file_that_was_cut_off_anywhere_is_made_whole(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    found = imported(folder / "all.json", GITHUB)
    whole = b"".join(as_lines(merge(read_output(folder / "none", NOW), found).events))
    cut = folder / "cut"
    cut.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])

    assert b"".join(as_lines(merge(read_output(cut, NOW), found).events)) == whole


def test_a_run_that_is_killed_leaves_the_file_as_it_was_and_the_next_one_ends_it(
    tmp_path: Path, capsys: Capture
) -> None:
    mapping, table, output = tmp_path / "mapping.yaml", tmp_path / "table.csv", tmp_path / "out"
    mapping.write_text(
        "rows: event\nevent_type: canary_promoted\n"
        "columns: {Service: {field: service}, At: {field: occurred_at}, Sha: {field: commit_sha}}\n"
        "constants: {env: prod}\n",
        "utf-8",
    )
    rows = [f"shop,2026-03-01T{n // 60:02}:{n % 60:02}:00Z,{n:040x}\n" for n in range(600)]
    table.write_text("Service,At,Sha\n" + "".join(rows[:10]), "utf-8")
    assert len(history(capsys, output, "csv", table, "--mapping", mapping).events) == 10
    before = output.read_bytes()

    arguments = ["history", "csv", "-", "--mapping", str(mapping), "--output", str(output)]
    with subprocess.Popen([sys.executable, "-m", "producers", *arguments], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write("".join(["Service,At,Sha\n", *rows[:300]]).encode())
        process.stdin.flush()
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert output.read_bytes() == before
    (tmp_path / f".out.{process.pid}").write_bytes(b"half")  # as one that is killed while it writes leaves it

    table.write_text("Service,At,Sha\n" + "".join(rows), "utf-8")
    summary = history(capsys, output, "csv", table, "--mapping", mapping).summary
    assert (summary["events"], summary["new"], summary["known"]) == (600, 590, 10)
    assert not list(tmp_path.glob(".out.*"))


def test_a_file_of_other_things_is_left_alone(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "notes.txt"
    output.write_text("buy tea\nand cake\n", "utf-8")
    ran = cli.main(["history", "github", str(export(tmp_path / "all.json", GITHUB)), "--output", str(output)])

    assert ran == 2
    assert "notes.txt:1: the line is not JSON" in capsys.readouterr().err
    assert output.read_text("utf-8") == "buy tea\nand cake\n"


def test_what_was_written_stays_as_it_was(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "out"
    before = history(capsys, output, "github", export(tmp_path / "all.json", GITHUB))
    renamed = json.loads(json.dumps(GITHUB).replace("github-actions[bot]", "deployer"))
    after = history(capsys, output, "github", export(tmp_path / "all.json", renamed))

    assert after.events == before.events
    assert after.summary["changed"] == 4
    assert "4 events differ from those in" in after.said


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ('[{"id": 1}, {"id": 2}][{"id": 3}]', 3),
        ('[[{"id": 1}], [{"id": 2}]]', 2),
        ('{"id": 1}\n{"id": 2}\n', 2),
        ('{"workflow_runs": [{"id": 1}], "total_count": 1}{"workflow_runs": []}', 1),
        ("", 0),
    ],
)
def test_shapes_of_exports(text: str, entries: int, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    for encoding in ("utf-8", "utf-16"):
        path.write_bytes(text.encode(encoding))
        assert len(list(read_export(str(path), ("workflow_runs",)))) == entries


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b'[{"id": 1}, {"id"', "export.json:1:18: this is no JSON"),
        (b"[" * 200_000, "is no JSON that can be read"),
        (b"\xc3\x28", "is no text in UTF-8, at byte 1"),
        (b"<html>", "export.json:1:1"),
    ],
)
def test_a_broken_export_is_refused_whole(raw: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_bytes(raw)
    with pytest.raises(UsageError, match=problem):
        list(read_export(str(path)))


def test_no_export_is_nested_so_deep(tmp_path: Path, capsys: Capture) -> None:
    """Where the limit is depends on the stack; at no depth is there anything but events or a plain word."""
    path, codes = tmp_path / "export.json", set()
    for depth in range(800, 1000, 2):
        deep = json.dumps(GITHUB[0]).replace('"C_x"', "[" * depth + "]" * depth)
        path.write_text(deep + deep.replace("Begin", "Start"), "utf-8")
        codes.add(history(capsys, tmp_path / "out", "github", path, "--default-branch", "main").code)
    assert codes == {0, 2}


# --- to Kafka ---------------------------------------------------------------------------------------------------------
class Broker:
    """Takes so many messages, and is gone then."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.held: list[str] = []

    def publish(self, messages: Iterable[Message], report: Callable[[Message, Outcome], None]) -> None:
        for message in messages:
            if len(self.held) == self.takes:
                report(message, DeliveryFailure(FailureCause.UNREACHABLE, "nobody answers"))
                return
            self.held.append(message.event_id)
            report(message, DeliveryReceipt("deploy_events", 0, len(self.held)))

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("takes", range(0, 12, 3))
def test_what_has_arrived_is_not_sent_again(
    takes: int, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker(takes)
    monkeypatch.setattr(delivery, "open_publisher", lambda *_, **__: broker)
    path, state, output = export(tmp_path / "all.json", GITHUB), tmp_path / "state", tmp_path / "out"
    command = ["history", "github", str(path), "--output", str(output), "--send", "--state", str(state)]
    command += ["--bootstrap-servers", "kafka:9092", "--strict"]

    assert cli.main(command) == 5
    assert len(state.read_bytes().splitlines()) == takes
    state.write_bytes(state.read_bytes() + b"0123")  # and the machine died over the next line
    broker.takes = -1
    assert cli.main(command) == 0
    assert broker.held == [event["event_id"] for event in read(output)]  # each once, in order of time
    capsys.readouterr()
    assert cli.main(command) == 0
    assert len(broker.held) == len(set(broker.held))
    assert "all of it has arrived before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ((), "--output FILE, or --send"),
        (("--output", "x", "--state", "y"), "--state goes with --send"),
        (("--output", "-", "--json"), "standard output"),
        (("--output", "x", "--since", "yesterday"), "--since: yesterday is no time"),
        (("--output", "nowhere/x"), "--output nowhere/x"),
        (("--output", "x", "--names", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_wrong_usage(
    flags: tuple[str, ...], problem: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["history", "github", str(export(tmp_path / "all.json", GITHUB)), *flags]) == 2
    assert problem in capsys.readouterr().err
