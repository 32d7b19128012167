"""A broker for each process of the run, and the table of results as it comes."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.chaos.run import HEADER
from tests.support.servers.kafka import KafkaBroker, needed_broker

Tell = Callable[[str], None]

_TOLD: Final = "chaos"
_begun: Final[list[bool]] = []


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    """A broker that may be taken away: processes that run schedules side by side have one each."""
    with needed_broker() as broker:
        yield broker


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Say something to whoever watches the run; it comes when the test has ended."""

    def say(line: str) -> None:
        record_property(_TOLD, line)

    return say


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Print what a test has told, in the process that pytest was started in."""
    if report.when != "call":
        return
    for name, line in report.user_properties:
        if name == _TOLD:
            if not _begun:
                _begun.append(True)
                _print(HEADER)
            _print(str(line))


def _print(line: str) -> None:
    print(f"\n{line}", end="", flush=True)  # noqa: T201 - the table of results
