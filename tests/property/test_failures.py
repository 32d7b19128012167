"""Section 5: failure and attribution."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.values import HOUR, EventValue, LaneName, Micros
from tests.property.asking import LATER, NOON, SETTINGS, answer, everywhere, spans
from tests.support.events import cause, opened, promoted, resolved, rollback, started
from tests.support.histories import clocks, histories
from tests.support.log_replay import Reading, Records, played

X = SETTINGS.failure_window
lanes: st.SearchStrategy[LaneName] = st.sampled_from(("normal", "hotfix", "rehearsal", "synthetic"))


class TestRollback:
    """A `rollback_triggered` is for it, automatic or manual, unless its lane is `rehearsal`."""

    @given(spans, lanes, st.sampled_from(("id", "sha", "none")))
    def test_in_time(self, reading: Reading, span: Micros, lane: LaneName, by: str) -> None:
        facts = [
            promoted("D1", NOON, sha="c1"),
            rollback(
                NOON + span, deployment="D1" if by == "id" else None, sha="c1" if by == "sha" else None, lane=lane
            ),
        ]
        failed = span <= X and lane in {"normal", "hotfix"}
        found = answer(reading, facts)
        assert (found["judged"], found["failed"]) == (1, int(failed))
        assert found["reasons"] == ({"rollback": 1} if failed else {})


class TestNaming:
    """It names its deployment by id; else by the SHA rolled back from (the latest deployment of it begun by then); else
    it is for the one in force.
    """

    @given(st.sampled_from(("id", "sha", "none")), st.integers(0, 4))
    def test_the_one_that_is_meant(self, by: str, hours: int) -> None:
        facts = [promoted(f"D{n}", NOON + n * HOUR, sha=f"c{n % 2}") for n in range(4)]
        wrong = rollback(
            NOON + hours * HOUR, deployment="D0" if by == "id" else None, sha="c0" if by == "sha" else None
        )
        records = Records.of(played([*facts, wrong], LATER, SETTINGS))
        meant = 0 if by == "id" else max(n for n in range(4) if n <= hours and (by == "none" or n % 2 == 0))
        failed = [key[2] for key, one in records.deployments.items() if one["verdict"] == "failed"]
        assert failed == [f"D{meant}"]


class TestUnknownName:
    """A name that is unknown waits for its deployment and hits no other."""

    @given(st.booleans(), st.booleans())
    def test_rollback(self, reading: Reading, known: bool, first: bool) -> None:
        facts = [promoted("D1", NOON), rollback(NOON + HOUR, deployment="D2")]
        if known:
            facts.insert(0 if first else 2, started("D2", NOON - HOUR))
        found = answer(reading, facts)
        assert found["failed"] == int(known)
        assert found["reasons"] == ({"canary_rollback": 1} if known else {})

    @given(st.sampled_from(("deployment", "sha")), st.booleans())
    def test_incident(self, reading: Reading, by: str, known: bool) -> None:
        incident = opened("i1", NOON, **{by: "named"})  # type: ignore[arg-type]  # one of two names
        facts = [promoted("D1", NOON - HOUR, sha="c1"), incident]
        if known:
            facts.append(promoted("named", NOON - 2 * HOUR, sha="named"))
        found = answer(reading, facts)
        rule = "explicit" if by == "deployment" else "sha"
        assert found["attribution"]["i1"] == (["named", rule] if known else [None, "none"])
        assert (found["failed"], found["unattributed"]) == ((1, 0) if known else (0, 1))


class TestIncidentInTime:
    """An incident of a failing severity in the same env is **attributed** to it and opened after it started."""

    @given(st.integers(-HOUR, 2 * X), st.sampled_from(("sev1", "sev2", "sev3", None)), st.booleans())
    def test_in_time(self, reading: Reading, span: Micros, severity: str | None, explicit: bool) -> None:
        incident = opened("i1", NOON + span, severity=severity, deployment="D1" if explicit else None)
        found = answer(reading, [promoted("D1", NOON), incident])
        in_time = 0 <= span <= X
        assert found["failed"] == int(in_time and severity in SETTINGS.failing_severities)
        assert found["attribution"]["i1"] == (
            ["D1", "explicit"] if explicit else ["D1", "in_force"] if in_time else [None, "none"]
        )

    @given(histories, clocks)
    def test_in_the_same_env(self, reading: Reading, history: list[EventValue], at: Micros) -> None:
        elsewhere = opened("i9", NOON, env="elsewhere")
        before = everywhere(reading, history, at)
        after = everywhere(reading, [*history, elsewhere], at)
        after.pop("shop/elsewhere", None)
        assert after == before


class TestLateFailure:
    """A later one is recorded, published as `late_failure`, and does not change the verdict."""

    @given(spans, st.booleans())
    def test_recorded(self, span: Micros, by_rollback: bool) -> None:
        late = rollback(NOON + span, deployment="D1") if by_rollback else opened("i1", NOON + span, deployment="D1")
        record = Records.of(played([promoted("D1", NOON), late], LATER, SETTINGS)).deployments["shop", "prod", "D1"]
        assert record["late_failure"] == (span > X)
        assert record["verdict"] == ("succeeded" if span > X else "failed")


class TestReason:
    """The reason is one of `canary_rollback` (before 100 %), `rollback` (after), `incident`; the first by event time
    wins (then by name).
    """

    @given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=4), st.integers(0, 4))
    def test_first(self, reading: Reading, wrongs: list[tuple[int, bool]], hours: int) -> None:
        promoted_at = NOON + hours * HOUR
        facts = [started("D1", NOON), promoted("D1", promoted_at)]
        named: list[tuple[Micros, str]] = []
        for number, (hour, by_rollback) in enumerate(wrongs):
            at = NOON + hour * HOUR
            if by_rollback:
                facts.append(rollback(at, deployment="D1"))
                named.append((at, "canary_rollback" if at < promoted_at else "rollback"))
            else:
                facts.append(opened(f"i{number}", at, deployment="D1"))
                named.append((at, "incident"))
        assert answer(reading, facts)["reasons"] == {min(named)[1]: 1}


class TestWorstSeverity:
    """An incident's severity is the worst ever reported for it."""

    @given(st.lists(st.sampled_from(("sev1", "sev2", "sev3", "sev4", "sev5", None)), min_size=1, max_size=4))
    def test_worst(self, reading: Reading, severities: list[str | None]) -> None:
        facts = [promoted("D1", NOON), opened("i1", NOON + HOUR, severity=severities[0])]
        facts += [resolved("i1", NOON + 2 * HOUR + n, severity=told) for n, told in enumerate(severities[1:])]
        failing = any(severity in SETTINGS.failing_severities for severity in severities)
        assert answer(reading, facts)["failed"] == int(failing)


