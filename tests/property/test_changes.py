"""Section 3: change, and section 7: lead time."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.values import DAY, HOUR, MINUTE, SECOND, EventValue, Micros
from tests.property.asking import LATER, NOON, SETTINGS, WINDOW, answer
from tests.support.events import commit, promoted, rollback, sha, started
from tests.support.histories import clocks, histories
from tests.support.log_replay import Reading, Records, facts_of, played
from tests.support.oracle import quantile

times = st.integers(NOON - 12 * HOUR, NOON)


class TestFirstCommit:
    """A change's **first commit** is the smallest `occurred_at` of its `commit_created` events (committer time)."""

    @given(st.lists(st.tuples(st.sampled_from(("c1", "c2", "c3")), times), min_size=1, max_size=8))
    def test_of_a_request(self, reading: Reading, reports: list[tuple[str, Micros]]) -> None:
        reported = [commit(label, at, change="repo#1") for label, at in reports]
        found = answer(reading, [*reported, promoted("D1", NOON, sha=reports[-1][0])])
        assert found["lead_count"] == 1
        assert found["lead_p50"] == (NOON - min(at for _, at in reports)) / SECOND


class TestOneChangePerCommit:
    """If a SHA is reported both alone and under a request, the request wins, and every report of it counts for the
    first commit.
    """

    @given(times, times, times)
    def test_alone_and_under_a_request(self, reading: Reading, alone: Micros, under: Micros, other: Micros) -> None:
        facts = [
            commit("c1", alone),
            commit("c1", under, change="repo#1"),
            commit("c2", other, change="repo#1"),
            promoted("D1", NOON, sha="c1", included=["c1", "c2"]),
        ]
        found = answer(reading, facts)
        assert found["lead_count"] == 1
        assert found["lead_p50"] == (NOON - min(alone, under, other)) / SECOND


class TestKey:
    """Key `(service, change_id)`; `change_id` is the pull/merge request (`repo#123`) or, without one, the commit's
    SHA.
    """

    @given(times, times)
    def test_a_report_under_its_own_sha_names_no_request(self, alone: Micros, under: Micros) -> None:
        facts = [
            commit("c1", alone, change=sha("c1")),
            commit("c1", under, change="repo#1"),
            promoted("D1", NOON, sha="c1"),
        ]
        changes = Records.of(played(facts, LATER, SETTINGS)).changes
        assert [key for key, change in changes.items() if change["promotions"]] == [("shop", "repo#1")]


class TestMergeCommits:
    """A squash or merge commit joins by `merge_sha` on a commit of the request."""

    @given(times, times, st.booleans())
    def test_joins(self, reading: Reading, at: Micros, merged_at: Micros, reported: bool) -> None:
        facts = [commit("c1", at, change="repo#1", merge="m1"), promoted("D1", NOON, sha="m1")]
        if reported:
            facts.append(commit("m1", merged_at))
        found = answer(reading, facts)
        assert found["lead_count"] == 1
        assert found["lead_p50"] == (NOON - (min(at, merged_at) if reported else at)) / SECOND

    @given(st.permutations(range(10)))
    def test_a_long_chain_in_any_order(self, order: list[int]) -> None:
        """It is followed so far and no farther. A short cut may bring its end within reach, or out of it."""
        chain = [commit(f"c{number}", NOON - HOUR - number, merge=f"c{number + 1}") for number in range(9)]
        reports = [*chain, commit("c0", NOON - DAY, merge="c2")]
        told, shuffled = (
            facts_of(Records.of(played([*events, promoted("D1", NOON, sha="c9")], LATER, SETTINGS)))
            for events in (reports, [reports[number] for number in order])
        )
        assert shuffled == told


class TestLeadTime:
    """Of a change to an env: the earliest promotion to 100 % of a deployment that carries it, minus its first
    commit.
    """

    @given(st.lists(st.integers(0, 2 * DAY), min_size=1, max_size=5))
    def test_the_earliest(self, reading: Reading, spans: list[Micros]) -> None:
        promotions = [promoted(f"D{number}", NOON + span, sha="c1") for number, span in enumerate(spans)]
        found = answer(reading, [commit("c1", NOON), *promotions])
        assert (found["lead_count"], found["lead_p50"]) == (1, min(spans) / SECOND)


