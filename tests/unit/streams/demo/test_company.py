"""The simulated company: the same every time, true to the contract, and with everything a demo has to show."""

from collections import Counter

import pytest

from schemas.events import DeployEvent
from schemas.rules import check_event, check_time
from schemas.values import DAY, HOUR, EventValue, Micros
from streams.demo.company import OPEN_INCIDENT, history
from streams.demo.facts import PROD, STAGING
from streams.demo.habits import COMPANY

END: Micros = 1_790_000_000_000_000
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module", params=SEEDS)
def events(request: pytest.FixtureRequest) -> list[EventValue]:
    return list(history(request.param, END))


def test_the_same_seed_and_end_give_the_same_events() -> None:
    assert list(history(5, END)) == list(history(5, END))


def test_another_seed_gives_other_events() -> None:
    assert list(history(5, END)) != list(history(6, END))


def test_it_is_in_order_of_event_time_within_its_days_and_ends_at_end(events: list[EventValue]) -> None:
    times = [event["occurred_at"] for event in events]
    assert times == sorted(times)
    assert END - 90 * DAY <= times[0] <= END - 85 * DAY
    assert times[-1] == END


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_nothing_is_shipped_before_it_was_committed(hour: int) -> None:
    events = list(history(hour, END + hour * HOUR))
    first: dict[str, Micros] = {}
    for event in events:
        if event["event_type"] == "commit_created" and event["commit_sha"]:
            merge_sha = event["commit"]["merge_sha"] if event["commit"] else None
            for sha in (event["commit_sha"], merge_sha or event["commit_sha"]):
                first.setdefault(sha, event["occurred_at"])
    for event in events:
        if event["event_type"] == "canary_promoted" and event["canary"]:
            for sha in event["canary"]["included_shas"] or []:
                assert first[sha] < event["occurred_at"]


def test_fewer_days_make_a_shorter_history() -> None:
    times = [event["occurred_at"] for event in history(1, END, days=7)]
    assert min(times) >= END - 7 * DAY
    assert max(times) == END


def test_every_event_obeys_the_contract_and_has_its_own_id(events: list[EventValue]) -> None:
    for event in events:
        check_event(event)
        check_time(event, END, 0)
    assert len({event["event_id"] for event in events}) == len(events)


def test_every_event_survives_the_way_through_json(events: list[EventValue]) -> None:
    for event in events[:: len(events) // 50]:
        text = DeployEvent.from_value(event).model_dump_json()
        assert DeployEvent.model_validate_json(text).to_value() == event


def test_all_ten_event_types_happen_in_every_service_that_can(events: list[EventValue]) -> None:
    assert {event["event_type"] for event in events} == {
        "commit_created", "artifact_built", "tests_passed", "security_scanned", "policy_passed", "canary_started",
        "canary_promoted", "rollback_triggered", "incident_opened", "incident_resolved",
    }  # fmt: skip
    assert {event["service"] for event in events} == {habits.service for habits in COMPANY}
    assert {event["env"] for event in events} == {None, PROD, STAGING}


def test_the_legacy_service_has_no_canaries_and_never_rehearses(events: list[EventValue]) -> None:
    legacy = [event for event in events if event["service"] == "ledger-legacy"]
    assert not [event for event in legacy if event["event_type"] == "canary_started"]
    assert {event["service"] for event in events if event["lane"] == "rehearsal"} == {
        habits.service for habits in COMPANY if habits.rehearses
    }


def test_commits_come_under_requests_alone_and_squashed(events: list[EventValue]) -> None:
    commits = [event for event in events if event["event_type"] == "commit_created"]
    assert any(event["change_id"] is None for event in commits)
    assert any(event["commit"] and event["commit"]["merge_sha"] for event in commits)
    assert any(event["change_id"] and event["commit"] and not event["commit"]["merge_sha"] for event in commits)


def test_rollbacks_are_automatic_and_manual_before_and_after_promotion(events: list[EventValue]) -> None:
    promoted = {event["deployment_id"] for event in events if event["event_type"] == "canary_promoted"}
    seen = Counter[tuple[str, bool]]()
    for event in events:
        if event["event_type"] == "rollback_triggered" and event["rollback"] and event["env"] == PROD:
            seen[event["rollback"]["trigger"], _promoted_in_prod(events, event["deployment_id"])] += 1
    assert promoted
    assert {("auto", False), ("manual", False), ("manual", True)} <= seen.keys()


def _promoted_in_prod(events: list[EventValue], deployment_id: str | None) -> bool:
    return any(
        event["event_type"] == "canary_promoted" and event["env"] == PROD and event["deployment_id"] == deployment_id
        for event in events
    )


def test_incidents_come_in_every_kind(events: list[EventValue]) -> None:
    opened = [event for event in events if event["event_type"] == "incident_opened"]
    closed = [event for event in events if event["event_type"] == "incident_resolved"]
    causes = [event["incident"]["cause"] for event in closed if event["incident"] and event["incident"]["cause"]]
    assert {event["incident"]["severity"] for event in opened if event["incident"]} == {"sev1", "sev2", "sev3", "sev4"}
    assert "change" in {cause["kind"] for cause in causes}
    assert any(cause["service"] for cause in causes)
    assert any(event["incident"]["slo_met_at"] for event in closed if event["incident"])
    assert max(Counter(event["incident_id"] for event in opened).values()) > 1
    assert any(event["commit_sha"] for event in opened)
    assert any(event["deployment_id"] for event in opened)


def test_hotfixes_and_rehearsals_have_their_lanes(events: list[EventValue]) -> None:
    assert {event["lane"] for event in events} == {"normal", "hotfix", "rehearsal"}


def test_canaries_are_superseded(events: list[EventValue]) -> None:
    assert any(not finished for starts in _begun(events).values() for _, finished in starts[:-1])


def test_it_ends_with_a_canary_left_alone_and_an_incident_far_from_any_release(events: list[EventValue]) -> None:
    at, finished = _begun(events)["identity"][-1]
    assert not finished
    assert at < END - DAY
    opened = [e for e in events if e["service"] == "identity" and e["event_type"] == "incident_opened"]
    assert opened[-1]["occurred_at"] > at + DAY


def test_it_ends_with_a_canary_running_one_just_undone_and_an_incident_open(events: list[EventValue]) -> None:
    at, finished = _begun(events)["payments"][-1]
    assert not finished
    assert END - HOUR < at < END
    undone = [e for e in events if e["service"] == "search" and e["event_type"] == "rollback_triggered"]
    assert END - 3 * HOUR < undone[-1]["occurred_at"] < END
    service, incident_id = OPEN_INCIDENT
    about = [e for e in events if e["service"] == service and e["incident_id"] == incident_id]
    assert [e["event_type"] for e in about] == ["incident_opened"]


def _begun(events: list[EventValue]) -> dict[str, list[tuple[Micros, bool]]]:
    """Per service, in order: when each canary in production began and whether it finished."""
    done = {
        (event["service"], event["deployment_id"])
        for event in events
        if event["env"] == PROD and event["event_type"] in {"canary_promoted", "rollback_triggered"}
    }
    begun: dict[str, list[tuple[Micros, bool]]] = {}
    for event in events:
        if event["event_type"] == "canary_started":
            finished = (event["service"], event["deployment_id"]) in done
            begun.setdefault(event["service"], []).append((event["occurred_at"], finished))
    return begun
