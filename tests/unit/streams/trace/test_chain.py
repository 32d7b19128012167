"""What is told of each record, and why: one log for each rule of semantics.md that may have decided."""

import re
from collections.abc import Sequence
from typing import Final

import pytest

from schemas.values import DAY, CommitValue, EventTypeName, EventValue
from streams.core.settings import MetricSettings
from streams.report.period_facts import facts_at
from streams.trace.as_json import as_json
from streams.trace.chain import CommitNotes, chain
from streams.trace.name_search import find
from streams.trace.terminal import render
from tests.support.events import (
    DAY_1,
    Time,
    cause,
    commit,
    opened,
    promoted,
    resolved,
    rollback,
    sha,
    stage,
    started,
    when,
)

C1, D1 = commit("c1", "09:00"), promoted("D1", "12:00", sha="c1")


def lines(events: Sequence[EventValue], what: str, at: Time = DAY_1 + 9 * DAY) -> list[str]:
    notes = CommitNotes()
    services = next(
        facts_at(notes.listen(sorted(events, key=lambda one: one["occurred_at"])), [when(at)], MetricSettings())
    ).services
    return render(when(at), services, chain(services, find(services.values(), what)), notes).splitlines()


def told(events: Sequence[EventValue], what: str, at: Time = DAY_1 + 9 * DAY) -> str:
    """In one line, so that it does not matter where a line ends."""
    return " ".join(" ".join(lines(events, what, at)).split())


VERDICTS = {
    "succeeded": ([], "d3 00:00", "no rollback of it, no incident of sev1 or sev2 on it, up to 24h after it finished"),
    "failed: incident": ([opened("INC", "13:00")], "d3 00:00", "incident sev1 INC opened 1h 00m after it finished"),
    "failed: rollback": ([rollback("12:30")], "d3 00:00", "rolled back 30m after it finished"),
    "pending": ([], "13:00", "why judged at 2026-02-17 12:15"),
    "pending, failing": ([rollback("12:30")], "13:00", "failing: rolled back 30m after it finished; judged at 2026"),
    "succeeded, though": ([rollback("d3 12:00")], "d4 00:00", "what came later than 24h after it finished does not"),
}


@pytest.mark.parametrize(("more", "at", "why"), VERDICTS.values(), ids=VERDICTS)
def test_why_a_promoted_deployment_has_its_verdict(
    request: pytest.FixtureRequest, more: list[EventValue], at: Time, why: str
) -> None:
    said = told([C1, D1, *more], "D1", at)
    verdict = request.node.callspec.id.split(":")[0].split(",")[0]
    assert f"deployment D1 of shop to prod: {verdict} " in said
    assert why in said
    assert "100 % of prod by D1; lead time 3h 00m" in said


BEGUN = started("D1", "11:00", sha="c1")
LIVES = {
    "failed": ([BEGUN, rollback("11:20")], "d3 00:00", "why rolled back before it had 100 %"),
    "failed, early": ([BEGUN, opened("INC", "11:10"), rollback("11:20")], "d3 00:00", "opened 10m after it began"),
    "superseded": ([BEGUN, promoted("D2", "12:00", sha="c2")], "d3 00:00", "its changes went on to D2"),
    "superseded, waiting": ([BEGUN, started("D2", "12:00", sha="c2")], "12:30", "its changes wait for a promotion"),
    "abandoned": ([BEGUN], "d3 00:00", "not finished 24h after it began (canary timeout)"),
    "pending": ([BEGUN], "11:30", "why given up, if it has not finished, at 2026-02-17 11:00"),
    "excluded": ([started("D1", "11:00", sha="c1", lane="rehearsal")], "12:00", "lane rehearsal: in no number"),
}


@pytest.mark.parametrize(("events", "at", "why"), LIVES.values(), ids=LIVES)
def test_why_an_unfinished_deployment_has_its_verdict(
    request: pytest.FixtureRequest, events: list[EventValue], at: Time, why: str
) -> None:
    said = told([C1, *events], sha("c1"), at)
    assert f"deployment D1 of shop to prod: {request.node.callspec.id.split(',')[0]}" in said
    assert why in said