class TestExplicit:
    """`explicit`: a `cause` set when it was resolved or reviewed (the last by event time), else the `deployment_id` it
    names. A cause of kind `infra` or `external` says that no deployment did it.
    """

    @given(st.lists(st.sampled_from(("D1", "D2", "infra", "external", "nothing")), min_size=1, max_size=4))
    def test_the_last_cause(self, reading: Reading, reviews: list[str]) -> None:
        facts = [promoted("D1", NOON), promoted("D2", NOON), opened("i1", NOON + HOUR, deployment="D1")]
        for number, review in enumerate(reviews):
            said = {
                "infra": cause(kind="infra"),
                "external": cause(kind="external", deployment="D1"),
                "nothing": cause(kind="unknown"),
            }.get(review, cause(deployment=review))
            facts.append(resolved("i1", NOON + 2 * HOUR + number, cause=said))
        deciding = [review for review in reviews if review != "nothing"]
        last = deciding[-1] if deciding else "D1"
        found = answer(reading, facts)
        assert found["attribution"]["i1"] == [last if last in {"D1", "D2"} else None, "explicit"]
        assert (found["failed"], found["unattributed"]) == (int(last in {"D1", "D2"}), 0)

    @given(st.integers(-HOUR, HOUR))
    def test_one_that_began_later(self, reading: Reading, span: Micros) -> None:
        """An explicit link to a deployment that began after the incident opened is kept as the link, but is no failure
        of it.
        """
        found = answer(reading, [promoted("D1", NOON + span), opened("i1", NOON, deployment="D1")])
        assert found["attribution"]["i1"] == ["D1", "explicit"]
        assert found["failed"] == int(span <= 0)


