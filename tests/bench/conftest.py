"""Fixtures of the measurements."""

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.support.servers.processes import Processes


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """As elsewhere, but without all the logs at the end: a table is to be read there. A failure quotes its log."""
    group = Processes(tmp_path)
    yield group
    with redirect_stdout(io.StringIO()):
        group.__exit__()
