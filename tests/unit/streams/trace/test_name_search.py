"""What goes by a name: exactly, or shortened if that is clear."""

from collections.abc import Iterable

import pytest

from schemas.values import DAY, EventValue
from streams.core.settings import MetricSettings
from streams.report.period_facts import facts_at
from streams.trace.name_search import Ambiguous, NamedRecord, NotFound, find
from tests.support.events import DAY_1, commit, opened, promoted, rollback, sha, stage

ONE, TWO = "abcdef1" + "0" * 33, "abcdef1" + "1" * 33
LOG = (
    commit(ONE, "09:00", change="acme/shop#12"),
    commit(TWO, "09:10", change="acme/shop#13", merge="m"),
    commit("c3", "09:20", change="acme/pay!12", service="pay"),
    stage("tests_passed", "c4", "09:30"),
    promoted("run-7", "10:00", sha=ONE, included=["c5"]),
    promoted("run-7", "10:00", sha="c3", service="pay"),
    promoted(None, "10:10", sha="c6"),
    rollback("10:20", deployment="run-9"),
    opened("INC-1", "10:30", sha="c7"),
)


def found(what: str, events: Iterable[EventValue] = LOG) -> tuple[NamedRecord, ...]:
    return find(next(facts_at(events, [DAY_1 + DAY], MetricSettings())).services.values(), what)


@pytest.mark.parametrize(
    ("what", "kind", "name", "services"),
    [
        (ONE, "commit", ONE, ["shop"]),
        (ONE.upper(), "commit", ONE, ["shop"]),
        (ONE[:8], "commit", ONE, ["shop"]),
        (sha("c3")[:7].upper(), "commit", sha("c3"), ["pay"]),
        *((sha(label), "commit", sha(label), ["shop"]) for label in ("m", "c4", "c5", "c6", "c7")),
        ("acme/shop#12", "change", "acme/shop#12", ["shop"]),
        ("#12", "change", "acme/shop#12", ["shop"]),
        ("!12", "change", "acme/pay!12", ["pay"]),
        ("13", "change", "acme/shop#13", ["shop"]),
        ("run-7", "deployment", "run-7", ["pay", "shop"]),
        ("run-9", "deployment", "run-9", ["shop"]),
        ("INC-1", "incident", "INC-1", ["shop"]),
    ],
)
def test_a_name_is_found_in_every_service_that_has_it(what: str, kind: str, name: str, services: list[str]) -> None:
    assert found(what) == tuple((kind, name, service) for service in services)


@pytest.mark.parametrize(
    ("what", "candidates"),
    [
        ("abcdef1", f"commit {ONE}, commit {TWO}; write more of it"),
        ("12", "change acme/pay!12, change acme/shop#12; write more of it"),
    ],
)
def test_what_is_short_for_several_is_told_with_them(what: str, candidates: str) -> None:
    with pytest.raises(Ambiguous, match=f"{what} is short for several: {candidates}"):
        found(what)


def test_of_many_candidates_five_are_told() -> None:
    events = [commit(f"abcdef1{number}{'0' * 32}", "09:00") for number in range(7)]
    with pytest.raises(Ambiguous, match=r"abcdef14\w+ and 2 more; write"):
        found("abcdef1", events)


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        (
            "run-8",
            "is no commit, change, deployment or incident in the events of 2 services; did you mean run-9 or run-7",
        ),
        ("abcdef", "an abbreviated SHA has 7 characters at least"),
        ("INC", "is no commit, change, deployment or incident in the events of 2 services"),
    ],
)
def test_what_is_not_there_is_told_with_what_is_alike(what: str, problem: str) -> None:
    with pytest.raises(NotFound, match=f"{what} .*{problem}"):
        found(what)


def test_no_event_at_all_is_told() -> None:
    with pytest.raises(NotFound, match="no event to search"):
        found("INC-1", ())
