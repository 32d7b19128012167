"""The commands of docs/history.md, on exports with the names that the guide gives them."""

import json
import re
import shlex
from pathlib import Path

import pytest

from producers import cli
from streams import cli as streams_cli
from tests.support.guides import DOCS, scripts
from tests.support.repository import Repository
from tests.unit.producers.history_import.exported import GITHUB, GITLAB, PAGERDUTY
from tests.unit.producers.history_import.runs import Capture, export, read

GUIDE = DOCS / "history.md"
CSV = re.compile(r"^```csv\n(.*?)^```$", re.MULTILINE | re.DOTALL)
YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {
    "commits.json": [*GITHUB[:7], *GITLAB[1:8]],
    "pulls.json": GITHUB[7:10],
    "deployments.json": [*GITHUB[10:12], *GITLAB[10:13]],
    "statuses.json": GITHUB[12:],
    "project.json": GITLAB[:1],
    "requests.json": GITLAB[8:10],
    "incidents.json": GITLAB[13:],
    "pages.json": PAGERDUTY[:1],
    "log.json": PAGERDUTY[1:],
}


def of(source: str, objects: list[dict[str, object]]) -> list[dict[str, object]]:
    """The objects that are this source's: the guide has two files that two sources call alike."""
    mine = GITHUB if source == "github" else GITLAB
    return [one for one in objects if one in mine] or objects


def test_every_command_of_the_guide_runs(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Repository.new(tmp_path / "shop")
    shop.git("tag", "-a", "-m", "one", "v1", at="09:00")
    text = GUIDE.read_text("utf-8")
    (tmp_path / "incidents.yaml").write_text("".join(YAML.findall(text)), "utf-8")
    (tmp_path / "incidents.csv").write_text("".join(CSV.findall(text)), "utf-8")
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line) for script in scripts(GUIDE, {}) for line in script.commands[0].splitlines()]
    assert len(commands) >= 6

    for program, *arguments in commands:
        assert program == "candora-ci"
        for name, objects in FILES.items():
            export(tmp_path / name, of(arguments[1], objects))
        assert cli.main(arguments) == 0, (arguments, capsys.readouterr().err)
    [compute] = re.findall(r"^ *candora (compute .*)$", text, re.MULTILINE)
    capsys.readouterr()
    assert streams_cli.main([*shlex.split(compute), "--json"]) == 0
    services = json.loads(capsys.readouterr().out)["services"]
    assert services["shop-api/prod"]["judged"] == 2
    assert services["shop/prod"]["restore_count"] == 1
    assert {event["source"]["system"] for event in read(tmp_path / "events.jsonl")} == {
        "git",
        "github",
        "pagerduty",
        "service-desk",
    }
