"""The demo on its embedded broker: /metrics has the numbers that the same events give with no broker at all."""

import io
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest
from rich.console import Console

from schemas.values import DAY, SECOND, Micros
from streams.core.settings import MetricSettings
from streams.demo.company import history
from streams.demo.disturb import Poison, disturb
from streams.demo.habits import COMPANY
from streams.demo.metrics_summary import ServiceSummary
from streams.demo.run import play, run_demo, start_stack
from streams.replay.compute import EnvironmentNumbers, compute

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SEED = 11


def now() -> Micros:
    return time.time_ns() // 1000


def test_the_table_shows_what_the_events_say() -> None:
    end = now()
    items = list(disturb(history(SEED, end), SEED))
    with ExitStack() as stack:
        demo = start_stack(stack)
        summary = play(demo, Console(file=io.StringIO()), items)
        refused = demo.watch.dead_letters
    assert refused.total() == sum(isinstance(item, Poison) for item in items)
    assert [line.service for line in summary.lines] == sorted(habits.service for habits in COMPANY)
    at_first, at_last = truth(end, end), truth(end, now())
    for line in summary.lines:
        assert replace(line, failing=0) in (at_first[line.service], at_last[line.service])
    assert {line.service for line in summary.lines if line.failing} == {"notifications", "search"}


def truth(end: Micros, at: Micros) -> dict[str, ServiceSummary]:
    """The lines as the core computes them from the history itself; it does not say what is failing."""
    settings = MetricSettings(lateness=2 * SECOND)
    answer, refused = compute(history(SEED, end), at, settings, 90 * DAY)
    assert not refused
    prod = {name.removesuffix("/prod"): of for name, of in answer["services"].items() if name.endswith("/prod")}
    return {service: line_of(service, numbers) for service, numbers in prod.items()}


def line_of(service: str, numbers: EnvironmentNumbers) -> ServiceSummary:
    return ServiceSummary(
        service=service,
        judged=numbers["judged"],
        failed=numbers["failed"],
        ratio=numbers["ratio"],
        lead_count=numbers["lead_count"],
        lead_p50=numbers["lead_p50"],
        lead_p90=numbers["lead_p90"],
        restore_count=numbers["restore_count"],
        restore_mean=numbers["restore_mean"],
        pending=numbers["pending"],
        failing=0,
        superseded=numbers["superseded"],
        abandoned=numbers["abandoned"],
        incidents_open=numbers["open"],
        unattributed=numbers["unattributed"],
    )


def test_once_prints_the_table_and_ends_well() -> None:
    out = io.StringIO()
    assert run_demo(once=True, seed=2, days=14, console=Console(file=out, width=80)) == 0
    text = out.getvalue()
    for habits in COMPANY:
        assert habits.service in text
    assert "/metrics" in text
