"""What README says needs no broker runs as it stands there, for somebody who has only Python."""

import shlex
from pathlib import Path
from typing import Final

import pytest

from streams.cli import main

ROOT: Final = Path(__file__).parents[2]
PROGRAM: Final = "    .venv/bin/candora "
COMMANDS: Final = [
    line.removeprefix(PROGRAM)
    for line in (ROOT / "README.md").read_text("utf-8").splitlines()
    if line.startswith(PROGRAM)
]


def test_the_offline_commands_are_shown() -> None:
    assert [command.split()[0] for command in COMMANDS] == ["compute", "report", "trace"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_needs_no_broker(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CANDORA_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert main(shlex.split(command)) == 0
    shown = capsys.readouterr()
    assert "svc-frontend" in shown.out
    assert shown.err == ""
