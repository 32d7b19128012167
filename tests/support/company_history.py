"""Ninety days of the demo company with fixed dates, and a Prometheus data folder that holds them."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from schemas.values import DAY, HOUR, SECOND, EventValue, Micros
from streams.backfill.blocks import write_blocks
from streams.backfill.cli import grid_of, history_of
from streams.backfill.series import SeriesHistory
from streams.core.settings import MetricSettings
from streams.demo.company import history
from streams.replay.loop import event_time
from tests.support.missing import not_run
from tests.support.once import built_once
from tests.support.servers.prometheus import Prometheus, PrometheusStarter
from tests.tools.mixin import FOLDER

END: Final[Micros] = int(datetime(2026, 3, 31, 12, tzinfo=UTC).timestamp()) * SECOND
DAYS: Final = 90
BEGIN: Final[Micros] = END - DAYS * DAY
STEP: Final[Micros] = HOUR
"""Coarser than by default: instant queries are asked at whole hours."""
TARGET: Final = {"job": "candora", "instance": "candora"}


@cache
def company_events() -> tuple[EventValue, ...]:
    """The company's events in the order of what happened, about four thousand."""
    return tuple(sorted(history(1, END, DAYS), key=event_time))


@cache
def company_series() -> SeriesHistory:
    """What /metrics would have shown of it, hour by hour."""
    return history_of(company_events(), MetricSettings(), company_grid())


def company_grid() -> range:
    """The hours from the first day to the last."""
    return grid_of(BEGIN, END, STEP)


@pytest.fixture(scope="session")
def company_blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a Prometheus that scraped the company for ninety days; a server needs a copy."""
    if shutil.which("promtool") is None:
        not_run("promtool", "It comes with Prometheus (Debian: apt-get install prometheus).")
    return built_once(
        tmp_path_factory, "company", lambda folder: write_blocks(folder, company_series(), company_grid(), TARGET)
    )


@pytest.fixture(scope="session")
def company_prometheus(company_blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that holds the ninety days; ask it about `END`, not about now. Only questions: all tests share it.

    It has the shipped recording rules, but no history of them: write out a rule's expression to ask about `END`.
    """
    starter = PrometheusStarter(tmp_path_factory.mktemp("prometheus"))
    yield starter.over(company_blocks, [FOLDER / "candora.rules.yaml"])
    for server in starter.running:
        server.process.kill()
