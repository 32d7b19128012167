"""The commands of docs/evidence.md and docs/pipeline.md run as they stand there, beside the reports of these tests."""

import json
import re
import shlex
from pathlib import Path

import pytest

from producers import cli
from producers.evidence.flags import REPORT_FLAGS
from tests.support.events import sha
from tests.unit.producers.evidence.shown import FOLDER

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "evidence.md").read_text("utf-8")
COMMANDS = [
    command
    for page in (PAGE, (DOCS / "pipeline.md").read_text("utf-8"))
    for block in re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    for command in block.replace("\\\n", " ").strip().splitlines()
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_does_what_it_says(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(FOLDER)
    program, *argv = shlex.split(command.replace("$SHA", sha("c1")))
    assert program == "candora-ci"

    assert cli.main([*argv, "--dry-run"]) == 0

    assert json.loads(capsys.readouterr().out)["event_type"] == argv[1]


def test_every_flag_is_explained_on_the_page() -> None:
    assert [flag.name for flag in REPORT_FLAGS if f"`{flag.name}" not in PAGE and f" {flag.name} " not in PAGE] == []