ELSEWHERE = cause(service="pay", deployment="P1")
PUT = {
    "put on D1: in force when it opened": [opened("INC", "13:00")],
    "put on D1: its commit is named by the incident": [opened("INC", "13:00", sha="c1")],
    "put on D1: named by the incident": [opened("INC", "13:00", deployment="D1")],
    "put on D1: named as its cause": [opened("INC", "13:00"), resolved("INC", "14:00", cause=cause(sha="c1"))],
    "put on D1: in force when it opened; sev3: no failure of it": [opened("INC", "13:00", severity="sev3")],
    "put on D1: in force when it opened; no severity: no fail": [opened("INC", "13:00", severity=None)],
    "put on D1: named by the incident; opened before it began": [opened("INC", "11:00", deployment="D1")],
    "put on no deployment: its cause is infra": [opened("INC", "13:00", cause=cause(kind="infra"))],
    "put on P1 of pay: named as its cause": [
        promoted("P1", "12:30", sha="p1", service="pay"),
        opened("INC", "13:00", cause=ELSEWHERE),
    ],
    "put on P1 of pay, its cause, where none such is known": [opened("INC", "13:00", cause=ELSEWHERE)],
    "put on what was in force of pay, its cause, where": [opened("INC", "13:00", cause=cause(service="pay"))],
    "unattributed: it names D9, which is not known in prod": [opened("INC", "13:00", deployment="D9")],
    f"unattributed: it names {sha('c9')[:12]}, no deployment of which had": [opened("INC", "13:00", sha="c9")],
    "unattributed: nothing had been deployed to prod when it opened": [opened("INC", "11:00")],
    "unattributed: D1, in force when it opened, had finished 1d 1h before: longer than the failure window of 24h": [
        opened("INC", "d2 13:00")
    ],
    "unattributed: D2, the last one begun, had not finished in 1d 2h: longer than the canary timeout of 24h": [
        started("D2", "13:00", sha="c2"),
        opened("INC", "d2 15:00"),
    ],
    "its opening is not known": [resolved("INC", "13:00")],
    "lane synthetic: in no number": [opened("INC", "13:00", lane="synthetic")],
}


@pytest.mark.parametrize(("why", "events"), PUT.items())
def test_why_an_incident_is_put_where_it_is(why: str, events: list[EventValue]) -> None:
    assert f"why {why}" in told([C1, D1, *events], "INC")


def test_colour_says_nothing_that_words_do_not() -> None:
    log = [C1, promoted("D1", "12:00", sha="c1", lane="hotfix"), opened("INC", "13:00")]
    services = next(facts_at(log, [DAY_1 + 3 * DAY], MetricSettings())).services
    found = chain(services, find(services.values(), "INC"))
    plain, coloured = (
        render(DAY_1 + 3 * DAY, services, found, CommitNotes(), colour=colour) for colour in (False, True)
    )
    assert re.findall(r"\x1b\[31m: (\w+)", coloured) == ["open", "failed"]
    assert re.sub(r"\x1b\[[0-9;]*m| +$", "", coloured, flags=re.MULTILINE) == plain


def test_from_an_incident_it_goes_backwards_and_from_a_commit_forwards() -> None:
    events = [C1, D1, opened("INC", "13:00"), resolved("INC", "13:40"), opened("INC", "14:00")]
    parts = [
        f"commit {sha('c1')} of shop",
        "deployment D1 of shop to prod: failed",
        "incident INC of shop in prod: open",
    ]
    for what, order in ((sha("c1"), parts), ("INC", parts[::-1])):
        assert [line for line in lines(events, what)[2:] if line.startswith(("commit", "deploy", "incid"))] == order


def test_a_cause_in_another_service_is_followed_both_ways() -> None:
    log = [
        commit("p1", "09:00", change="pay#1", service="pay"),
        promoted("P1", "12:30", sha="p1", service="pay"),
        opened("INC", "13:00", cause=ELSEWHERE),
    ]
    parts = (
        "change pay#1 of pay",
        "P1 of pay to prod: failed",
        "incident sev1 INC of shop opened 30m after it finished",
        "incident INC of shop in prod: open",
    )
    for what in ("INC", "pay#1", "P1"):
        said = told(log, what)
        assert [part for part in parts if part not in said] == []
    assert "put on P1 of pay, its cause" in told(log[2:], "P1")


