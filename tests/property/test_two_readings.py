"""The core and the second reading of the specification say the same of any history."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.values import DAY, EventValue, Micros
from streams.core.settings import MetricSettings
from tests.property.logs import END, logs
from tests.support.events import cause, opened, promoted, when
from tests.support.histories import LAST, clocks, histories, rules, windows
from tests.support.log_replay import Line, Records, Topic, by_partition_state, played, said, steps, summaries
from tests.support.oracle import reference
from tests.support.oracle.beside import follow


class TestNumbers:
    """`candora compute` prints of every "SERVICE/ENV" what the second reading prints."""

    @given(histories, clocks, rules, windows)
    def test_same(self, history: list[EventValue], at: Micros, settings: MetricSettings, window: Micros) -> None:
        assert said(by_partition_state(history, at, settings, window)) == said(reference(history, at, settings, window))


class TestSliding:
    """Every number is a pure function of (facts, clock, settings)."""

    @given(histories, st.lists(st.integers(0, 40 * DAY), min_size=1, max_size=6), windows)
    def test_same_after_every_tick(self, history: list[EventValue], waits: list[Micros], window: Micros) -> None:
        settings = MetricSettings()
        topic = Topic(settings, (event["service"] for event in history))
        for event in history:
            topic.append(event, 0)
        topic.settle()
        for at in sorted(LAST + wait for wait in waits):
            topic.append(None, at)
            topic.settle()
            found = said(summaries(Records.of(topic), window))
            assert found == said(reference(history, at, settings, window))


class TestRecords:
    """Whatever is published of a deployment, an incident, a change, a service and env is what the second reading says.

    Every field of every record, after every message of a log.
    """

    @given(logs(), rules)
    def test_every_field(self, lines: list[Line], settings: MetricSettings) -> None:
        follow([*lines, Line(None, END)], settings)

    @given(histories, st.lists(clocks, max_size=3), rules)
    def test_however_late_it_was_told(
        self, history: list[EventValue], times: list[Micros], settings: MetricSettings
    ) -> None:
        ticks = [Line(None, at) for at in sorted(times)]
        told = [Line(event, 0) for event in history]
        half = len(told) // 2
        follow([*told[:half], *ticks, *told[half:], Line(None, END)], settings)


class TestCorrectedCause:
    """A cause in another service (`cause.service`) is followed there. Of two contents of one event one counts."""

    def test_earlier_content(self) -> None:
        told = opened("i1", "13:00", service="shop", cause=cause(service="bank", deployment="D1"), id_label="x")
        earlier: EventValue = {**told, "occurred_at": when("12:59")}
        lines = [Line(promoted("D1", "12:00", service="bank"), when("12:00"))]
        lines += [Line(told, when("13:00")), Line(earlier, when("13:01"))]
        *_, last = steps(lines, MetricSettings())
        found = last.partition.published.deployments["bank", "prod", "D1"]
        assert (found["reason"], found["failed_at"]) == ("incident", when("12:59"))


class TestPartitions:
    """A cause in another service (`cause.service`) is followed there."""

    @given(histories, clocks, st.integers(1, 4))
    def test_wherever_that_service_is_kept(self, history: list[EventValue], at: Micros, batch: int) -> None:
        settings = MetricSettings()
        window = settings.windows[0]
        topic = played(history, at, settings, partitions=2, batch=batch)
        apart = Records.of(topic)
        together = by_partition_state(history, at, settings, window)
        assert said(summaries(apart, window)) == said(together)
