"""A resolution that waits for its objective: what decides, what is asked, and what survives."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import ValidationError

from producers.events.event_builder import event_from
from producers.sidecar.slo.gate import QueryGrid, SloGate, SloRefused, SloUnavailable, grid, met_at, waits_for, with_slo
from producers.sidecar.slo.settings import SloObjective, SloSettings
from producers.spool.spool import SpoolFull
from schemas.models import from_micros
from schemas.values import SECOND, EventValue

RESOLVED: Final = 1_770_026_400  # 2026-02-02T10:00:00Z
NOT_ANSWERED: Final[dict[str, Any]] = {"result": []}
OBJECTIVE: Final = SloObjective(service="shop-*", query='ratio{service="$service",env="$env"}', at_least=0.999)
SETTINGS: Final = SloSettings.model_validate(
    {
        "prometheus": "http://prometheus.example:9090",
        "objectives": [
            {"service": "shop-*", "query": 'ratio{service="$service",env="$env"}', "at_least": 0.999},
            {"service": "cart", "env": "prod", "query": "burn", "at_most": 1},
        ],
        "longest_wait": "1h",
    }
)


def resolution(service: str = "shop-api", incident_id: str = "i1", **more: Any) -> EventValue:
    data = {
        "event_type": "incident_resolved",
        "occurred_at": from_micros(RESOLVED * SECOND).isoformat(),
        "service": service,
        "env": "prod",
        "incident_id": incident_id,
        "incident": {"title": "slow"},
    }
    return event_from({**data, **more}, from_micros((RESOLVED + 60) * SECOND)).value


def answer(*series: Sequence[tuple[float, str]]) -> dict[str, Any]:
    return {"resultType": "matrix", "result": [{"metric": {}, "values": list(map(list, one))} for one in series]}


@pytest.mark.parametrize(
    ("event", "query"),
    [
        (resolution(), 'ratio{service="shop-api",env="prod"}'),
        (resolution("cart"), "burn"),
        (resolution("cart", env=None), None),
        (resolution("billing"), None),
        (resolution(lane="synthetic"), None),
        (resolution(incident={"slo_met_at": "2026-02-02T10:01:00Z"}), None),
        (resolution(event_type="incident_opened"), None),
    ],
)
def test_only_a_resolution_with_an_objective_waits(event: EventValue, query: str | None) -> None:
    objective = waits_for(SETTINGS, event)

    assert (objective and objective.query_for(event["service"], event["env"])) == query


@pytest.mark.parametrize(
    ("data", "met"),
    [
        (answer([(10, "0.5"), (25, "0.9991"), (40, "1")]), 25),
        (answer([(10, "1"), (25, "1")], [(10, "0.2"), (25, "0.999")]), 25),
        (answer([(10, "NaN"), (25, "1")]), 25),
        (answer([(10, "NaN")]), None),
        (answer([(10, "1"), (25, "1")], [(10, "NaN"), (25, "NaN")]), None),
        (answer([(10, "0.5")]), None),
        (answer([(10, "+Inf")]), 10),
        (NOT_ANSWERED, None),
        (None, None),
        ([], None),
        ({"result": [None, {"values": 3}, {"values": [[1], ["a", "b"], None, [2, None]]}]}, None),
    ],
)
def test_met_is_the_first_moment_at_which_all_series_are_within_the_bound(data: Any, met: float | None) -> None:
    assert met_at(data, OBJECTIVE) == met


@pytest.mark.parametrize(("value", "met"), [("0.9", 10), ("1", 10), ("1.1", None), ("NaN", None)])
def test_an_upper_bound(value: str, met: float | None) -> None:
    assert met_at(answer([(10, value)]), SloObjective(service="a", query="q", at_most=1)) == met


@pytest.mark.parametrize(
    ("asked_until", "now", "asked"),
    [
        (None, 1000.0, QueryGrid(1000.0, 1000.0, 15.0)),
        (None, 1100.0, QueryGrid(1000.0, 1100.0, 15.0)),
        (1090.0, 1100.0, None),
        (1090.0, 1130.0, QueryGrid(1105.0, 1130.0, 15.0)),
        (None, 999.0, None),
        (None, 1000.0 + 15 * 10_000, QueryGrid(1000.0, 151_000.0, 15.0)),
        (None, 1000.0 + 15 * 10_001, QueryGrid(1000.0, 151_015.0, 30.0)),
    ],
)
def test_each_moment_is_asked_for_once_and_never_too_many(
    asked_until: float | None, now: float, asked: QueryGrid | None
) -> None:
    assert grid(1000 * SECOND, asked_until, now, 15.0) == asked


def test_the_objective_is_never_met_before_the_end_of_the_alert() -> None:
    event = resolution()

    assert with_slo(event, RESOLVED - 0.001)["incident"] == {
        **(event["incident"] or {}),
        "slo_met_at": RESOLVED * SECOND,
    }
    assert with_slo(event, RESOLVED + 90)["event_id"] == event["event_id"]


@dataclass
class World:
    """A Prometheus, a clock and a spool of the sidecar, all in the test's hands."""

    folder: Path
    now: float = RESOLVED + 60.0
    replies: Callable[[str], Any] = lambda _: NOT_ANSWERED
    asked: list[tuple[str, QueryGrid]] = field(default_factory=list)
    left: list[EventValue] = field(default_factory=list)
    full: bool = False

    def gate(self) -> SloGate:
        return SloGate(SETTINGS, str(self.folder), self.release, self.ask, clock=lambda: self.now)

    async def ask(self, query: str, asked: QueryGrid) -> Any:
        self.asked.append((query, asked))
        reply = self.replies(query)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def release(self, event: EventValue) -> None:
        if self.full:
            raise SpoolFull("full")
        self.left.append(event)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "waiting")