def test_a_change_shows_its_commits_their_authors_and_the_gates_of_the_one_that_was_deployed() -> None:
    detail: CommitValue = {
        "author": "ada\x1b[2J",
        "branch": None,
        "merge_sha": sha("m"),
        "parents": None,
        "critical_modules": None,
        "migration": None,
    }
    log = [
        commit("c1", "09:00", change="#7") | {"commit": detail},
        commit("c2", "10:00", change="#7"),
        stage("tests_passed", "c2", "10:10"),
        stage("tests_passed", "m", "11:10"),
        stage("artifact_built", "m", "11:20", artifact_digest="sha256:11"),
        promoted("D1", "12:00", sha="m", included=["c1", "c2"]),
        promoted("D1", "13:00", sha="m", env="staging"),
    ]
    said = lines(log, "#7")
    short = {label: sha(label)[:12] for label in ("c1", "c2", "m")}
    assert said[3:13] == [
        "change #7 of shop",
        f"2026-02-16 09:00  commit     {short['c1']} by ada\N{REPLACEMENT CHARACTER}[2J, the first",
        f"2026-02-16 10:00  commit     {short['c2']}",
        f"                  commit     {short['m']}, squashed or merged from these",
        f"2026-02-16 11:20  artifact   sha256:11, of {short['m']}",
        f"2026-02-16 11:10  tests      passed, of {short['m']} and 1 more commit",
        "2026-02-16 12:00  100 %      of prod by D1; lead time 3h 00m",
        "2026-02-16 13:00  100 %      of staging by D1; lead time 4h 00m",
        "",
        "deployment D1 of shop to prod: succeeded",
    ]
    assert f"{sha('m')} and 2 included, carries 1 change" in " ".join(" ".join(said).split())
    assert "gates passed: artifact, tests; no report of security, policy" in " ".join(" ".join(said).split())
    assert max(map(len, said)) <= 80


GATES: Final[tuple[EventTypeName, ...]] = ("artifact_built", "tests_passed", "security_scanned", "policy_passed")


@pytest.mark.parametrize(
    ("events", "what", "why"),
    [
        ([C1], sha("c1"), "gates no report of artifact, tests, security, policy No deployment carries it."),
        ([C1, D1], "D1", "gates no report of artifact, tests, security, policy 2026"),
        (
            [C1, D1, *(stage(one, "c1", "09:30") for one in GATES)],
            "D1",
            "gates passed: artifact, tests, security, policy 2026",
        ),
        ([D1], "D1", "No commit of it was reported: its lead time is not known."),
        ([D1, rollback("13:00", deployment="D9")], "D9", "Only a rollback or a merge names it"),
        ([stage("tests_passed", "c1", "09:00")], sha("c1"), "none of it was reported"),
        ([stage("tests_passed", "c1", "09:00", change_id="#7")], sha("c1"), "change #7 of shop commit none of it was"),
        ([commit("c1", "09:00", change="#7", lane="synthetic")], sha("c1"), "change #7 of shop commit none of it was"),
        ([commit("c1", "13:00"), D1], "D1", "before its first commit: clocks are skewed"),
        ([C1, promoted("D1", "12:00", sha="c1", lane="hotfix")], "D1", "D1 of shop to prod: succeeded, hotfix"),
    ],
)
def test_where_the_chain_is_broken_it_says_so(events: list[EventValue], what: str, why: str) -> None:
    assert why in told(events, what)


def test_long_lists_are_cut_in_the_terminal_and_whole_for_programs() -> None:
    log = [commit(f"c{number}", 60_000_000 * number + DAY_1, change="#7") for number in range(13)]
    log += [commit(f"x{number}", DAY_1 + DAY + number) for number in range(12)]
    log.append(promoted("D1", "d3 00:00", sha="c1", included=[f"x{number}" for number in range(12)]))
    said = told(log, "D1")
    assert "and 3 more commits; --json has all" in said
    assert "and 3 more changes; --json has all" in said
    services = next(facts_at(log, [DAY_1 + 9 * DAY], MetricSettings())).services
    whole = as_json("D1", DAY_1, services, chain(services, find(services.values(), "D1")), CommitNotes())
    assert len(whole["changes"]) == 13
    assert max(len(change["commits"]) for change in whole["changes"]) == 13
