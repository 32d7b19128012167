"""Histories that nobody draws by chance: long lists, deep merges, circles; the second reading stands beside."""

from itertools import permutations
from typing import Final

import pytest

from schemas.values import DAY, HOUR, MINUTE, SECOND, EventValue, Micros
from streams.core.partition_state import PartitionState
from streams.core.settings import MetricSettings
from tests.support.events import DAY_1, cause, commit, opened, promoted, resolved, rollback, sha, stage, started, told
from tests.support.log_replay import Line, Records
from tests.support.oracle.beside import follow

T: Final[Micros] = DAY_1
SETTINGS: Final = MetricSettings()


def read(*events: EventValue, until: Micros = T + 5 * DAY) -> Records:
    """Both readings of these events, told in their order, each when it happened or later; then a tick."""
    return follow([*(Line(event, event["occurred_at"]) for event in events), Line(None, until)], SETTINGS)


def at_once(*events: EventValue) -> Records:
    """The same, known at once: for what is too long to be looked at after every event."""
    partition_state = PartitionState(0, SETTINGS)
    partition_state.begin([(T, offset) for offset in range(len(events))])
    for offset, event in enumerate(events):
        partition_state.take(event, offset)
    partition_state.finish()
    changes = partition_state.collect()
    return Records(
        {(one["service"], one["env"], one["deployment_id"]): one for one in changes.deployments},
        {(one["service"], one["incident_id"]): one for one in changes.incidents},
        {(one["service"], one["change_id"]): one for one in changes.changes},
        {(one["service"], one["env"]): one for one in changes.metrics},
    )


class TestLongLists:
    """A record shows only so much of a list that it does not outgrow its topic; all of it counts."""

    @pytest.mark.parametrize("count", [19, 20, 21, 25])
    def test_rollbacks(self, count: int) -> None:
        rollbacks = [rollback(T + number * SECOND, deployment="D1") for number in range(count)]
        shown = at_once(promoted("D1", T), *rollbacks).deployments["shop", "prod", "D1"]["rollbacks"]
        assert [one["occurred_at"] for one in shown] == [one["occurred_at"] for one in rollbacks[-20:]]

    @pytest.mark.parametrize("count", [99, 100, 101, 105])
    def test_incidents(self, count: int) -> None:
        incidents = [opened(f"i{number}", T + number * SECOND) for number in range(count)]
        records = at_once(promoted("D1", T), *incidents)
        shown = records.deployments["shop", "prod", "D1"]["incidents"]
        assert [one["opened_at"] for one in shown] == [one["occurred_at"] for one in incidents[-100:]]
        assert records.metrics["shop", "prod"]["state"]["incidents_open"] == count

    @pytest.mark.parametrize("count", [2_047, 2_048, 2_049])
    def test_commits(self, count: int) -> None:
        shas = sorted(sha(f"c{number}") for number in range(count))
        commits = [commit(one, T, change="repo#1") for one in shas]
        assert at_once(*commits).changes["shop", "repo#1"]["commits"] == shas[:2_048]

    @pytest.mark.parametrize("count", [2_047, 2_048, 2_049])
    @pytest.mark.parametrize("make", [promoted, started])
    def test_changes_of_a_deployment(self, make: type, count: int) -> None:
        shas = sorted(sha(f"c{number}") for number in range(count))
        deployment = make("D1", T, included=shas)
        records = at_once(*(commit(one, T) for one in shas), deployment)
        assert records.deployments["shop", "prod", "D1"]["changes"] == shas[:2_048]
        assert records.deployments["shop", "prod", "D1"]["included_shas"] == shas

    def test_stages(self) -> None:
        shas = sorted(sha(f"c{number}") for number in range(2_100))
        kinds = ("artifact_built", "policy_passed", "security_scanned", "tests_passed")
        events = [stage(kind, one, T, change_id="repo#1") for one in shas for kind in kinds]  # type: ignore[arg-type]
        shown = at_once(*events).changes["shop", "repo#1"]["stages"]
        ordered = [(kind, one) for kind in kinds for one in shas]
        assert [(one["stage"], one["commit_sha"]) for one in shown] == ordered[: 4 * 2_048]

    @pytest.mark.parametrize("count", [99, 100, 101])
    def test_gates(self, count: int) -> None:
        gates = sorted(f"gate-{number}" for number in range(count))
        event = opened("i1", T)
        event["incident"] = {**told(severity="sev1"), "escaped_gates": gates}
        assert at_once(event).incidents["shop", "i1"]["escaped_gates"] == gates[:100]


