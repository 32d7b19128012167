"""The sixteen worked examples of docs' semantics, section 11, as one table, for the core and for the second reading."""

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from schemas.values import DAY, EventValue
from streams.core.settings import MetricSettings
from tests.support.events import commit, opened, promoted, resolved, rollback, started, when
from tests.support.log_replay import READINGS, Reading, Records, Topic, played

SETTINGS = MetricSettings()
WINDOW = 30 * DAY
AS_1 = (commit("c1", "09:00"), promoted("D1", "12:00", sha="c1"))
AS_2 = (*AS_1, opened("i1", "13:00"), resolved("i1", "13:40"))


def thrice_shuffled(events: Sequence[EventValue]) -> list[EventValue]:
    """Every event three times, in a wild but fixed order."""
    return random.Random(12).sample([*events] * 3, 3 * len(events))


class Example(NamedTuple):
    """Facts, the moment of the question, and what must be among the answers of one env."""

    name: str
    facts: Sequence[EventValue]
    at: str
    answer: dict[str, Any]
    env: str = "prod"


EXAMPLES = (
    Example("1 before it is due", AS_1, "d2 12:14:59", {"pending": 1, "judged": 0, "ratio": None}),
    Example(
        "1 when it is due",
        AS_1,
        "d2 12:15",
        {"pending": 0, "judged": 1, "failed": 0, "ratio": 0.0, "lead_count": 1, "lead_p50": 10_800.0},
    ),
    Example(
        "2 an incident in time",
        AS_2,
        "d2 12:15",
        {"failed": 1, "reasons": {"incident": 1}, "restore_count": 1, "restore_mean": 2_400.0},
    ),
    Example(
        "3 exactly X counts",
        [*AS_1, opened("i1", "d2 12:00")],
        "d2 12:15",
        {"failed": 1, "attribution": {"i1": ["D1", "in_force"]}, "unattributed": 0, "open": 1},
    ),
    Example(
        "3 a second later does not",
        [*AS_1, opened("i1", "d2 12:00:01")],
        "d2 12:15",
        {"failed": 0, "judged": 1, "attribution": {"i1": [None, "none"]}, "unattributed": 1},
    ),
    Example(
        "4 a canary rolled back",
        [commit("c1", "09:00"), started("D1", "11:00", sha="c1"), rollback("11:20", deployment="D1")],
        "d2 11:35",
        {"judged": 1, "failed": 1, "reasons": {"canary_rollback": 1}, "lead_count": 0, "lead_p50": None},
    ),
    Example(
        "5 two incidents, one failure",
        [*AS_1, opened("i1", "13:00"), opened("i2", "14:00")],
        "d2 12:15",
        {"judged": 1, "failed": 1, "ratio": 1.0, "reasons": {"incident": 1}},
    ),
    Example(
        "6 the one in force",
        [promoted("D1", "10:00", sha="c1"), promoted("D2", "11:00", sha="c2"), opened("i1", "11:30")],
        "d2 11:15",
        {"judged": 2, "failed": 1, "attribution": {"i1": ["D2", "in_force"]}},
    ),
    Example(
        "6 the SHA it names",
        [promoted("D1", "10:00", sha="c1"), promoted("D2", "11:00", sha="c2"), opened("i1", "11:30", sha="c1")],
        "d2 11:15",
        {"judged": 2, "failed": 1, "attribution": {"i1": ["D1", "sha"]}},
    ),
    Example(
        "7 a sev3 fails nothing",
        [*AS_1, opened("i1", "13:00", severity="sev3")],
        "d2 12:15",
        {"judged": 1, "failed": 0, "open": 1, "attribution": {"i1": ["D1", "in_force"]}},
    ),
    Example(
        "8 a rehearsed rollback",
        [*AS_1, promoted("S1", "12:00", env="staging"), rollback("13:00", env="staging", lane="rehearsal")],
        "d2 12:15",
        {"judged": 1, "failed": 0, "reasons": {}},
        "staging",
    ),
    Example(
        "9 opened twice, one incident",
        [*AS_2, opened("i1", "14:00"), resolved("i1", "14:10")],
        "d2 12:15",
        {"restore_count": 1, "restore_mean": 3_000.0, "open": 0, "failed": 1},
    ),
    Example(
        "10 ends when the objective is met",
        [*AS_1, opened("i1", "13:00"), resolved("i1", "13:40", slo_met="13:55")],
        "d2 12:15",
        {"restore_count": 1, "restore_p50": 3_300.0},
    ),
    Example(
        "11 the promotion comes first",
        AS_1[::-1],
        "d2 12:15",
        {"judged": 1, "failed": 0, "lead_count": 1, "lead_p50": 10_800.0},
    ),
    Example(
        "12 three times, shuffled",
        thrice_shuffled(AS_2),
        "d2 12:15",
        {"judged": 1, "failed": 1, "lead_count": 1, "restore_count": 1, "restore_mean": 2_400.0},
    ),
    Example("13 before it arrives", AS_1, "d3 12:00", {"judged": 1, "failed": 0, "ratio": 0.0}),
    Example(
        "13 after it arrived", [*AS_1, opened("i1", "13:00")], "d3 12:00", {"judged": 1, "failed": 1, "ratio": 1.0}
    ),
    Example(
        "14 two commits of one request",
        [
            commit("c1", "09:00", change="repo#7"),
            commit("c2", "10:00", change="repo#7"),
            promoted("D1", "12:00", sha="c2", included=["c1", "c2"]),
        ],
        "d2 12:15",
        {"lead_count": 1, "lead_p50": 10_800.0},
    ),
    Example(
        "15 a canary that never finishes",
        [
            commit("c1", "09:00"),
            started("D1", "10:00", sha="c1"),
            commit("c2", "10:30"),
            started("D2", "11:00", sha="c2"),
            promoted("D2", "12:00", sha="c2"),
        ],
        "d2 12:15",
        {"superseded": 1, "judged": 1, "lead_count": 2, "lead_p50": (10_800.0 + 5_400.0) / 2},
    ),
    Example(
        "16 nothing was deployed",
        [*AS_1, opened("i1", "d3 12:00"), resolved("i1", "d3 12:30")],
        "d3 12:45",
        {"unattributed": 1, "judged": 1, "failed": 0, "ratio": 0.0, "restore_count": 1, "restore_mean": 1_800.0},
    ),
)


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_worked_example(example: Example, reading: Reading) -> None:
    found = reading(example.facts, when(example.at), SETTINGS, WINDOW)[f"shop/{example.env}"]
    assert {name: value for name, value in found.items() if name in example.answer} == example.answer


def test_example_8_renews_the_freshness_of_rehearsals() -> None:
    example = next(one for one in EXAMPLES if one.name.startswith("8 "))
    records = Records.of(played(example.facts, when(example.at), SETTINGS))
    assert records.metrics["shop", "staging"]["state"]["rehearsed_at"] == when("13:00")


def test_example_13_is_a_revision_and_moves_no_counter() -> None:
    topic = Topic(SETTINGS, ["shop"])
    for fact in AS_1:
        topic.append(fact, when("12:00"))
    topic.append(None, when("d2 12:15"))
    topic.settle()
    before = Records.of(topic).metrics["shop", "prod"]["counters"]
    assert (before["deployments"], before["deployments_success"]) == (1, 1)

    topic.append(opened("i1", "13:00"), when("d3 12:00"))
    topic.append(None, when("d3 12:30"))
    topic.settle()
    metrics = Records.of(topic).metrics["shop", "prod"]
    counters = metrics["counters"]
    assert (counters["deployments"], counters["deployments_success"]) == (1, 1)
    assert counters["verdict_revisions"] == [{"from_verdict": "succeeded", "to_verdict": "failed", "count": 1}]
    assert next(one["failed"] for one in metrics["windows"] if one["window"] == WINDOW) == 1
