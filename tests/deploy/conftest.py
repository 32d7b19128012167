"""The Prometheus that most tests here ask."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from streams.backfill.blocks import COMMAND, write_blocks
from streams.backfill.cli import history_of
from streams.core.settings import MetricSettings
from streams.replay.loop import event_time
from tests.deploy.test_prometheus import promtool
from tests.support.company_history import END, TARGET, company_grid
from tests.support.odd_events import odd_events
from tests.support.once import built_once
from tests.support.pipeline_story import story
from tests.support.servers.prometheus import Prometheus, PrometheusStarter


@pytest.fixture(scope="session")
def whole(company_blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scraped the company, the odd services, the pipeline and a canaried application."""
    data = built_once(tmp_path_factory, "whole", lambda folder: _everything(folder, company_blocks))
    starter = PrometheusStarter(tmp_path_factory.mktemp("prometheus"))
    yield starter.over(data)
    for server in starter.running:
        server.process.kill()


def _everything(data: Path, company_blocks: Path) -> None:
    shutil.copytree(company_blocks, data, dirs_exist_ok=True)
    grid = company_grid()
    write_blocks(data, history_of(sorted(odd_events(), key=event_time), MetricSettings(), grid), grid, TARGET)
    with TemporaryDirectory() as home:
        text = Path(home) / "story.txt"
        text.write_text("".join(story(Path(home) / "spool", END).lines()), encoding="utf-8")
        done = promtool(*COMMAND, str(text), str(data))
    assert done.returncode == 0, done.stderr