class TestMerges:
    """Merges of merges are followed eight deep. Commits that name each other in a circle are one change."""

    @pytest.mark.parametrize("depth", [1, 7, 8, 9, 10])
    @pytest.mark.parametrize("first", [True, False])
    def test_deep(self, depth: int, first: bool) -> None:
        chain = [commit("c0", T, change="repo#1", merge="c1")]
        chain += [commit(f"c{number}", T, merge=f"c{number + 1}") for number in range(1, depth)]
        told_in = chain if first else chain[::-1]
        records = read(*told_in, commit(f"c{depth}", T), promoted("D1", T + HOUR, sha=f"c{depth}"))
        found = records.changes["shop", "repo#1"]["commits"]
        assert (sha(f"c{depth}") in found) == (depth <= 8)

    @pytest.mark.parametrize("depth", [8, 9, 10])
    def test_deep_and_told_when_it_was_known(self, depth: int) -> None:
        chain = [commit(f"c{number}", T, merge=f"c{number + 1}") for number in range(1, depth)]
        read(*chain, promoted("D1", T + HOUR, sha=f"c{depth}"), commit("c0", T + HOUR, change="repo#1", merge="c1"))

    @pytest.mark.parametrize("names", list(permutations("abc")))
    def test_a_circle_and_what_leads_into_it(self, names: tuple[str, str, str]) -> None:
        one, other, tail = names
        events = [
            commit(one, T, merge=other),
            commit(other, T + 1, merge=one),
            commit(other, T + 2, merge=tail),
            commit(tail, T + 3),
            promoted("D1", T + HOUR, sha=tail),
        ]
        records = read(*events)
        whole = min(sha(one), sha(other))
        assert records.changes["shop", whole]["commits"] == sorted(map(sha, names))


class TestEqualTimes:
    """At one instant: what is larger by name is later; an opening stands before a resolution."""

    def test_several_at_once(self) -> None:
        names = ("D1", "D2", "D3", "D4")
        events = [promoted(name, T, sha=f"c{name}", lane="hotfix" if name == "D2" else "normal") for name in names]
        events += [commit(f"c{name}", T - number * MINUTE) for number, name in enumerate(names)]
        events += [event for name in names for event in (opened(name, T), resolved(name, T))]
        moved: EventValue = {**events[1], "occurred_at": T - 1}
        first = [Line(event, T) for event in events]
        ticks = [Line(None, T + days * DAY) for days in (1, 2, 6, 7, 8, 9, 30, 32, 90, 92)]
        follow([*first, Line(moved, T + DAY), *ticks], SETTINGS)
        follow([*first, *ticks[:3], Line(moved, T + 6 * DAY), *ticks[3:]], SETTINGS)


class TestCausesElsewhere:
    """A cause in another service (`cause.service`) is followed there."""

    def test_told_once_and_taken_back_where_it_no_longer_is(self) -> None:
        events = [promoted(name, T, service=service) for service in ("bank", "cart") for name in ("D1", "D2")]
        blamed = [("bank", "D1"), ("bank", "D2"), ("cart", "D2"), ("cart", "D2"), ("cart", None), ("bank", "D1")]
        for number, (service, name) in enumerate(blamed):
            said = cause(service=service, deployment=name)
            events.append(opened("i1", T + number * HOUR, service="shop", cause=said, severity="sev2"))
        events.append(resolved("i1", T + 9 * HOUR, service="shop", severity="sev1"))
        events.append(resolved("i1", T + 10 * HOUR, service="shop", cause=cause(kind="infra")))
        records = read(*events)
        assert [one["verdict"] for one in records.deployments.values()] == ["succeeded"] * 4
        events.append(resolved("i1", T + 11 * HOUR, service="shop", cause=cause(service="bank", deployment="D2")))
        verdicts = {key[::2]: one["verdict"] for key, one in read(*events).deployments.items()}
        assert verdicts["bank", "D2"] == "failed"
        assert sorted(verdicts.values()) == ["failed", "succeeded", "succeeded", "succeeded"]
