"""Exports of GitHub, GitLab and PagerDuty: the numbers worked out by hand, and the same events as the webhooks give."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.history_import.exports import ExportObject
from producers.history_import.github import read_github
from producers.history_import.gitlab import read_gitlab
from producers.history_import.imported_events import ImportedEvents
from producers.history_import.pagerduty import read_pagerduty
from tests.support.deliveries import NAMES, body, deliver, plain
from tests.unit.producers.history_import.exported import (
    GITHUB,
    GITLAB,
    JUDGED,
    PAGERDUTY,
    PROJECT,
    at,
    github_deployment,
    github_status,
    gitlab_incident,
    log_entry,
    pagerduty_incident,
    sha,
)
from tests.unit.producers.history_import.runs import HOUR, Capture, export, history, numbers_of

NOW = datetime(2026, 4, 1, tzinfo=UTC)
READERS = {"github": (read_github, GITHUB), "gitlab": (read_gitlab, GITLAB), "pagerduty": (read_pagerduty, PAGERDUTY)}


def found_in(source: str, entries: list[Any]) -> ImportedEvents:
    """What is found in objects in this order."""
    found = ImportedEvents(NOW)
    opened = [one for each in entries for one in (each.get("incidents") or each.get("log_entries") or [each])]
    READERS[source][0]([ExportObject(f"entry {n}", value) for n, value in enumerate(opened)], NAMES, found)
    return found


def lines_of(found: ImportedEvents) -> list[str]:
    return sorted(built.as_json() for built in found.events.values())


# --- numbers ----------------------------------------------------------------------------------------------------------
def test_github_in_numbers(tmp_path: Path, capsys: Capture) -> None:
    ran = history(capsys, tmp_path / "out", "github", export(tmp_path / "all.json", GITHUB[:9], GITHUB[9:]))

    assert ran.code == 0, ran.said
    numbers = numbers_of(ran.events, JUDGED, "shop-api/prod")
    # The first carries its commit (08:00 to 09:00); the second request 7 from 09:00 and request 8 from 09:30 to 13:00.
    assert (numbers["judged"], numbers["failed"], numbers["lead_count"]) == (2, 0, 3)
    assert numbers["lead_p50"] == 3.5 * HOUR
    assert numbers["lead_p90"] == pytest.approx(3.9 * HOUR)
    assert ran.summary["unjoined"] == {"commits_without_change": ["shop-api/000000000000"]}
    assert any("not merged" in reason for reason in ran.summary["ignored"])


def test_gitlab_in_numbers(tmp_path: Path, capsys: Capture) -> None:
    lines = tmp_path / "all.jsonl"
    lines.write_text("\n".join(map(json.dumps, GITLAB)), "utf-8")
    ran = history(capsys, tmp_path / "out", "gitlab", lines)

    assert ran.code == 0, ran.said
    numbers = numbers_of(ran.events, JUDGED, "shop-api/prod")
    # As on GitHub: 1 h, and from 09:00 and 09:30 to 13:00.
    assert (numbers["judged"], numbers["failed"], numbers["reasons"]) == (2, 1, {"incident": 1})
    assert (numbers["restore_count"], numbers["restore_mean"]) == (1, 40 * 60.0)
    assert (numbers["lead_count"], numbers["lead_p50"]) == (3, 3.5 * HOUR)
    assert numbers["superseded"] == 1  # one failed before the second, so it began and never finished


def test_pagerduty_in_numbers_beside_deployments_of_another_import(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "out"
    history(capsys, output, "github", export(tmp_path / "github.json", GITHUB))
    ran = history(capsys, output, "pagerduty", export(tmp_path / "pages.json", *PAGERDUTY))

    assert ran.code == 0, ran.said
    numbers = numbers_of(ran.events, JUDGED, "shop-api/prod")
    assert (numbers["failed"], numbers["attribution"]) == (1, {"Q1": ("32", "in_force")})
    assert (numbers["restore_count"], numbers["restore_mean"]) == (1, 60 * 60.0)  # 14:00 to 14:40, 15:00 to 15:20
    assert [event["occurred_at"] for event in ran.events] == sorted(event["occurred_at"] for event in ran.events)


def test_an_incident_without_log_entries_ends_where_it_says() -> None:
    late: dict[str, Any] = {"resolved_at": None, "last_status_change_at": at("14:50")}
    for more, end in (({}, at("14:40")), (late, at("14:50"))):
        found = found_in("pagerduty", [pagerduty_incident(**more)])
        assert sorted(json.loads(line)["occurred_at"] for line in lines_of(found)) == [at("14:00"), end]
    found = found_in("pagerduty", [pagerduty_incident(status="triggered", resolved_at=None)])
    assert [json.loads(line)["event_type"] for line in lines_of(found)] == ["incident_opened"]


def test_a_rollback_on_github_takes_back_the_last_deployment() -> None:
    more = [github_deployment(33, "0", task="rollback"), github_status(507, 33, "success", "15:00")]
    events = [json.loads(line) for line in lines_of(found_in("github", [*GITHUB, *more]))]

    assert numbers_of(events, JUDGED, "shop-api/prod")["reasons"] == {"rollback": 1}


# --- the same as live -------------------------------------------------------------------------------------------------
def test_github_gives_the_ids_that_its_webhooks_give() -> None:
    found = found_in("github", GITHUB)
    repository = {"name": "shop-api", "full_name": "acme/shop-api", "default_branch": "main"}
    pull = GITHUB[7]
    deployed = {
        "deployment": GITHUB[11],
        "deployment_status": GITHUB[16],
        "repository": repository,
        "workflow_run": {"id": 7001, "run_attempt": 1},
    }
    pushed = [
        {
            "id": commit["sha"],
            "message": commit["commit"]["message"],
            "timestamp": "2026-03-03T12:00:00+01:00"
            if commit["sha"] == sha("c")
            else commit["commit"]["author"]["date"],
            "url": commit["html_url"],
            "author": {"name": "Grace Hopper", "username": "grace", "email": "grace@shop.example"},
            "distinct": True,
        }
        for commit in (GITHUB[1], GITHUB[2], GITHUB[3])
    ]
    push = {
        "ref": "refs/heads/main",
        "commits": pushed,
        "head_commit": pushed[-1],
        "repository": repository,
        "sender": {"login": "grace"},
    }
    closed = {
        "action": "closed",
        "number": 7,
        "pull_request": {**pull, "merged": True, "merged_by": {"login": "grace"}},
        "repository": repository,
    }
    for kind, delivery in (("push", push), ("pull_request", closed), ("deployment_status", deployed)):
        live = deliver("github", delivery, {"x-github-event": kind}, NOW)
        assert live.events
        assert {built.value["event_id"] for built in live.events} <= found.events.keys(), kind
        both = [*map(json.loads, lines_of(found)), *plain(live.events)]
        alone = numbers_of([json.loads(line) for line in lines_of(found)], JUDGED, "shop-api/prod")
        assert numbers_of(both, JUDGED, "shop-api/prod") == alone


def test_gitlab_gives_the_ids_that_its_webhooks_give() -> None:
    delivered = [body("gitlab", name) for name in ("incident-close", "deployment-success")]
    close, success = delivered
    incident = gitlab_incident(created_at="2026-03-03T10:00:00.120Z", closed_at="2026-03-03T10:40:00.420Z")
    deployment = {
        "id": 771,
        "ref": "main",
        "sha": sha("2a2a")[:40],
        "status": "success",
        "environment": {"name": "production", "tier": "production"},
        "user": {"username": "grace"},
        "deployable": {
            "id": 9921,
            "web_url": "https://gitlab.example/acme/checkout/shop-api/-/jobs/9921",
            "finished_at": "2026-03-03T09:25:00.000Z",
        },
    }
    found = found_in("gitlab", [incident, deployment])

    assert close["project"]["path_with_namespace"] == success["project"]["path_with_namespace"] == PROJECT
    for delivery in (body("gitlab", "incident-graded"), close, success):
        live = deliver("gitlab", delivery, at=NOW)
        assert {built.value["event_id"] for built in live.events} <= found.events.keys(), delivery["object_kind"]


def test_pagerduty_tells_the_same_facts_as_its_webhooks() -> None:
    """Its webhooks have ids of their own, which its API does not know: the events differ, what they say does not."""
    found = found_in("pagerduty", PAGERDUTY)
    incident = PAGERDUTY[0]["incidents"][0]
    moves = (("triggered", "14:00"), ("resolved", "14:40"), ("reopened", "15:00"), ("resolved", "15:20"))
    live = [
        event
        for number, (kind, clock) in enumerate(moves)
        for event in deliver(
            "pagerduty",
            {
                "event": {
                    "id": f"01-{number}",
                    "event_type": f"incident.{kind}",
                    "occurred_at": at(clock),
                    "data": {**incident, "reopened_at": at(clock) if kind == "reopened" else None},
                }
            },
            at=NOW,
        ).events
    ]
    past = [json.loads(line) for line in lines_of(found)]
    alone = numbers_of(past, JUDGED, "shop-api/prod")
    assert len(live) == len(past) == 4
    assert alone["restore_mean"] == HOUR
    assert numbers_of([*past, *plain(live)], JUDGED, "shop-api/prod") == alone


# --- order, repetition and what is broken -----------------------------------------------------------------------------
@pytest.mark.parametrize("source", READERS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_order_and_repetition_of_what_was_exported_gives_the_same(source: str, data: st.DataObject) -> None:
    objects = [
        one for each in READERS[source][1] for one in (each.get("incidents") or each.get("log_entries") or [each])
    ]
    again = data.draw(st.lists(st.sampled_from(objects), max_size=4))
    shuffled = data.draw(st.permutations([*objects, *again]))

    assert lines_of(found_in(source, shuffled)) == lines_of(found_in(source, objects))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("source", READERS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_nothing_that_json_can_say_breaks_an_import(source: str, data: st.DataObject) -> None:
    """One field of one object of the story is anything at all: events come of it, or it is named; nothing raises."""
    objects = copy.deepcopy(
        [one for each in READERS[source][1] for one in (each.get("incidents") or each.get("log_entries") or [each])]
    )
    place = data.draw(st.sampled_from(objects))
    for _ in range(data.draw(st.integers(0, 2))):
        inner = [value for value in place.values() if isinstance(value, dict) and value]
        if inner:
            place = data.draw(st.sampled_from(inner))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(json_values)

    found = found_in(source, objects)
    assert found.events or found.refused


@pytest.mark.parametrize(
    ("source", "entry", "problem"),
    [
        ("github", {"message": "Not Found", "documentation_url": "https://x"}, 'answered: "Not Found"'),
        ("github", {"id": 1}, "is none of these"),
        ("github", github_status(600, 99, "success", "12:00"), "its deployment 99 is in no export"),
        ("github", github_deployment(99, "a"), "no status is exported"),
        ("github", {**github_status(600, 31, "success", "12:00"), "created_at": None, "updated_at": None}, "say when"),
        ("gitlab", {"message": "401 Unauthorized"}, "401 Unauthorized"),
        ("gitlab", {"resource_id": 5, "state": "closed", "id": 1}, 'its issue "5" is in no export'),
        ("gitlab", gitlab_incident(10, created_at="soon"), "does not say when"),
        ("pagerduty", pagerduty_incident("Q9", service={"id": None, "summary": None}), "nothing names the service"),
        ("pagerduty", log_entry(9, "resolve", "12:00", "Q8"), "in no export"),
        ("pagerduty", pagerduty_incident("Q7", created_at="yesterday"), "does not say when"),
        ("pagerduty", {"error": {"message": "Invalid token"}}, "Invalid token"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_named_with_its_place(
    source: str, entry: dict[str, Any], problem: str, tmp_path: Path, capsys: Capture
) -> None:
    path = export(tmp_path / "export.json", *READERS[source][1], [entry])
    ran = history(capsys, tmp_path / "out", source, path)

    assert ran.code == 1
    assert len(ran.events) >= 4
    [refused] = [one for one in ran.summary["refused"] if problem in one["problem"]]
    assert refused["place"].startswith(f"{path}, entry ")
    assert problem in ran.said
