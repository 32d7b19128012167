"""Section 8: recovery time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.values import HOUR, MINUTE, SECOND, EventValue, Micros
from tests.property.asking import LATER, NOON, SETTINGS, WINDOW, answer
from tests.support.events import opened, promoted, resolved
from tests.support.histories import clocks, histories
from tests.support.log_replay import Reading, Records, played

minutes = st.integers(1, 200)


class TestPeriods:
    """An incident is open in periods: opened to resolved, and again when the same id is opened anew."""

    @given(st.lists(st.tuples(minutes, minutes), min_size=1, max_size=5), st.booleans())
    def test_sum(self, reading: Reading, lengths: list[tuple[int, int]], reopened: bool) -> None:
        """**Time to restore** is the sum of its open periods; while it is open there is no value."""
        facts: list[EventValue] = []
        now = NOON
        for length, pause in lengths:
            facts += [opened("i1", now), resolved("i1", now + length * MINUTE)]
            now += (length + pause) * MINUTE
        if reopened:
            facts.append(opened("i1", now))
        found = answer(reading, facts)
        assert found["open"] == int(reopened)
        assert found["restore_count"] == int(not reopened)
        assert found["restore_mean"] == (None if reopened else 60.0 * sum(length for length, _ in lengths))


class TestEnd:
    """A period ends when the service meets its SLO **and** the alert is clear: the latest of `occurred_at` of
    `incident_resolved`, `slo_met_at`, `alert_cleared_at`.
    """

    @given(minutes, st.one_of(st.none(), minutes), st.one_of(st.none(), minutes))
    def test_latest(self, reading: Reading, done: int, met: int | None, clear: int | None) -> None:
        end = resolved(
            "i1",
            NOON + done * MINUTE,
            slo_met=None if met is None else NOON + met * MINUTE,
            alert_cleared=None if clear is None else NOON + clear * MINUTE,
        )
        found = answer(reading, [opened("i1", NOON), end])
        assert found["restore_mean"] == 60.0 * max(done, met or 0, clear or 0)

    @given(minutes, minutes, minutes)
    def test_reopened_before_it_had_ended(self, reading: Reading, met: int, pause: int, length: int) -> None:
        facts = [
            opened("i1", NOON),
            resolved("i1", NOON + MINUTE, slo_met=NOON + met * MINUTE),
            opened("i1", NOON + (1 + pause) * MINUTE),
            resolved("i1", NOON + (1 + pause + length) * MINUTE),
        ]
        first, begin, end = max(1, met), 1 + pause, 1 + pause + length
        both = first + length if begin > first else max(first, end)
        assert answer(reading, facts)["restore_mean"] == 60.0 * both


class TestObservation:
    """Observed when the clock is L past the last end and `known_at`."""

    @given(st.sampled_from((-1, 0, 1)), st.sampled_from(("begin", "end")))
    def test_the_end_belongs_to_the_window_and_the_beginning_does_not(
        self, reading: Reading, beside: Micros, edge: str
    ) -> None:
        """Window W at T: by the last end, in `(T - L - W, T - L]`."""
        at = NOON + SETTINGS.lateness + (WINDOW if edge == "begin" else 0)
        found = answer(reading, [opened("i1", NOON - HOUR), resolved("i1", NOON + beside)], at)
        assert found["restore_count"] == int(beside > 0 if edge == "begin" else beside <= 0)

    @given(histories, clocks)
    def test_the_histogram_holds_every_observation(self, history: list[EventValue], at: Micros) -> None:
        records = Records.of(played(history, at, SETTINGS))
        for key, metrics in records.metrics.items():
            ours = [
                one["time_to_restore"]
                for one in records.incidents.values()
                if (one["service"], one["env"]) == key and one["observed"] and one["time_to_restore"] is not None
            ]
            assert sum(metrics["counters"]["restore"]["counts"]) == len(ours)
            assert metrics["counters"]["restore"]["sum"] == sum(ours)


class TestDeploymentRecovery:
    """Failed-deployment recovery time is the same for attributed incidents only."""

    @given(st.lists(st.tuples(minutes, st.booleans()), min_size=1, max_size=4))
    def test_attributed_only(self, restored: list[tuple[int, bool]]) -> None:
        facts = [promoted("D1", NOON)]
        for number, (length, ours) in enumerate(restored):
            facts.append(opened(f"i{number}", NOON + HOUR, deployment="D1" if ours else "D9"))
            facts.append(resolved(f"i{number}", NOON + HOUR + length * MINUTE))
        metrics = Records.of(played(facts, LATER, SETTINGS)).metrics["shop", "prod"]
        found = next(one for one in metrics["windows"] if one["window"] == WINDOW)
        lengths = [length * MINUTE / SECOND for length, ours in restored if ours]
        assert (found["restore_count"], found["recovery_count"]) == (len(restored), len(lengths))
        mean = sum(lengths) / len(lengths) if lengths else None
        assert found["recovery_mean"] == (None if mean is None else pytest.approx(mean))


class TestRehearsedIncidents:
    """Rehearsals and tests never count."""

    @given(st.sampled_from(("rehearsal", "synthetic")), minutes)
    def test_never(self, reading: Reading, lane: str, length: int) -> None:
        facts = [
            promoted("D1", NOON),
            opened("i1", NOON + HOUR, lane=lane),
            resolved("i1", NOON + HOUR + length * MINUTE, lane=lane),
        ]
        found = answer(reading, facts)
        assert (found["failed"], found["open"], found["restore_count"], found["attribution"]) == (0, 0, 0, {})
