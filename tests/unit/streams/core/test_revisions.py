"""Revisions of revisions: both readings, with the state restored in between."""

from typing import Final

import pytest

from schemas.values import DAY, HOUR, MINUTE, EventValue, Micros
from streams.core.service_state import ServiceState
from streams.core.settings import MetricSettings
from tests.support.events import DAY_1, commit, opened, promoted, resolved, rollback, stage, started
from tests.support.log_replay import Line, Partition, Records, everything_of
from tests.support.oracle.beside import follow

T: Final[Micros] = DAY_1
SETTINGS: Final = MetricSettings()
WEEK: Final = 7 * DAY


def told(*events: EventValue | Micros) -> list[Line]:
    """Events that are told one after another, a minute apart, and ticks at the times between them."""
    now, lines = T + 12 * HOUR, list[Line]()
    for event in events:
        if isinstance(event, int):
            now = max(now, event)
            lines.append(Line(None, now))
        else:
            now += MINUTE
            lines.append(Line(event, now))
    return lines


STORIES: Final = {
    "an incident": told(
        opened("i1", T),
        resolved("i1", T + HOUR),
        T + 2 * DAY,
        opened("i1", T + 2 * HOUR),
        opened("i1", T + 3 * HOUR, severity="sev2"),
        resolved("i1", T + 3 * HOUR),
        T + 4 * DAY,
        resolved("i1", T + 5 * HOUR),
        resolved("i1", T + 150 * MINUTE),
        opened("i1", T - HOUR),
        T + 5 * DAY,
        {**opened("i1", T - 2 * HOUR), "env": "staging"},
        {**resolved("i1", T - 90 * MINUTE), "env": "staging"},
        opened("i1", T + 9 * HOUR),
        T + 6 * DAY,
        resolved("i1", T + 10 * HOUR),
        resolved("i1", T + 11 * HOUR, slo_met=T + 12 * HOUR),
        T + 40 * DAY,
        resolved("i1", T + 9 * HOUR),
        T + 91 * DAY,
    ),
    "a verdict": told(
        promoted("D1", T, sha="c1"),
        T + 2 * DAY,
        opened("i1", T + HOUR),
        opened("i1", T - HOUR, id_label="x"),
        {**opened("i1", T + HOUR, id_label="x"), "occurred_at": T - HOUR - 1},
        resolved("i1", T + HOUR, deployment="D9"),
        opened("i2", T + 2 * HOUR, deployment="D1"),
        T + 3 * DAY,
        rollback(T + 3 * DAY),
        rollback(T + 90 * MINUTE),
        rollback(T - HOUR),
        rollback(T + 3 * HOUR, deployment="D1"),
        started("D1", T - 3 * HOUR, sha="c2"),
        started("D2", T - 2 * HOUR),
        T + 4 * DAY,
        promoted("D2", T + HOUR),
        opened("i3", T + 2 * DAY),
        promoted("D1", T - 2 * HOUR, lane="hotfix"),
        T + 40 * DAY,
        T + 91 * DAY,
        T + 93 * DAY,
    ),
    "a deployment that was none": told(
        promoted("D1", T, id_label="x", sha="c1"),
        commit("c1", T - HOUR),
        T + 2 * DAY,
        {**promoted("D1", T, id_label="x", sha="c1", lane="rehearsal"), "occurred_at": T - 1},
        T + 3 * DAY,
        {**commit("c1", T, id_label="x"), "occurred_at": T - 2},
        T + 4 * DAY,
        started("D1", T),
        T + 5 * DAY,
        promoted("D1", T + 4 * DAY, sha="c1"),
        T + 8 * DAY,
        T + 91 * DAY,
    ),
    "a lead time": told(
        commit("c1", T, change="repo#1"),
        promoted("D1", T + HOUR, sha="c1"),
        T + 2 * DAY,
        commit("c2", T - HOUR, change="repo#1"),
        promoted("D2", T + HOUR - 1, sha="c2", env="staging"),
        commit("c1", T - 2 * HOUR, change="repo#2"),
        T + 3 * DAY,
        promoted("D3", T + HOUR - 1, sha="c2"),
        promoted("D0", T + HOUR - 1, sha="c2"),
        stage("tests_passed", "c2", T, change_id="repo#1"),
        stage("tests_passed", "c2", T - 1, change_id="repo#1"),
        stage("tests_passed", "c1", T),
        stage("artifact_built", "c1", T, lane="rehearsal"),
        T + 4 * DAY,
        commit("c3", T + 3 * HOUR, merge="c1"),
        commit("c3", T + 3 * HOUR, change="repo#3"),
        promoted("D4", T + 2 * HOUR, included=["c3", "c1", "c3"], sha="c1"),
        T + 5 * DAY,
        commit("c1", T - 3 * HOUR, change="repo#3"),
        commit("c3", T + 4 * HOUR, change="repo#3"),
        T + 40 * DAY,
        T + 91 * DAY,
    ),
    "what was handed on": told(
        *(commit(f"c{number}", T + number * MINUTE) for number in range(5)),
        started("D0", T + HOUR, sha="c0"),
        started("D1", T + 2 * HOUR, sha="c1"),
        started("D2", T + 3 * HOUR, sha="c2"),
        promoted("D3", T + 4 * HOUR, sha="c3"),
        T + 2 * DAY,
        rollback(T + 5 * HOUR, deployment="D1"),
        T + 3 * DAY,
        promoted("D2", T + 6 * HOUR),
        promoted("D4", T + 90 * MINUTE, sha="c4", included=["c0"]),
        T + 4 * DAY,
        started("D5", T + 3 * DAY, included=["c1"]),
        T + 6 * DAY,
        promoted("D5", T + 6 * DAY),
        T + 91 * DAY,
    ),
}


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("failing", [("sev1", "sev2"), ("sev2",)])
def test_as_the_second_reading_has_it(name: str, failing: tuple[str, ...]) -> None:
    records = follow(STORIES[name], MetricSettings(failing_severities=failing))
    assert any(one["revisions"] for kind in records[:3] for one in kind.values())


@pytest.mark.parametrize("name", STORIES)
def test_backwards(name: str) -> None:
    """Whatever was told last is told first."""
    lines = STORIES[name]
    events = [line.event for line in reversed(lines)]
    follow([Line(event, line.append_time) for event, line in zip(events, lines, strict=True)], SETTINGS)


@pytest.mark.parametrize("name", STORIES)
def test_restored_after_every_message(name: str) -> None:
    whole, restarted = (Partition(0, SETTINGS) for _ in range(2))
    for partition in (whole, restarted):
        partition.log = [line for line in STORIES[name] if line.event is None or line.event["service"] == "shop"]
    for number in range(len(whole.log)):
        for partition in (whole, restarted):
            partition.read(1)
            partition.collect()
        restarted.restart(back=number % 3)
        restarted.read(number % 3)
        restarted.collect()
    found = [Records.of_one(partition.published) for partition in (whole, restarted)]
    assert everything_of(found[0]) == everything_of(found[1])
    assert found[0].metrics == found[1].metrics


def test_events_are_numbered_as_they_come_where_there_is_no_log() -> None:
    state = ServiceState("shop", SETTINGS)
    state.apply(opened("i1", T), T)
    assert [offset for _, offset in state.drain().records] == [0]
    state.apply(resolved("i1", T), T)
    state.advance(T + DAY)
    assert [offset for _, offset in state.drain().records] == [1]