class TestSha:
    """`sha`: a SHA it names; the latest deployment of that SHA in that service and env begun at or before it opened."""

    @given(st.integers(0, 6), st.booleans())
    def test_latest_of_it(self, reading: Reading, hours: int, elsewhere: bool) -> None:
        facts = [promoted(f"D{n}", NOON + n * HOUR, sha=f"c{n % 2}") for n in range(1, 5)]
        if elsewhere:
            facts.append(promoted("D6", NOON, sha="c0", env="staging"))
        found = answer(reading, [*facts, opened("i1", NOON + hours * HOUR, sha="c0")])
        begun = [n for n in (2, 4) if n <= hours]
        assert found["attribution"]["i1"] == ([f"D{max(begun)}", "sha"] if begun else [None, "none"])


class TestUnattributed:
    """`none`: unattributed. Counted and published, never silently dropped, never blamed on a deployment."""

    @given(spans)
    def test_after_the_failure_window(self, reading: Reading, span: Micros) -> None:
        facts = [promoted("D1", NOON), opened("i1", NOON + span), resolved("i1", NOON + span + HOUR)]
        found = answer(reading, facts)
        assert (found["failed"], found["unattributed"]) == ((1, 0) if span <= X else (0, 1))
        assert (found["restore_count"], found["restore_mean"]) == (1, 3600.0)


class TestInForce:
    """`in_force`: the latest deployment of the same service and env that had begun when it opened, if it opened no
    later than X after that deployment finished (one that never finished: `canary_timeout` after it began).
    """

    @given(st.lists(st.integers(0, 6), min_size=1, max_size=4, unique=True), st.integers(0, 6))
    def test_latest_begun(self, reading: Reading, hours: list[int], at: int) -> None:
        facts = [promoted(f"D{hour}", NOON + hour * HOUR) for hour in hours]
        found = answer(reading, [*facts, opened("i1", NOON + at * HOUR)])
        begun = [hour for hour in hours if hour <= at]
        expected = [f"D{max(begun)}", "in_force"] if begun else [None, "none"]
        assert found["attribution"]["i1"] == expected

    @given(spans)
    def test_unfinished(self, reading: Reading, span: Micros) -> None:
        found = answer(reading, [started("D1", NOON), opened("i1", NOON + span)])
        in_time = span <= SETTINGS.canary_timeout
        assert found["attribution"]["i1"] == (["D1", "in_force"] if in_time else [None, "none"])


class TestOtherService:
    """A cause in another service (`cause.service`) is followed there."""

    @given(spans, st.sampled_from(("deployment", "sha", "service")))
    def test_fails_there(self, reading: Reading, span: Micros, by: str) -> None:
        said = cause(service="bank", deployment="B1" if by == "deployment" else None, sha="b1" if by == "sha" else None)
        facts = [
            promoted("D1", NOON),
            promoted("B1", NOON, sha="b1", service="bank"),
            opened("i1", NOON + span),
            resolved("i1", NOON + span + HOUR, cause=said),
        ]
        at = LATER
        assert answer(reading, facts, at)["failed"] == 0
        assert answer(reading, facts, at)["attribution"]["i1"] == ["B1" if by == "deployment" else None, "explicit"]
        assert answer(reading, facts, at, "bank/prod")["failed"] == int(span <= X)


class TestSeveralIncidents:
    """Several incidents on one deployment are one failure."""

    @given(st.lists(st.integers(0, 20), max_size=6))
    def test_one(self, reading: Reading, hours: list[int]) -> None:
        incidents = [opened(f"i{number}", NOON + hour * HOUR) for number, hour in enumerate(hours)]
        found = answer(reading, [promoted("D1", NOON), *incidents])
        assert (found["judged"], found["failed"]) == (1, int(bool(hours)))
