"""docs/sidecar.md: its commands are ones we have, its event is taken, and its metrics, statuses and reasons are all."""

import re
import shlex
from pathlib import Path

from producers.cli import build_parser
from producers.sidecar.metrics import SidecarMetrics
from producers.sidecar.rejections import LIMITS
from producers.sidecar.webhooks.sources import SOURCES
from producers.spool.spool import Spool
from tests.support.fakes.sidecar import Sidecar

PAGE = (Path(__file__).parents[4] / "docs/sidecar.md").read_text("utf-8")
COMMANDS = re.sub(r"\n {6}", " ", "\n".join(re.findall(r"^ {4}(\S.*(?:\n {6}.*)*)$", PAGE, re.MULTILINE)))


def test_its_commands_are_ones_we_have() -> None:
    lines = [shlex.split(line, comments=True) for line in COMMANDS.splitlines() if line.startswith("candora-ci ")]
    parsed = [build_parser(words[1:]).parse_args(words[1:]) for words in lines]
    assert [given.command for given in parsed] == ["serve", "serve", "emit", "drain"]
    assert parsed[0].check
    assert parsed[2].sidecar == "https://candora.acme.example"
    assert (parsed[3].spool, parsed[3].within, parsed[3].strict) == (".candora", "30s", True)


async def test_its_event_is_taken(tmp_path: Path) -> None:
    [command] = [line for line in COMMANDS.splitlines() if line.startswith("curl ")]
    words = shlex.split(command)
    kind, data = words[words.index("-H") + 1].partition(": ")[2], words[words.index("-d") + 1]
    async with Sidecar(tmp_path) as sidecar:
        status, _ = await sidecar.events(data.encode(), kind)
        assert status == 202


def test_its_metrics_are_all_there_are(tmp_path: Path) -> None:
    table = PAGE.partition("after `delivery_sidecar_`")[2].partition("\n\n")[0]
    told = set(re.findall(r"`([a-z_]+)`", table)) - {"_limit", "damaged", "too_old", "invalid", "refused"}
    told |= {"spool_files_limit", "spool_bytes_limit"}
    with Spool(str(tmp_path)) as spool:
        text = SidecarMetrics(spool).text().decode()
    there = set(re.findall(r"^# TYPE delivery_sidecar_(\S+)", text, re.MULTILINE))
    there = {name for name in there if not name.endswith("_created")}
    assert {name for name in told if not name.startswith("slo_")} == there


def test_its_statuses_are_all_there_are() -> None:
    table = PAGE.partition("| status | meaning")[2].partition("\n\n")[0]
    told = {int(status) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for status in cell.split(", ")}
    assert told == {202, 401, 403, *(answer.status for answer in LIMITS.values())}
    assert all(source in PAGE for source in SOURCES)
