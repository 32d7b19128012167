"""Section 4: deployment."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.values import DAY, HOUR, MINUTE, EventValue, Micros
from tests.property.asking import LATER, NOON, SETTINGS, answer
from tests.support.events import commit, promoted, rollback, sha, started
from tests.support.log_replay import Reading, Records, played

offsets = st.integers(0, 6 * HOUR)


class TestKey:
    """`deployment_id` is the rollout's or the pipeline run's id; without one it is the SHA."""

    @given(st.booleans(), st.booleans())
    def test_without_an_id(self, reading: Reading, start_named: bool, promotion_named: bool) -> None:
        ids = [sha("c1") if named else None for named in (start_named, promotion_named)]
        facts = [started(ids[0], NOON, sha="c1"), promoted(ids[1], NOON + HOUR, sha="c1")]
        assert answer(reading, facts)["judged"] == 1


class TestBeginning:
    """It begins with `canary_started`, or with `canary_promoted` if no start is known."""

    @given(offsets, st.booleans())
    def test_a_rollback_of_a_sha_needs_one_begun_by_then(self, reading: Reading, at: Micros, canary: bool) -> None:
        facts = [promoted("D1", NOON + HOUR, sha="c1"), rollback(NOON + at, sha="c1")]
        if canary:
            facts.append(started("D1", NOON, sha="c1"))
        begun = canary or at >= HOUR
        assert answer(reading, facts)["failed"] == int(begun)


class TestFinishing:
    """It **finishes** at the earliest of: `canary_promoted` (100 %), a `rollback_triggered` for it."""

    @given(st.lists(offsets, max_size=3), st.lists(offsets, max_size=3))
    def test_earliest(self, promotions: list[Micros], rollbacks: list[Micros]) -> None:
        facts = [started("D1", NOON)]
        facts += [promoted("D1", NOON + at) for at in promotions]
        facts += [rollback(NOON + at, deployment="D1") for at in rollbacks]
        record = Records.of(played(facts, LATER, SETTINGS)).deployments["shop", "prod", "D1"]
        ends = [NOON + at for at in promotions + rollbacks]
        assert record["finished_at"] == min(ends, default=None)
        assert record["promoted_at"] == min((NOON + at for at in promotions), default=None)


class TestCarrying:
    """It **carries** the changes of its SHA and of its `included_shas` (what `git rev-list last-good..sha` says). With
    no list, only the change of its own SHA.
    """

    @given(st.one_of(st.none(), st.sets(st.sampled_from(("c1", "c2", "c3")))), st.sampled_from(("c1", "c2", "c3")))
    def test_changes(self, reading: Reading, included: set[str] | None, own: str) -> None:
        facts = [commit(label, NOON - HOUR) for label in ("c1", "c2", "c3")]
        facts.append(promoted("D1", NOON, sha=own, included=None if included is None else sorted(included)))
        assert answer(reading, facts)["lead_count"] == len((included or set()) | {own})


class TestFirst:
    """With no list, only the change of its own SHA; the first deployment ever seen of a service never inherits older
    commits.
    """

    @given(st.integers(0, 5))
    def test_older_commits(self, reading: Reading, older: int) -> None:
        facts = [commit(f"c{number}", NOON - number * HOUR) for number in range(older + 1)]
        assert answer(reading, [*facts, promoted("D1", NOON, sha="c0")])["lead_count"] == 1


class TestSuperseded:
    """A started deployment that never finishes is **superseded** once a newer one of the same service and env begins,
    and hands its changes on to the next one that is promoted; if none begins it is **abandoned** after
    `canary_timeout`.
    """

    @given(st.lists(st.booleans(), min_size=1, max_size=5))
    def test_every_unfinished_one_but_the_last(self, reading: Reading, finished: list[bool]) -> None:
        facts: list[EventValue] = []
        for number, done in enumerate(finished):
            label, at = f"c{number}", NOON + number * HOUR
            facts += [commit(label, at - HOUR), started(f"D{number}", at, sha=label)]
            if done:
                facts.append(promoted(f"D{number}", at + MINUTE, sha=label))
        found = answer(reading, facts)
        arrived = max((number + 1 for number, done in enumerate(finished) if done), default=0)
        assert found["superseded"] == finished[:-1].count(False)
        assert found["abandoned"] == int(not finished[-1])
        assert found["judged"] == finished.count(True)
        assert found["lead_count"] == arrived

    @given(st.sampled_from((-1, 0, 1)))
    def test_abandoned_after_the_timeout(self, reading: Reading, beside: Micros) -> None:
        found = answer(reading, [started("D1", NOON)], NOON + SETTINGS.canary_timeout + beside)
        assert (found["pending"], found["abandoned"]) == ((0, 1) if beside > 0 else (1, 0))

    @given(st.integers(0, 3 * DAY))
    def test_neither_is_counted(self, reading: Reading, wait: Micros) -> None:
        """Neither is counted as a deployment; both are published as counts."""
        found = answer(reading, [started("D1", NOON), started("D2", NOON + HOUR)], NOON + HOUR + wait)
        assert (found["judged"], found["deployments_total"], found["ratio"]) == (0, 0, None)
        assert (found["superseded"], found["abandoned"]) == (1, int(wait > SETTINGS.canary_timeout))
