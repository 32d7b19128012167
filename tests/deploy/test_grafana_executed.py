"""All that the dashboards ask, on a real Prometheus that holds ninety days of the company and a pipeline in trouble.

Every target of every panel, every mark and every variable is compared, point by point, with what tests/support/expected
makes of the events and of the pipeline's story, for all services and for each alone. That shares no code
with the product.
"""

import copy
import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.deploy.test_prometheus import names_in
from tests.support.dashboards import Question, board, boards, questions, substituted
from tests.support.expected.company import services_of
from tests.support.expected.tables import TABLES
from tests.support.odd_events import LEFT, ODD
from tests.support.panels import differences, is_of_something
from tests.support.servers.prometheus import Prometheus

pytestmark = pytest.mark.prometheus

COMPANY: Final = ("identity", "ledger-legacy", "notifications", "payments", "search", "web-shop")
SERVICES: Final = tuple(sorted((*COMPANY, *ODD, *LEFT)))
TEMPLATED: Final = [(uid, (service,)) for uid in boards() if uid != "candora-pipeline" for service in SERVICES]


def wrong(server: Prometheus, uid: str, services: tuple[str, ...]) -> list[str]:
    """Everything on a dashboard that is not as expected."""
    one, table = board(uid), TABLES[uid]
    return [
        difference
        for question in questions(one)
        for difference in differences(server, one, question, table[question.place], services)
    ]


def uncovered(asked: Iterator[Question], uid: str) -> set[str]:
    """Questions without an expectation, and expectations without a question."""
    return {question.place for question in asked} ^ TABLES[uid].keys()


@pytest.mark.parametrize("uid", boards())
def test_every_target_has_its_expectation(uid: str) -> None:
    """A new panel needs a line in tests/support/expected/tables.py, with what it must show."""
    assert uncovered(questions(board(uid)), uid) == set()


def test_a_target_without_an_expectation_is_noticed() -> None:
    one = board("candora-gates")
    panel = next(each for each in one["panels"] if each["title"] == "Left unfinished")
    panel["targets"].append({**copy.deepcopy(panel["targets"][0]), "refId": "C"})
    assert uncovered(questions(one), "candora-gates") == {"Left unfinished C"}
    panel["title"] = "Left"
    assert uncovered(questions(one), "candora-gates") == {
        "Left A", "Left B", "Left C", "Left unfinished A", "Left unfinished B",
    }  # fmt: skip


@pytest.mark.parametrize("uid", boards())
def test_nothing_is_compared_with_zeros_only(uid: str) -> None:
    """What never happens in the fixture would not be noticed: tests/support/odd_events.py adds it."""
    one, table = board(uid), TABLES[uid]
    asked = questions(one)
    assert [each.place for each in asked if not is_of_something(one, each, table[each.place], SERVICES)] == []


def test_these_are_the_services() -> None:
    assert services_of("prod") == SERVICES


@pytest.mark.parametrize("uid", boards())
def test_every_target_says_what_the_events_say(whole: Prometheus, uid: str) -> None:
    assert wrong(whole, uid, SERVICES) == []


@pytest.mark.parametrize(("uid", "service"), TEMPLATED, ids=lambda one: one if isinstance(one, str) else one[0])
def test_so_it_does_of_one_service(whole: Prometheus, uid: str, service: tuple[str, ...]) -> None:
    assert wrong(whole, uid, service) == []


@pytest.mark.parametrize("uid", boards())
def test_a_renamed_metric_is_seen(whole: Prometheus, uid: str) -> None:
    """Whichever metric of whichever dashboard it is."""
    one, table = board(uid), TABLES[uid]
    asked = {question: set(names_in(substituted(question.expr))) for question in questions(one)}
    names = {name for found in asked.values() for name in found}
    assert len(names) > 5
    unseen = []
    for name in sorted(names):
        told = [
            difference
            for question, found in asked.items()
            if name in found
            for difference in differences(
                whole,
                one,
                question,
                table[question.place],
                SERVICES,
                lambda expr: re.sub(rf"\b{name}\b", f"{name}_renamed", expr),  # noqa: B023 - used at once
            )
        ]
        if not told:
            unseen.append(name)
    assert unseen == []
