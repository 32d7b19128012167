"""Runs of `candora-ci history` as a person's, on files that a test wrote."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from producers import cli
from schemas.events import parse_event
from schemas.values import DAY, EventValue, Micros
from streams.core.settings import MetricSettings
from streams.replay.compute import EnvironmentNumbers, compute

Capture = pytest.CaptureFixture[str]


class Ran(NamedTuple):
    """What a run left behind."""

    code: int
    events: list[dict[str, Any]]
    summary: dict[str, Any]
    said: str

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event_type"] == kind]

    def ids(self) -> set[str]:
        return {event["event_id"] for event in self.events}


def history(capsys: Capture, output: Path, *arguments: str | Path) -> Ran:
    """Run the command into a file; the file's events and what was said."""
    capsys.readouterr()
    code = cli.main(["history", *map(str, arguments), "--output", str(output), "--json"])
    out, err = capsys.readouterr()
    return Ran(code, read(output), json.loads(out) if out else {}, err)


def read(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_text("utf-8").splitlines()] if output.exists() else []


def numbers_of(events: Sequence[Mapping[str, Any]], at: Micros, pair: str) -> EnvironmentNumbers:
    """What `candora compute` says of imported events."""
    values: list[EventValue] = [parse_event(json.dumps(event)).to_value() for event in events]
    answer, left_out = compute(values, at, MetricSettings(), 30 * DAY)
    assert not left_out
    return answer["services"][pair]


def export(path: Path, *documents: object) -> Path:
    """A file of JSON documents back to back, as `gh api --paginate` writes them."""
    out = io.StringIO()
    for document in documents:
        json.dump(document, out)
    path.write_text(out.getvalue(), "utf-8")
    return path


HOUR: Final = 3_600.0
