"""Fixtures for all tests, and the last lines of a test run: what was not run, and how to get it."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

import schemas
from tests.support import missing
from tests.support.company_history import company_blocks, company_prometheus
from tests.support.servers.kafka import SHARED, kafka, own_kafka, running_broker, unique
from tests.support.servers.kafka_jars import KafkaUnavailable
from tests.support.servers.processes import processes
from tests.support.servers.prometheus import prometheus

__all__ = ["company_blocks", "company_prometheus", "kafka", "own_kafka", "processes", "prometheus", "unique"]

PACKAGES: Final = Path(schemas.__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--installed", action="store_true", help="refuse to test packages that are not the installed ones")
    parser.addoption("--one-broker", action="store_true", help="share one Kafka between all processes of the run")


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("loaded", deadline=None)  # how busy the machine is says nothing of the code
    settings.load_profile("loaded")
    if config.getoption("--installed") and PACKAGES.name != "site-packages":
        raise pytest.UsageError(f"--installed: the packages come from {PACKAGES}; run `make test`")
    if config.getoption("--one-broker") and not hasattr(config, "workerinput") and SHARED not in os.environ:
        _share_a_broker(config)


def _share_a_broker(config: pytest.Config) -> None:
    """Start a broker for the whole run. Where there is none, each test says so."""
    stack = ExitStack()
    try:
        broker = stack.enter_context(running_broker())
    except KafkaUnavailable:
        return
    os.environ[SHARED] = broker.bootstrap
    stack.callback(os.environ.pop, SHARED)
    config.add_cleanup(stack.close)


def pytest_report_header() -> str:
    return f"candora under test: {PACKAGES}"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what wants a real server, so that `-m` can select it."""
    wants = {
        "kafka": pytest.mark.broker,
        "own_kafka": pytest.mark.broker,
        "prometheus": pytest.mark.prometheus,
        "company_prometheus": pytest.mark.prometheus,
    }
    for fixture, marker in wants.items():
        if fixture in getattr(item, "fixturenames", ()):
            item.add_marker(marker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [each for status in ("skipped", "failed", "error") for each in terminalreporter.getreports(status)]
    lines = missing.summary([_reason(report) for report in reports])
    if lines:
        terminalreporter.section("NOT EVERYTHING WAS RUN", sep="!", red=True, bold=True)
        for line in lines:
            terminalreporter.line(line)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped or failed; pytest keeps the reason of a skip behind its file and line."""
    match report.longrepr:
        case (_, _, str(reason)):
            return reason
    return report.longreprtext
