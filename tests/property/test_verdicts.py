"""Section 6: verdict and the cohort rule, and section 9: rework."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from schemas.values import DAY, HOUR, EventValue, MetricsValue, Micros, VerdictName
from streams.exporter.collector import WINDOWS
from streams.exporter.metrics import FREQUENCY
from tests.property.asking import LATER, NOON, SETTINGS, WINDOW, answer, everywhere
from tests.property.logs import END, logs, settled
from tests.support.events import opened, promoted
from tests.support.histories import clocks, histories
from tests.support.log_replay import Line, Reading, Records, played, said, summaries
from tests.support.oracle import facts, reference

JUDGED: tuple[VerdictName, ...] = ("failed", "succeeded")


class TestJudgement:
    """A deployment that has begun and is neither superseded nor abandoned is **pending** until the clock reaches
    `max(finished_at + X, known_at) + L`; then it is **judged**: `failed` or `succeeded`.
    """

    @given(st.sampled_from((-1, 0, 1)), st.booleans())
    def test_at_the_same_age_for_both_outcomes(self, reading: Reading, beside: Micros, fails: bool) -> None:
        due = NOON + SETTINGS.failure_window + SETTINGS.lateness
        incident = [opened("i1", NOON + HOUR)] if fails else []
        found = answer(reading, [promoted("D1", NOON), *incident], due + beside)
        assert (found["pending"], found["judged"]) == ((1, 0) if beside < 0 else (0, 1))
        assert found["failed"] == int(fails and beside >= 0)

    @given(histories, clocks)
    def test_every_deployment_is_in_one_place(self, reading: Reading, history: list[EventValue], at: Micros) -> None:
        placed = sum(
            one["pending"] + one["superseded"] + one["abandoned"] + one["deployments_total"]
            for one in everywhere(reading, history, at).values()
        )
        assert placed == len(facts(history, at, SETTINGS).deployments)


class TestFailingNow:
    """What is failing right now is published apart and at once (`delivery_deployments_failing`,
    `delivery_deployment_failures_total`).
    """

    @given(st.integers(0, 23 * HOUR))
    def test_before_judgement(self, wait: Micros) -> None:
        at = NOON + HOUR + wait
        records = Records.of(played([promoted("D1", NOON), opened("i1", NOON + HOUR)], at, SETTINGS))
        metrics = records.metrics["shop", "prod"]
        assert metrics["counters"]["failures"] == {"incident": 1}
        assert metrics["state"]["failing"] == 1


class TestRatio:
    """**Change failure rate** over window W at time T: judged failed / judged, over deployments to the env whose
    `finished_at` is in `(T - X - L - W, T - X - L]`. No judged deployment: no value (not 0 %).
    """

    @given(histories, clocks)
    def test_parts_add_up(self, reading: Reading, history: list[EventValue], at: Micros) -> None:
        for one in everywhere(reading, history, at).values():
            assert sum(one["reasons"].values()) == one["failed"] <= one["judged"] <= one["deployments_total"]
            assert one["deployments_success_total"] <= one["deployments_total"]
            assert one["ratio"] == (one["failed"] / one["judged"] if one["judged"] else None)

    @given(st.sampled_from((-1, 0, 1)), st.sampled_from(("begin", "end")))
    def test_the_end_belongs_to_the_window_and_the_beginning_does_not(
        self, reading: Reading, beside: Micros, edge: str
    ) -> None:
        at = NOON + SETTINGS.failure_window + SETTINGS.lateness + (WINDOW if edge == "begin" else 0)
        found = answer(reading, [promoted("D1", NOON + beside)], at)
        assert found["judged"] == int(beside > 0 if edge == "begin" else beside <= 0)
        assert found["ratio"] == (0.0 if found["judged"] else None)


class TestFrequency:
    """Frequency: judged deployments over W per day."""

    @given(st.integers(0, 40))
    def test_per_day(self, count: int) -> None:
        facts = [promoted(f"D{number}", NOON + number) for number in range(count)] + [opened("i1", NOON)]
        metrics = Records.of(played(facts, LATER, SETTINGS)).metrics["shop", "prod"]
        found = [WINDOWS[FREQUENCY](window) for window in metrics["windows"]]
        assert found == [count * DAY / window for window in SETTINGS.windows]


class TestRework:
    """Rework rate: deployments with `lane = hotfix` / all, same cohort."""

    @given(st.lists(st.sampled_from(("normal", "hotfix", "rehearsal")), min_size=1, max_size=6))
    def test_hotfixes(self, lanes: list[str]) -> None:
        deployments = [
            promoted(f"D{number}", NOON + number, lane=lane)  # type: ignore[arg-type]  # three of the lanes
            for number, lane in enumerate(lanes)
        ]
        metrics = Records.of(played(deployments, LATER, SETTINGS)).metrics["shop", "prod"]
        found = next(one for one in metrics["windows"] if one["window"] == WINDOW)
        assert (found["hotfix"], found["judged"]) == (lanes.count("hotfix"), len(lanes) - lanes.count("rehearsal"))


def balance(metrics: MetricsValue) -> Counter[str]:
    """The counters, corrected by the revisions."""
    counters = metrics["counters"]
    found = Counter(
        succeeded=counters["deployments_success"], failed=counters["deployments"] - counters["deployments_success"]
    )
    for revision in counters["verdict_revisions"]:
        found[revision["from_verdict"]] -= revision["count"]
        found[revision["to_verdict"]] += revision["count"]
    return Counter({verdict: found[verdict] for verdict in JUDGED})


class TestCountersAndRevisions:
    """The record changes, the exact gauges follow, `delivery_verdict_revisions_total{from,to}` rises, and the counters,
    which may never go down, do not. So counters and revisions together always equal the facts; that sum is tested.
    """

    @given(logs(), st.integers(1, 4))
    def test_they_equal_the_facts_at_every_step(self, lines: list[Line], batch: int) -> None:
        topic = settled(lines, batch)
        records = Records.of(topic)
        assert not topic.partitions[0].published.dips
        for key, metrics in records.metrics.items():
            verdicts = [one["verdict"] for place, one in records.deployments.items() if place[:2] == key]
            assert balance(metrics) == Counter({verdict: verdicts.count(verdict) for verdict in JUDGED})

    @given(logs())
    def test_late_facts_end_in_the_same_numbers(self, lines: list[Line]) -> None:
        events = [line.event for line in lines if line.event is not None]
        found = summaries(Records.of(settled(lines)), WINDOW)
        expected = reference(events, END, SETTINGS, WINDOW)
        for one in (*found.values(), *expected.values()):
            one["deployments_total"] = one["deployments_success_total"] = 0
        assert said(found) == said(expected)

    @given(histories, clocks)
    def test_what_was_known_in_time_needs_no_revision(self, history: list[EventValue], at: Micros) -> None:
        for metrics in Records.of(played(history, at, SETTINGS)).metrics.values():
            assert metrics["counters"]["verdict_revisions"] == []