class TestObservedOnce:
    """One observation per change and env, once, when both ends are known and the clock is L past the promotion and
    `known_at`.
    """

    @given(st.integers(0, DAY), st.integers(0, DAY))
    def test_not_before(self, reading: Reading, span: Micros, wait: Micros) -> None:
        facts = [commit("c1", NOON), promoted("D1", NOON + span, sha="c1")]
        found = answer(reading, facts, NOON + span + wait)
        assert found["lead_count"] == (1 if wait >= SETTINGS.lateness else 0)

    @given(histories, clocks)
    def test_the_histogram_holds_every_observation(self, history: list[EventValue], at: Micros) -> None:
        records = Records.of(played(history, at, SETTINGS))
        observed = [
            (key[0], one["env"], one["lead_time"])
            for key, change in records.changes.items()
            for one in change["promotions"]
            if one["observed"]
        ]
        for (service, env), metrics in records.metrics.items():
            ours = [lead for of_service, of_env, lead in observed if (of_service, of_env) == (service, env)]
            histogram = metrics["counters"]["lead_time"]
            assert sum(histogram["counts"]) == len(ours)
            assert histogram["sum"] == sum(ours)


class TestNothingIsDroppedUnseen:
    """A promotion whose commits are unknown is counted in `delivery_deployments_without_commits_total`. A negative span
    (skewed clocks) is counted in `delivery_clock_skew_total` and not observed. Nothing is dropped unseen.
    """

    @given(st.booleans(), st.booleans())
    def test_without_commits(self, has_sha: bool, has_commit: bool) -> None:
        facts = [promoted("D1", NOON, sha="c1" if has_sha else None), *([commit("c1", NOON)] if has_commit else [])]
        counters = Records.of(played(facts, LATER, SETTINGS)).metrics["shop", "prod"]["counters"]
        assert counters["deployments_without_commits"] == (0 if has_sha and has_commit else 1)

    @given(st.integers(-3 * HOUR, 3 * HOUR))
    def test_skew(self, span: Micros) -> None:
        facts = [commit("c1", NOON), promoted("D1", NOON + span, sha="c1")]
        metrics = Records.of(played(facts, LATER, SETTINGS)).metrics["shop", "prod"]
        assert metrics["counters"]["clock_skew"] == (1 if span < 0 else 0)
        assert sum(metrics["counters"]["lead_time"]["counts"]) == (0 if span < 0 else 1)
        assert next(one for one in metrics["windows"] if one["window"] == WINDOW)["lead_count"] == (
            0 if span < 0 else 1
        )


class TestQuantiles:
    """Window W at T: promotions in `(T - L - W, T - L]`. Quantiles are exact order statistics (linear interpolation,
    type 7).
    """

    @given(st.lists(st.integers(0, 30 * DAY), min_size=2, max_size=30))
    def test_second_reading_against_the_standard_library(self, lengths: list[Micros]) -> None:
        deciles = statistics.quantiles(lengths, n=10, method="inclusive")
        assert quantile(lengths, 0.5) == pytest.approx(deciles[4] / SECOND)
        assert quantile(lengths, 0.9) == pytest.approx(deciles[8] / SECOND)

    @given(st.lists(st.integers(0, 2 * DAY), min_size=1, max_size=12))
    def test_exact(self, reading: Reading, leads: list[Micros]) -> None:
        facts = [commit(f"c{number}", NOON) for number in range(len(leads))]
        facts += [promoted(f"D{number}", NOON + lead, sha=f"c{number}") for number, lead in enumerate(leads)]
        found = answer(reading, facts)
        assert found["lead_count"] == len(leads)
        assert found["lead_p50"] == pytest.approx(quantile(leads, 0.5))
        assert found["lead_p90"] == pytest.approx(quantile(leads, 0.9))

    @given(st.sampled_from((-1, 0, 1)), st.sampled_from(("begin", "end")))
    def test_the_end_belongs_to_the_window_and_the_beginning_does_not(
        self, reading: Reading, beside: Micros, edge: str
    ) -> None:
        at = NOON + SETTINGS.lateness + (WINDOW if edge == "begin" else 0)
        found = answer(reading, [commit("c1", NOON - HOUR), promoted("D1", NOON + beside, sha="c1")], at)
        assert found["lead_count"] == int(beside > 0 if edge == "begin" else beside <= 0)


class TestRolledBackHandsNothingOn:
    """A rolled-back one hands nothing on: whether its changes are in the next is for that one's `included_shas` to
    say.
    """

    @given(st.booleans())
    def test_included(self, reading: Reading, included: bool) -> None:
        facts = [
            commit("c1", NOON - HOUR),
            commit("c2", NOON - HOUR),
            rollback(NOON + MINUTE, sha="c1"),
            started("D1", NOON, sha="c1"),
            promoted("D2", NOON + HOUR, sha="c2", included=["c1", "c2"] if included else None),
        ]
        assert answer(reading, facts)["lead_count"] == (2 if included else 1)
