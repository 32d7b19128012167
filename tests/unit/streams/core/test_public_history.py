"""Both readings find in the public history the numbers that were worked out apart from them."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.events import parse_event
from schemas.values import DAY, SECOND, EventValue
from streams.core.settings import MetricSettings
from tests.support.log_replay import READINGS, Reading

DATA: Final = Path(__file__).parents[3] / "support" / "data"
EXPECTED: Final[dict[str, Any]] = json.loads((DATA / "public-delivery-history.expected.json").read_bytes())


def history() -> list[EventValue]:
    lines = (DATA / "public-delivery-history.jsonl").read_text(encoding="utf-8").splitlines()
    return [parse_event(line).to_value() for line in lines]


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
@pytest.mark.parametrize("order", [1, -1], ids=["in order", "backwards"])
def test_public_history(reading: Reading, order: int) -> None:
    at = int(EXPECTED["at"]) * SECOND
    assert reading(history()[::order] * 2, at, MetricSettings(), 30 * DAY) == EXPECTED["services"]
