"""Section 1: time."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.values import DAY, SECOND, EventValue, IncidentValue, Micros
from tests.property.asking import NOON, SETTINGS, WINDOW, spans
from tests.support.events import promoted
from tests.support.histories import clocks, histories
from tests.support.reference.known import one_per_id
from tests.support.replay import Reading, Records, Topic, said


def later(event: EventValue, by: Micros) -> EventValue:
    """The same event, with every time in it moved."""
    incident: IncidentValue | None = event["incident"]
    if incident is not None:
        met, clear = incident["slo_met_at"], incident["alert_cleared_at"]
        incident = {
            **incident,
            "slo_met_at": None if met is None else met + by,
            "alert_cleared_at": None if clear is None else clear + by,
        }
    return {**event, "occurred_at": event["occurred_at"] + by, "incident": incident}


class TestEventTime:
    """Every metric is computed in it."""

    @given(histories, clocks, spans)
    def test_moving_all_times_moves_no_number(
        self, reading: Reading, history: list[EventValue], at: Micros, by: Micros
    ) -> None:
        apart = [later(event, 7 * SECOND * number) for number, event in enumerate(one_per_id(history))]
        moved = [later(event, by) for event in apart]
        assert said(reading(moved, at + by, SETTINGS, WINDOW)) == said(reading(apart, at, SETTINGS, WINDOW))


class TestClock:
    """Neither `occurred_at` nor a worker's own wall clock ever moves it."""

    @given(histories, st.integers(0, DAY))
    def test_events_alone_settle_nothing(self, history: list[EventValue], append_time: Micros) -> None:
        topic = Topic(SETTINGS, [event["service"] for event in history])
        for event in history:
            topic.append(event, append_time)
        topic.settle()
        records = Records.of(topic)
        assert {one["judged_at"] for one in records.deployments.values()} <= {None}
        assert not any(one["observed"] for one in records.incidents.values())
        assert all(one["at"] == append_time for one in records.metrics.values())

    @given(st.lists(spans, min_size=1, max_size=5))
    def test_it_is_the_largest_append_time(self, waits: list[Micros]) -> None:
        topic = Topic(SETTINGS, ["shop"])
        topic.append(promoted("D1", NOON), NOON)
        for wait in waits:
            topic.append(None, NOON + wait)
        topic.settle()
        due = max(waits) >= SETTINGS.failure_window + SETTINGS.lateness
        assert Records.of(topic).deployments["shop", "prod", "D1"]["verdict"] == ("succeeded" if due else "pending")


class TestKnownAt:
    """A number that comes due waits L from then too, so what arrives late (a spool, a backfill) gets the same grace as
    what arrives in time.
    """

    @given(spans)
    def test_a_deployment_is_judged_when_both_are_over(self, late: Micros) -> None:
        due = max(NOON + SETTINGS.failure_window, NOON + late) + SETTINGS.lateness
        topic = Topic(SETTINGS, ["shop"])
        topic.append(promoted("D1", NOON), NOON + late)
        topic.append(None, due - SECOND)
        topic.settle()
        assert Records.of(topic).deployments["shop", "prod", "D1"]["verdict"] == "pending"
        topic.append(None, due)
        topic.settle()
        judged = Records.of(topic).deployments["shop", "prod", "D1"]
        assert (judged["verdict"], judged["judged_at"]) == ("succeeded", due)
