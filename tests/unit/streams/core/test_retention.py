"""When records are closed, to the microsecond (semantics.md, 12: "Closed records"; design.md)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import pytest

from schemas.values import DAY, HOUR, MINUTE, EventValue, Micros
from streams.core.facts import owner_of
from streams.core.partition_state import PartitionState
from streams.core.record_key import RecordKey, change_key, incident_key
from streams.core.settings import MetricSettings
from tests.support.events import DAY_1, cause, commit, opened, promoted, resolved, rollback, sha, stage, started

RULES: Final = MetricSettings(
    windows=(3 * HOUR, 50 * HOUR, 7 * HOUR),
    failure_window=11 * HOUR,
    lateness=13 * MINUTE,
    canary_timeout=17 * HOUR,
    retention_period=1,
    undelivered_for=400 * DAY,
)
"""Each length another, and records are closed as soon as they may be."""
X_AND_L: Final[Micros] = 11 * HOUR + 13 * MINUTE
AGE: Final[Micros] = 50 * HOUR + 17 * HOUR + X_AND_L
"""The longest window + X + L + `canary_timeout`."""
T: Final[Micros] = DAY_1
FAR: Final[Micros] = 500 * DAY
Told = Iterable[tuple[EventValue, Micros]]


def told(*events: EventValue) -> list[tuple[EventValue, Micros]]:
    """Each was read when it happened."""
    return sorted(((event, event["occurred_at"]) for event in events), key=lambda one: one[1])


def closed(lines: Told, clock: Micros, rules: MetricSettings = RULES) -> set[str]:
    """The records that are closed once a tick has come at this clock."""
    partition_state, keys = PartitionState(0, rules), set[RecordKey]()
    offset = 0
    for offset, (event, append_time) in enumerate(lines, 1):
        assert partition_state.read(event, append_time, offset) is None
        keys.add(owner_of(event))
    partition_state.read(None, clock, offset + 1)
    return {str(key) for key in keys if key in partition_state.services["shop"].closed}


def check(lines: Told, last: Micros, keys: Iterable[str], rules: MetricSettings = RULES) -> None:
    """These are closed right after this moment, and none of them at it."""
    lines = list(lines)
    assert closed(lines, last, rules).isdisjoint(keys)
    assert closed(lines, last + 1, rules) >= {*keys}


RESTORED: Final = told(opened("i1", T), resolved("i1", T + HOUR))


class TestAge:
    """What is older than the longest window + X + L + `canary_timeout` is closed."""

    def test_to_the_microsecond(self) -> None:
        check(RESTORED, T + HOUR + AGE, ["i/i1"])

    @pytest.mark.parametrize("term", ["failure_window", "lateness", "canary_timeout"])
    def test_each_term(self, term: str) -> None:
        longer = {term: getattr(RULES, term) + 1}
        check(RESTORED, T + HOUR + AGE + 1, ["i/i1"], replace(RULES, **longer))

    @pytest.mark.parametrize(("windows", "more"), [((50 * HOUR + 1, HOUR), 1), ((HOUR, 50 * HOUR), 0)])
    def test_the_longest_window(self, windows: tuple[Micros, ...], more: Micros) -> None:
        check(RESTORED, T + HOUR + AGE + more, ["i/i1"], replace(RULES, windows=windows))

    def test_any_of_its_events(self) -> None:
        """Also one that does not count, and one that another content of its event has beaten."""
        late = resolved("i1", T + 5 * HOUR)
        check([*RESTORED, *told(late)], T + 5 * HOUR + AGE, ["i/i1"])
        check([*RESTORED, *told({**late, "lane": "rehearsal"})], T + 5 * HOUR + AGE, ["i/i1"])
        overruled: EventValue = {**RESTORED[0][0], "occurred_at": T + 6 * HOUR}
        check([*RESTORED, *told(overruled)], T + 6 * HOUR + AGE, ["i/i1"])

    def test_an_incident_ends_when_all_is_well(self) -> None:
        lines = told(opened("i1", T), resolved("i1", T + HOUR, slo_met=T + 3 * HOUR))
        check(lines, T + 3 * HOUR + AGE, ["i/i1"])


class TestKnown:
    """What arrives late is closed no sooner than X and L after it was read."""

    def test_to_the_microsecond(self) -> None:
        read_at = T + AGE
        lines = [(event, read_at) for event, _ in RESTORED]
        check(lines, read_at + X_AND_L, ["i/i1"])

    @pytest.mark.parametrize("term", ["failure_window", "lateness"])
    def test_each_term(self, term: str) -> None:
        read_at = T + 2 * AGE
        lines = [(event, read_at) for event, _ in RESTORED]
        longer = {term: getattr(RULES, term) + 1}
        check(lines, read_at + X_AND_L + 1, ["i/i1"], replace(RULES, **longer))


class TestPeriod:
    """Records are closed once a week by the partition's clock, at whole weeks."""

    def test_at_the_first_message_of_a_period(self) -> None:
        period = 7 * DAY
        first = (T // period + 1) * period
        partition_state = PartitionState(0, replace(RULES, retention_period=period))
        clocks = [*(at for _, at in RESTORED), first, first + period - 1, first + period]
        events = [*(event for event, _ in RESTORED), None, None, None]
        found = []
        for offset, (event, clock) in enumerate(zip(events, clocks, strict=True)):
            partition_state.read(event, clock, offset)
            found.append(len(partition_state.services["shop"].closed))
        assert first < T + HOUR + AGE < first + period
        assert found == [0, 0, 0, 0, 1]

    def test_again_and_again(self) -> None:
        partition_state = PartitionState(0, replace(RULES, retention_period=7 * DAY))
        for week in range(6):
            at = T // (7 * DAY) * 7 * DAY + week * 7 * DAY
            partition_state.read(opened(f"i{week}", at), at, 2 * week)
            partition_state.read(resolved(f"i{week}", at + HOUR), at + HOUR, 2 * week + 1)
            assert len(partition_state.services["shop"].closed) == week

    @pytest.mark.parametrize("name", ["i1", "i2"])
    def test_an_event_of_a_closed_record_is_refused(self, name: str) -> None:
        partition_state = PartitionState(0, RULES)
        for offset, (event, append_time) in enumerate(RESTORED):
            partition_state.read(event, append_time, offset)
        partition_state.read(None, T + HOUR + AGE + 1, 2)
        refused = partition_state.read(opened(name, T + AGE), T + HOUR + AGE + 1, 3)
        assert refused == ("record_closed" if name == "i1" else None)


class TestIncidents:
    """A record is closed when it is settled, together with everything that it is joined with."""

    def test_one_that_is_open_never_is(self) -> None:
        assert closed(told(opened("i1", T)), T + FAR) == set()
        assert closed(told(opened("i1", T), resolved("i1", T + 1), opened("i1", T + 2)), T + FAR) == set()

    def test_one_of_which_only_the_end_is_known(self) -> None:
        check(told(resolved("i1", T)), T + AGE, ["i/i1"])

    def test_one_that_is_put_on_a_deployment_goes_with_it(self) -> None:
        lines = told(promoted("D1", T), opened("i1", T + HOUR), resolved("i1", T + 2 * HOUR))
        assert closed(lines, T + FAR) == set()
        check([*lines, *told(promoted("D2", T + DAY))], T + DAY + AGE, ["i/i1", "d/prod/D1"])

    def test_one_whose_cause_is_elsewhere_waits_for_nothing(self) -> None:
        lines = told(opened("i1", T, cause=cause(service="bank", deployment="D1")), resolved("i1", T))
        check(lines, T + AGE, ["i/i1"])

    def test_two_that_share_an_event_id_go_together(self) -> None:
        one = told(opened("i1", T, id_label="x"), resolved("i1", T))
        other = told(opened("i2", T + HOUR, id_label="x"), resolved("i2", T + 2 * HOUR))
        check([*one, *other], T + 2 * HOUR + AGE, ["i/i1", "i/i2"])


class TestDeployments:
    """The deployments of an environment are closed from the oldest on and the newest of them never."""

    def test_not_before_the_next_one_is_old(self) -> None:
        check(told(promoted("D1", T), promoted("D2", T + DAY)), T + DAY + AGE, ["d/prod/D1"])

    def test_the_newest_never(self) -> None:
        lines = told(promoted("D1", T), promoted("D2", T + DAY))
        assert closed(lines, T + FAR) == {"d/prod/D1"}

    def test_each_environment_for_itself(self) -> None:
        lines = told(promoted("D1", T), promoted("D2", T + DAY), promoted("D1", T, env="staging"))
        assert closed(lines, T + FAR) == {"d/prod/D1"}

    def test_none_behind_one_that_stays(self) -> None:
        lines = told(promoted("D1", T), opened("i1", T + HOUR), promoted("D2", T + DAY), promoted("D3", T + 2 * DAY))
        assert closed(lines, T + FAR) == set()
        assert closed([*lines, *told(resolved("i1", T + 2 * HOUR))], T + FAR) == {"d/prod/D1", "d/prod/D2", "i/i1"}

    def test_one_with_its_rollbacks(self) -> None:
        back = rollback(T + 2 * DAY, deployment="D1")
        lines = told(promoted("D1", T), back, promoted("D2", T + HOUR))
        check(lines, T + 2 * DAY + AGE, ["d/prod/D1", owner_of(back)])

    def test_a_rollback_without_its_deployment(self) -> None:
        back = rollback(T, deployment="D9")
        check(told(back), T + AGE, [owner_of(back)])

    def test_a_superseded_one_goes_with_its_heir(self) -> None:
        lines = told(started("D1", T), started("D2", T + HOUR))
        assert closed(lines, T + FAR) == set()
        lines = told(started("D1", T), promoted("D2", T + HOUR))
        assert closed(lines, T + FAR) == set()
        lines = [*lines, *told(promoted("D3", T + DAY))]
        check(lines, T + DAY + AGE, ["d/prod/D1", "d/prod/D2"])

    def test_a_rehearsed_one_for_itself(self) -> None:
        check(told(promoted("D1", T, lane="rehearsal")), T + AGE, ["d/prod/D1"])


class TestChanges:
    """A change is closed with what it is joined with; one that was never promoted is kept for 400 days."""

    def test_with_the_deployment_that_carries_it(self) -> None:
        lines = told(commit("c1", T), promoted("D1", T + HOUR, sha="c1"))
        assert closed(lines, T + FAR) == set()
        keys = [change_key(sha("c1")), "d/prod/D1"]
        check([*lines, *told(promoted("D2", T + DAY))], T + DAY + AGE, keys)

    def test_not_before_all_of_its_stages_are_old(self) -> None:
        lines = told(commit("c1", T), promoted("D1", T + HOUR, sha="c1"), promoted("D2", T + 2 * HOUR))
        late = stage("tests_passed", "c1", T + DAY)
        check([*lines, *told(late)], T + DAY + AGE, [change_key(sha("c1")), "d/prod/D1"])

    def test_under_all_the_names_of_its_commits(self) -> None:
        lines = told(
            commit("c1", T),
            commit("c1", T + DAY, change="repo#1"),
            promoted("D1", T + HOUR, sha="c1"),
            promoted("D2", T + 2 * HOUR),
        )
        check(lines, T + DAY + AGE, ["c/repo#1", change_key(sha("c1")), "d/prod/D1"])

    def test_a_deployment_that_only_began_with_it_keeps_it(self) -> None:
        lines = told(commit("c1", T), started("D1", T + HOUR, sha="c1"))
        assert closed(lines, T + FAR) == set()

    def test_never_promoted(self) -> None:
        check(told(commit("c1", T)), T + 400 * DAY, [change_key(sha("c1"))])
        check([(commit("c1", T), T + HOUR)], T + HOUR + 400 * DAY, [change_key(sha("c1"))])

    @pytest.mark.parametrize("short", [0, X_AND_L, X_AND_L - 1])
    def test_never_promoted_but_read_late(self, short: Micros) -> None:
        """However short that is, no sooner than another record."""
        rules = replace(RULES, undelivered_for=short)
        check([(commit("c1", T), T + 2 * AGE)], T + 2 * AGE + X_AND_L, [change_key(sha("c1"))], rules)


class TestWhatStays:
    """What closed records were counted for stays, also in what is restored."""

    def test_the_latest_rehearsal(self) -> None:
        partition_state, stored = PartitionState(0, RULES), {}
        lines = told(*(rollback(T + hours * HOUR, lane="rehearsal") for hours in (0, 2, 1)))
        for offset, (event, append_time) in enumerate(lines):
            partition_state.read(event, append_time, offset)
        partition_state.read(None, T + 3 * HOUR + AGE, 3)
        assert not list(partition_state.services["shop"].records())
        stored = dict(partition_state.collect().rows)
        again = PartitionState(0, RULES)
        again.restore([(key, row) for key, row in stored.items() if row is not None])
        for one in (partition_state, again):
            one.read(opened("i1", T + HOUR, env="prod"), T + 3 * HOUR + AGE, 4)
            [metrics] = one.collect().metrics
            assert metrics["state"]["rehearsed_at"] == T + 2 * HOUR

    def test_names_are_found_among_many(self) -> None:
        lines = told(*(resolved(f"i{number}", T + number) for number in range(40)))
        assert closed(lines, T + 19 + AGE + 1) == {incident_key(f"i{number}") for number in range(20)}
