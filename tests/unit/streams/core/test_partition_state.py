"""How many messages are read in one go, and the edges of the buckets: numbers that nobody draws by chance."""

from dataclasses import replace
from typing import Final

import pytest

from schemas.values import DAY, HOUR, SECOND, Micros
from streams.core.counters import LEAD_BUCKETS, bucket_of
from streams.core.partition_state import PartitionState
from streams.core.settings import MetricSettings
from tests.support.events import DAY_1, opened, resolved
from tests.support.oracle.ledger import EDGES

WEEK: Final = 7 * DAY
START: Final[Micros] = DAY_1 // WEEK * WEEK
"""Records are closed at whole weeks."""


@pytest.mark.parametrize(
    ("clocks", "taken"),
    [
        ([1, 2, 3], 3),
        ([1, WEEK - 1, WEEK, WEEK + 1], 3),
        ([1, WEEK, WEEK], 2),
        ([1, WEEK + 1, WEEK - 1, 2 * WEEK], 2),
        ([WEEK, WEEK + 1, 2 * WEEK - 1, 2 * WEEK, 2 * WEEK], 4),
        ([2, 1, WEEK - 1], 3),
        ([], 0),
    ],
)
def test_messages_are_read_in_one_go_up_to_where_records_are_closed(clocks: list[Micros], taken: int) -> None:
    partition_state = PartitionState(0, MetricSettings())
    assert partition_state.begin([(START + clock, offset) for offset, clock in enumerate(clocks)]) == taken


def test_messages_that_were_read_before_end_nothing() -> None:
    partition_state = PartitionState(0, MetricSettings())
    partition_state.read(None, START, 5)
    assert (
        partition_state.begin([(START + WEEK, 4), (START + WEEK, 5), (START + 1, 6), (START + WEEK, 7), (START, 8)])
        == 4
    )


def test_an_event_behind_the_moment_of_closing_finds_the_record_closed() -> None:
    """However its batch is cut, and also when the records of another service are closed."""
    rules = replace(MetricSettings(), windows=(HOUR,), failure_window=HOUR, canary_timeout=HOUR)
    lines = [
        (opened("i1", START), START + 1),
        (resolved("i1", START + HOUR), START + HOUR),
        (None, START + WEEK),
        (resolved("i1", START + 2 * HOUR), START + WEEK),
    ]
    partition_state = PartitionState(0, rules)
    taken = partition_state.begin([(clock, offset) for offset, (_, clock) in enumerate(lines)])
    assert [partition_state.take(event, offset) for offset, (event, _) in enumerate(lines[:taken])] == [None] * 3
    partition_state.finish()
    partition_state.begin([(clock, offset) for offset, (_, clock) in enumerate(lines)][taken:])
    assert partition_state.take(lines[3][0], 0) == "record_closed"


def test_every_edge_is_in_its_bucket() -> None:
    assert LEAD_BUCKETS == EDGES
    for number, edge in enumerate(EDGES):
        assert bucket_of(edge * SECOND) == number
        assert bucket_of(edge * SECOND + 1) == number + 1
    assert bucket_of(0) == 0