async def test_a_resolution_leaves_once_with_the_moment_the_objective_was_met(world: World) -> None:
    gate = world.gate()
    held, rest = gate.split([resolution(), resolution("billing")])
    await gate.hold(held)
    await gate.check()
    assert ([event["service"] for event in rest], world.left, gate.state.waiting) == (["billing"], [], 1)

    world.now += 60
    world.replies = lambda _: answer([(RESOLVED + 75, "0.5"), (RESOLVED + 90, "0.9995")])
    await gate.check()
    await gate.check()
    await gate.stop()

    [left] = world.left
    assert left["incident"] is not None
    assert left["incident"]["slo_met_at"] == (RESOLVED + 90) * SECOND
    assert (gate.state.waiting, gate.state.released, gate.state.gave_up) == (0, 1, 0)
    assert [asked.begin for _, asked in world.asked] == [RESOLVED, RESOLVED + 75]


async def test_what_waits_outlives_the_process_and_is_asked_for_from_the_beginning(world: World) -> None:
    first = world.gate()
    await first.hold([resolution()])
    await first.check()
    await first.stop()

    world.replies = lambda _: answer([(RESOLVED + 30, "1")])
    second = world.gate()
    await second.start()
    assert second.state.waiting == 1
    await second.check()
    await second.stop()

    assert [event["incident"] and event["incident"]["slo_met_at"] for event in world.left] == [(RESOLVED + 30) * SECOND]
    assert world.asked[-1][1].begin == RESOLVED


async def test_a_delivery_that_comes_twice_waits_once(world: World) -> None:
    gate = world.gate()
    await gate.hold([resolution(), resolution()])
    await gate.hold([resolution()])
    await gate.check()
    await gate.stop()

    assert gate.state.waiting == 1


async def test_after_the_longest_wait_it_leaves_without_and_says_so(world: World) -> None:
    gate = world.gate()
    await gate.hold([resolution()])
    world.now += 3600
    await gate.check()
    await gate.stop()

    [left] = world.left
    assert left["incident"] is not None
    assert left["incident"]["slo_met_at"] is None
    assert left["attributes"] == {"slo_not_met_within": "1h"}
    assert (gate.state.gave_up, gate.state.waiting) == (1, 0)


@pytest.mark.parametrize("hours", [0, 1])
async def test_while_prometheus_is_away_everything_waits_but_not_for_ever(world: World, hours: int) -> None:
    gate = world.gate()
    await gate.hold([resolution(), resolution("shop-web")])
    world.replies = lambda _: SloUnavailable("refused the connection")
    world.now += 3601 * hours
    await gate.check()
    await gate.stop()

    assert (len(world.asked), gate.state.failures) == (1, 1)
    assert (len(world.left), gate.state.waiting) == (2 * hours, 2 - 2 * hours)


async def test_a_wrong_query_keeps_only_its_own_service_waiting(world: World) -> None:
    gate = world.gate()
    await gate.hold([resolution(), resolution("cart")])
    world.replies = lambda query: SloRefused("parse error") if "ratio" in query else answer([(RESOLVED, "0.5")])
    await gate.check()
    await gate.stop()

    assert [event["service"] for event in world.left] == ["cart"]
    assert gate.state.waiting == 1


async def test_what_the_spool_does_not_take_is_kept(world: World) -> None:
    gate = world.gate()
    await gate.hold([resolution()])
    world.replies, world.full = (lambda _: answer([(RESOLVED, "1")])), True
    with pytest.raises(SpoolFull):
        await gate.check()
    world.full = False
    await gate.check()
    await gate.stop()

    assert len(world.left) == 1


async def test_a_fault_of_this_program_ends_the_task_for_all_to_see(world: World) -> None:
    gate = world.gate()
    await gate.hold([resolution()])
    world.replies = lambda _: ZeroDivisionError()
    await gate.start()
    assert gate.task is not None
    await asyncio.wait([gate.task])
    await gate.stop()

    assert isinstance(gate.task.exception(), ZeroDivisionError)


async def test_a_damaged_file_is_put_aside(world: World) -> None:
    gate = world.gate()
    await gate.hold([resolution()])
    [file] = world.folder.glob("[0-9]*")
    file.write_bytes(file.read_bytes()[:-5])
    await gate.check()
    await gate.stop()

    assert (world.left, gate.state.waiting) == ([], 0)
    assert list((world.folder / "quarantine").glob("*.reason"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"objectives": []}, "at least 1 item"),
        ({"objectives": [{"service": "a", "query": "q"}]}, "give either at_least or at_most"),
        (
            {"objectives": [{"service": "a", "query": "q", "at_least": 1, "at_most": 2}]},
            "give either at_least or at_most",
        ),
        ({"objectives": [{"service": "a", "query": 'x{s="$srvice"}', "at_least": 1}]}, r"\$srvice stands for nothing"),
        ({"objectives": [{"service": "a", "query": 'x{s=~".*$"}', "at_least": 1}]}, r"\$\$ is a dollar sign"),
        ({"prometheus": "http://me:hunter2@prometheus.example"}, "has a name and a password in it"),
        ({"headers": {"Authorization": "Bearer x"}}, "use token"),
        ({"poll": "soon"}, "is not a duration"),
    ],
)
def test_wrong_settings_are_refused(change: dict[str, Any], problem: str) -> None:
    good = {"prometheus": "http://p.example", "objectives": [{"service": "a", "query": "q", "at_least": 1}]}
    with pytest.raises(ValidationError, match=problem) as error:
        SloSettings.model_validate(good | change)
    assert "hunter2" not in str(error.value)
