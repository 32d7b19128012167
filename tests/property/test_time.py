"""Section 1: time."""

from contextlib import nullcontext
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import FutureTimestamp
from schemas.rules import check_time
from schemas.values import DAY, HOUR, SECOND, EventValue, IncidentValue, Micros
from streams.core.settings import MetricSettings
from streams.replay.compute import compute
from tests.property.asking import LATER, NOON, SETTINGS, WINDOW, spans
from tests.support.events import commit, opened, promoted, resolved
from tests.support.histories import clocks, histories, rules
from tests.support.log_replay import Reading, Records, Topic, played, said
from tests.support.oracle import reference
from tests.support.oracle.known import one_per_id


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


class TestOutage:
    """Ticks stand in the same log behind the events they follow: after an outage nothing is judged before the incidents
    that waited in the queue with it, and a replay gives the same answers.
    """

    @given(st.integers(0, 23), st.integers(1, 4))
    def test_what_waited_is_read_first(self, hours: int, batch: int) -> None:
        topic = Topic(SETTINGS, ["shop"])
        for event in (promoted("D1", NOON), opened("i1", NOON + hours * HOUR)):
            topic.append(event, event["occurred_at"])
        topic.append(None, NOON + 5 * DAY)
        for _ in range(2):
            topic.settle(batch)
            records = Records.of(topic)
            assert records.deployments["shop", "prod", "D1"]["verdict"] == "failed"
            assert records.metrics["shop", "prod"]["counters"]["verdict_revisions"] == []
            topic = played_again(topic)


def played_again(topic: Topic) -> Topic:
    """The same log before anything of it was read."""
    again = Topic(SETTINGS, topic.home)
    for event, append_time in topic.partitions[0].log:
        again.append(event, append_time)
    return again


class TestWithoutABroker:
    """In a computation without a broker the clock is the T asked for, and everything was known for ever."""

    @given(st.sampled_from((-1, 0, 1)))
    def test_the_moment_asked_for(self, beside: Micros) -> None:
        due = NOON + SETTINGS.failure_window + SETTINGS.lateness
        answer, _ = compute([promoted("D1", NOON)], due + beside, SETTINGS, WINDOW)
        assert answer["services"]["shop/prod"]["judged"] == int(beside >= 0)


class TestFuture:
    """An event whose `occurred_at` is more than `max_future` after its append time is refused (dead letter,
    `future_timestamp`).
    """

    @given(st.sampled_from((-1, 0, 1)))
    def test_to_the_microsecond(self, beside: Micros) -> None:
        event = promoted("D1", NOON + SETTINGS.max_future + beside)
        with pytest.raises(FutureTimestamp) if beside > 0 else nullcontext():
            check_time(event, NOON, SETTINGS.max_future)
        assert FutureTimestamp.reason == "future_timestamp"


class TestSettings:
    """They are recorded in the output (`delivery_settings_info`) and in every metrics record."""

    @given(histories, rules)
    def test_in_every_record(self, history: list[EventValue], settings: MetricSettings) -> None:
        records = Records.of(played(history, LATER, settings))
        for metrics in records.metrics.values():
            assert metrics["settings"] == settings.to_value()
            assert tuple(window["window"] for window in metrics["windows"]) == settings.windows


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

    @pytest.mark.parametrize(
        ("in_time", "late", "name"),
        [
            pytest.param(
                [opened("i1", "12:00"), resolved("i1", "12:45")],
                resolved("i1", "12:40"),
                "restore_p50",
                id="an earlier resolution",
            ),
            pytest.param(
                [opened("i1", "12:00"), resolved("i1", "12:45")],
                opened("i1", "11:55"),
                "restore_p50",
                id="an earlier opening",
            ),
            pytest.param(
                [commit("c1", "09:00"), promoted("D1", "12:45", sha="c1", id_label="p")],
                promoted("D1", "12:00", sha="c1", id_label="p"),
                "lead_p50",
                id="the same event with an earlier time",
            ),
        ],
    )
    def test_it_is_the_append_time_of_the_first_message(
        self, in_time: list[EventValue], late: EventValue, name: Literal["restore_p50", "lead_p50"]
    ) -> None:
        """`known_at` of a deployment, change or incident is the append time of the first message that completed it."""
        topic = Topic(SETTINGS, ["shop"])
        for event in in_time:
            topic.append(event, event["occurred_at"])
        topic.append(None, NOON + HOUR)
        topic.append(late, NOON + 8 * HOUR)
        topic.settle(1)
        metrics = Records.of(topic).metrics["shop", "prod"]
        before, after = (reference(events, NOON + 8 * HOUR, SETTINGS, WINDOW) for events in (in_time, [*in_time, late]))
        window = next(one for one in metrics["windows"] if one["window"] == WINDOW)
        assert window[name] == after["shop/prod"][name] != before["shop/prod"][name]
        assert metrics["counters"]["restore_revisions"] + metrics["counters"]["lead_time_revisions"] == 1

    def test_a_verdict_stays_while_its_event_is_told_anew(self) -> None:
        topic = Topic(SETTINGS, ["shop"])
        topic.append(promoted("D1", "12:45", id_label="p"), NOON + HOUR)
        topic.append(None, NOON + 3 * DAY)
        topic.append(promoted("D1", "12:00", id_label="p"), NOON + 3 * DAY)
        topic.settle(1)
        records = Records.of(topic)
        assert records.deployments["shop", "prod", "D1"]["verdict"] == "succeeded"
        assert records.metrics["shop", "prod"]["counters"]["verdict_revisions"] == []
