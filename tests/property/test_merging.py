"""Section 2: facts merge; order and repetition do not matter."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.values import EventValue, Micros
from tests.property.asking import LATER, SETTINGS, WINDOW
from tests.support.histories import clocks, histories
from tests.support.log_replay import Reading, Records, facts_of, played, said
from tests.support.oracle.known import accepted, conflicts, in_earnest, one_per_id

shuffles = st.randoms(use_true_random=False)


def told(history: list[EventValue], at: Micros) -> dict[str, Any]:
    """All facts after a history was read in one go."""
    return facts_of(Records.of(played(history, at, SETTINGS)))


class TestAnyOrder:
    """Any order, any duplication and any replay of the same events ends in the same facts, byte for byte."""

    @given(histories, clocks, shuffles)
    def test_shuffled(self, history: list[EventValue], at: Micros, shuffle: random.Random) -> None:
        assert told(shuffle.sample(history, len(history)), at) == told(history, at)

    @given(histories, clocks, shuffles)
    def test_repeated(self, history: list[EventValue], at: Micros, shuffle: random.Random) -> None:
        repeated = [event for event in history for _ in range(shuffle.randint(1, 3))]
        assert told(shuffle.sample(repeated, len(repeated)), at) == told(history, at)

    @given(histories, clocks, st.integers(1, 5))
    def test_in_batches(self, history: list[EventValue], at: Micros, batch: int) -> None:
        records = Records.of(played(history, at, SETTINGS, batch=batch))
        assert facts_of(records) == told(history, at)


class TestRepetition:
    """Two events with one `event_id` are one event."""

    @given(histories, clocks)
    def test_numbers(self, reading: Reading, history: list[EventValue], at: Micros) -> None:
        single = one_per_id(accepted(history, at + SETTINGS.max_future))
        assert said(reading(history, at, SETTINGS, WINDOW)) == said(reading(single, at, SETTINGS, WINDOW))


class TestConflicts:
    """If their contents differ, the one that sorts first by (occurred_at, canonical bytes) counts, and
    `delivery_conflicting_events_total` rises.
    """

    @given(histories, shuffles)
    def test_counted(self, history: list[EventValue], shuffle: random.Random) -> None:
        records = Records.of(played(shuffle.sample(history, len(history)), LATER, SETTINGS))
        counted = {key: metrics["counters"]["conflicting_events"] for key, metrics in records.metrics.items()}
        for service in {event["service"] for event in history}:
            ours = [event for event in history if event["service"] == service]
            assert counted.get((service, ""), 0) == conflicts(ours)
        assert all(count == 0 for (_, env), count in counted.items() if env)


class TestRehearsals:
    """Events of lane `rehearsal` or `synthetic` are kept and shown, and enter no number but the freshness of
    rehearsals.
    """

    @given(histories, clocks)
    def test_numbers(self, reading: Reading, history: list[EventValue], at: Micros) -> None:
        earnest = in_earnest(one_per_id(accepted(history, at + SETTINGS.max_future)))
        assert said(reading(history, at, SETTINGS, WINDOW)) == said(reading(earnest, at, SETTINGS, WINDOW))

    @given(histories, clocks)
    def test_freshness(self, history: list[EventValue], at: Micros) -> None:
        records = Records.of(played(history, at, SETTINGS))
        rehearsed: dict[tuple[str, str], Micros] = {}
        for event in one_per_id(accepted(history, at + SETTINGS.max_future)):
            failed = event["rollback"] is not None and event["rollback"]["succeeded"] is False
            if (
                (event["lane"], event["event_type"]) == ("rehearsal", "rollback_triggered")
                and event["env"]
                and not failed
            ):
                rehearsed[event["service"], event["env"]] = event["occurred_at"]
        shown = {key: one["state"]["rehearsed_at"] for key, one in records.metrics.items()}
        assert {key: at for key, at in shown.items() if at is not None} == rehearsed
