import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import events
from schemas.errors import FutureTimestamp, InvalidEvent
from schemas.events import DeployEvent, EventType, new_event_id, parse_event
from schemas.fingerprint import fingerprint
from schemas.rules import MAX_ATTRIBUTES, REQUIRED, check_event, check_time
from schemas.values import HOUR, MINUTE, EventValue
from tests.support.builders.golden_messages import goldens

SHA: Final = "9f2c4e1ab7" * 4
GOLDENS: Final = {each.name: json.loads(each.json_text) for each in goldens() if each.record == "deploy_event"}


def event(name: str = "canary_promoted", **changes: Any) -> dict[str, Any]:
    """Return a golden event in JSON's shape, changed; a change to None takes the field away."""
    fields = {**GOLDENS[name], **changes}
    return {key: value for key, value in fields.items() if value is not None}


def part(name: str, field: str, **changes: Any) -> dict[str, Any]:
    return event(name, **{field: {**GOLDENS[name][field], **changes}})


def refused(data: Any) -> InvalidEvent:
    """Return the error that data is refused with, the same as a mapping and as JSON."""
    with pytest.raises(InvalidEvent) as as_mapping:
        parse_event(data)
    with pytest.raises(InvalidEvent) as as_json:
        parse_event(json.dumps(data))
    assert as_mapping.value.path == as_json.value.path
    return as_json.value


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_an_event_survives_json_and_its_value(name: str) -> None:
    first = parse_event(GOLDENS[name])
    assert parse_event(first.model_dump_json()) == first
    assert parse_event(first.model_dump_json().encode()) == first
    assert parse_event(first.model_dump()) == first
    assert DeployEvent.from_value(first.to_value()) == first


SHAPES: Final = [
    pytest.param(event(occurred_at="2026-01-05T12:00:00"), "occurred_at", "no time zone", id="naive time"),
    pytest.param(
        part("incident_resolved", "incident", slo_met_at="2026-01-05T12:00:00"), "incident.slo_met_at", "no time zone",
        id="naive time inside",
    ),
    pytest.param(event(occurred_at=1_767_000_000), "occurred_at", "is not a time", id="time as a number"),
    pytest.param(event(occurred_at="1767000000"), "occurred_at", "is not a time", id="time as digits"),
    pytest.param(event(occurred_at="2026-01-05"), "occurred_at", "is not a time", id="date alone"),
    pytest.param(event(occurred_at="2026-13-05T12:00:00Z"), "occurred_at", "month", id="thirteenth month"),
    pytest.param(event(occurred_at="0001-01-01T00:00:00+01:00"), "occurred_at", "", id="before the first year"),
    pytest.param(event(colour="red"), "colour", "is not a field of the contract", id="unknown field"),
    pytest.param(part("canary_promoted", "canary", weigth=1), "canary.weigth", "is not a field", id="unknown inside"),
    pytest.param(event(service=None), "service", "is missing", id="no service"),
    pytest.param(event("tests_passed", tests={"suites": [{"kind": "unit"}]}), "tests.suites[0].executed", "is missing",
                 id="missing in a list"),
    pytest.param(event(service=7), "service", "should be text", id="number for text"),
    pytest.param(part("canary_promoted", "canary", weight="9"), "canary.weight", "valid integer", id="text for number"),
    pytest.param(part("canary_promoted", "canary", weight=1.0), "canary.weight", "valid integer", id="fraction"),
    pytest.param(part("rollback_triggered", "rollback", succeeded="yes"), "rollback.succeeded", "boolean", id="yes"),
    pytest.param(part("canary_promoted", "canary", included_shas=SHA), "canary.included_shas", "a list", id="no list"),
    pytest.param(event(event_type="moon_landed"), "event_type", "should be", id="unknown type"),
    pytest.param(event(lane="fast"), "lane", "should be", id="unknown lane"),
    pytest.param(part("rollback_triggered", "rollback", trigger="cron"), "rollback.trigger", "or 'manual'", id="cron"),
    pytest.param(event(event_id="4711"), "event_id", "is not a UUID", id="id no UUID"),
    pytest.param(event(attributes={"a": 1}), "attributes.a", "should be text", id="attribute a number"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "path", "problem"), SHAPES)
def test_a_wrong_shape_is_refused_with_its_path(data: dict[str, Any], path: str, problem: str) -> None:
    error = refused(data)
    assert error.path == path
    assert problem in error.problem


SHORT: Final = SHA[:12]
RULES: Final = [
    (event(commit_sha=SHORT), "commit_sha", "is not a full commit hash"),
    (event(commit_sha="HEAD"), "commit_sha", "is not a full commit hash"),
    (event(commit_sha=SHA + "\n"), "commit_sha", "is not a full commit hash"),
    (part("canary_promoted", "canary", included_shas=[SHA, "HEAD"]), "canary.included_shas[1]", "full commit hash"),
    (part("commit_created", "commit", merge_sha=SHORT), "commit.merge_sha", "is not a full commit hash"),
    (part("commit_created", "commit", parents=[SHORT]), "commit.parents[0]", "is not a full commit hash"),
    (part("rollback_triggered", "rollback", to_sha="HEAD"), "rollback.to_sha", "is not a full commit hash"),
    (part("rollback_triggered", "rollback", path_sha256=SHA), "rollback.path_sha256", "is not a SHA-256"),
    (part("incident_opened", "incident", severity="critical"), "incident.severity", "is not a severity"),
    (part("incident_opened", "incident", severity="sev6"), "incident.severity", "is not a severity"),
    (part("incident_resolved", "incident", cause={"commit_sha": SHORT}), "incident.cause.commit_sha", "commit hash"),
    (part("incident_resolved", "incident", cause={"service": "a b"}), "incident.cause.service", "name of a service"),
    (part("incident_resolved", "incident", cause={"deployment_id": ""}), "incident.cause.deployment_id", "not an id"),
    (event(service="a b"), "service", "is not the name of a service"),
    (event(service=""), "service", "is not the name of a service"),
    (event(service="a" * 201), "service", "is not the name of a service"),
    (event(service="-a"), "service", "is not the name of a service"),
    (event("clock_tick", service="a b"), "service", "is not the name of a service"),
    (event(env="prod/eu"), "env", "is not the name of an environment"),
    (event(env=""), "env", "is not the name of an environment"),
    (event(deployment_id="a\tb"), "deployment_id", "is not an id"),
    (event(deployment_id="a" * 257), "deployment_id", "is not an id"),
    (event(change_id="a\x85b"), "change_id", "is not an id"),
    (event("incident_opened", incident_id=""), "incident_id", "is not an id"),
    (event(occurred_at="1970-01-01T00:00:00Z"), "occurred_at", "after 2000-01-01"),
    (event(emitted_at="1999-12-31T23:59:59Z"), "emitted_at", "after 2000-01-01"),
    (part("security_scanned", "scan", db_updated_at="0001-01-01T00:00:00Z"), "scan.db_updated_at", "after 2000"),
    (part("canary_promoted", "canary", weight=101), "canary.weight", "share of the traffic"),
    (part("canary_promoted", "canary", weight=-1), "canary.weight", "share of the traffic"),
    (
        event("tests_passed", tests={"suites": [{"kind": "unit", "executed": 1, "passed": -1, "skipped": 0}]}),
        "tests.suites[0].passed",
        "from 0 up",
    ),
    (
        part("security_scanned", "scan", counts={"critical": 0, "high": -2, "medium": 0, "low": 0}),
        "scan.counts.high",
        "0",
    ),
    (event(attributes={str(n): "" for n in range(MAX_ATTRIBUTES + 1)}), "attributes", "has 257 entries"),
    (event(attributes={"big": "é" * 511}), "attributes.big", "have 1025 bytes"),
    (part("incident_resolved", "incident", escaped_gates=["x"] * 10_001), "incident.escaped_gates", "10001 entries"),
    (event(event_type="UNKNOWN"), "event_type", "does not know the event type UNKNOWN"),
]


@pytest.mark.parametrize(("data", "path", "problem"), RULES)
def test_a_broken_rule_is_refused_with_its_path(data: dict[str, Any], path: str, problem: str) -> None:
    error = refused(data)
    assert error.path == path
    assert problem in error.problem


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"origin": None}, "attributes.origin"),
        ({"origin": "no service"}, "attributes.origin"),
        ({"version": "-1"}, "attributes.version"),
        ({"holds": "yes"}, "attributes.holds"),
    ],
)
def test_a_link_that_no_worker_wrote_is_refused(changes: dict[str, str | None], path: str) -> None:
    attributes = {**GOLDENS["cause_linked"]["attributes"], **changes}
    given = {name: value for name, value in attributes.items() if value is not None}
    assert refused(event("cause_linked", attributes=given)).path == path


@pytest.mark.parametrize(
    ("name", "names"), [(name, names) for name, required in REQUIRED.items() for names in required]
)
def test_each_type_is_refused_without_what_it_needs(name: str, names: tuple[str, ...]) -> None:
    error = refused(event(name, **dict.fromkeys(names)))
    assert error.path == names[0]
    assert error.problem == f"{name} needs {' or '.join(names)}"


@pytest.mark.parametrize("name", ["canary_started", "canary_promoted"])
def test_either_the_deployment_or_the_commit_is_enough(name: str) -> None:
    assert parse_event(event(name, deployment_id=None)).deployment_id is None
    assert parse_event(event(name, commit_sha=None)).commit_sha is None


def test_every_type_but_unknown_has_its_needs_written_down() -> None:
    assert {*REQUIRED, "UNKNOWN"} == set(EventType)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    text = json.dumps(event("tests_passed", tests={"mutation": 0})).replace('"mutation": 0', f'"mutation": {number}')
    with pytest.raises(InvalidEvent) as caught:
        parse_event(text)
    assert caught.value.path == "tests.mutation"
    value = parse_event(event("tests_passed")).to_value()
    assert value["tests"] is not None
    value["tests"]["mutation"] = float(number)
    with pytest.raises(InvalidEvent, match=r"tests\.mutation: is not a number from 0 up"):
        check_event(value)


def test_several_faults_are_all_named() -> None:
    error = refused(event(service=7, lane="fast"))
    assert error.path == "service"
    assert "lane: should be" in str(error)


def test_a_typing_mistake_is_met_with_the_right_name() -> None:
    assert refused(event(comit_sha=SHA)).hint == "did you mean commit_sha?"
    assert refused(part("canary_promoted", "canary", colour=1)).hint == (
        "known are included_shas, weight, analysis, promoted_by"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "7", "[" * 100_000, b"\xff", '{"event_id": "\\ud800"}'])
def test_what_is_no_json_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidEvent):
        parse_event(text)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_text_is_an_event_or_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidEvent):
        parse_event(text)


def test_hashes_and_ids_are_lower_cased() -> None:
    upper = event(commit_sha=SHA.upper(), event_id="1CA7BEDA-8189-5879-88F0-921BB32C06B2")
    value = parse_event(upper).to_value()
    assert (value["commit_sha"], value["event_id"]) == (SHA, "1ca7beda-8189-5879-88f0-921bb32c06b2")


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05T12:00:00.123456Z",
        "2026-01-05T13:00:00.123456+01:00",
        "2026-01-05 12:00:00.123456 +0000",
        "2026-01-05t12:00:00.123456789z",
    ],
)
def test_a_moment_is_the_same_in_any_zone_and_cut_to_microseconds(text: str) -> None:
    moment = datetime(2026, 1, 5, 12, 0, 0, 123_456, tzinfo=UTC)
    assert parse_event(event(occurred_at=text)).occurred_at == moment


def test_events_cannot_be_changed() -> None:
    found = parse_event(event())
    with pytest.raises(ValueError, match="frozen"):
        found.service = "other"  # type: ignore[misc]


def test_an_id_follows_from_its_natural_key() -> None:
    """The ids of events already sent depend on it."""
    assert str(new_event_id("github|deployment_status|4711")) == "639da739-042c-540e-9d8e-da0091e37b76"
    assert new_event_id("a") != new_event_id("b")


LIMIT: Final = 5 * MINUTE


@pytest.mark.parametrize("field", ["occurred_at", "incident.slo_met_at", "incident.alert_cleared_at"])
def test_a_time_ahead_of_its_broker_is_refused_beyond_the_limit_only(field: str) -> None:
    value = parse_event(event("incident_resolved")).to_value()
    assert value["incident"] is not None
    append_time = max(value["occurred_at"], value["incident"]["slo_met_at"] or 0) + HOUR
    target: Any = value["incident"] if "." in field else value
    target[field.rpartition(".")[2]] = append_time + LIMIT
    check_time(value, append_time, LIMIT)
    target[field.rpartition(".")[2]] += 1
    with pytest.raises(FutureTimestamp) as caught:
        check_time(value, append_time, LIMIT)
    assert (caught.value.path, caught.value.reason) == (field, "future_timestamp")


def _value(**changes: Any) -> EventValue:
    return parse_event(event(**changes)).to_value()


def test_a_fingerprint_is_of_the_content_alone() -> None:
    base = fingerprint(_value())
    assert fingerprint(_value(event_id=str(new_event_id("other")), emitted_at="2026-01-09T00:00:00Z")) == base
    assert fingerprint(_value(attributes=dict(reversed(GOLDENS["canary_promoted"]["attributes"].items())))) == base
    assert len(base) == 8


@pytest.mark.parametrize(
    "changes",
    [
        {"service": "other"},
        {"occurred_at": "2026-01-05T12:00:00.000001Z"},
        {"attributes": {"team": "other"}},
        {"canary": {"weight": 50}},
        {"lane": "hotfix"},
        {"deployment_id": None, "change_id": "checkout-74"},
    ],
)
def test_a_fingerprint_differs_where_the_content_does(changes: dict[str, Any]) -> None:
    assert fingerprint(_value(**changes)) != fingerprint(_value())


def test_a_fingerprint_is_the_same_in_every_process_and_with_later_fields() -> None:
    """It is kept in stored state: another one would make every redelivery a conflict."""
    value: Any = _value()
    assert fingerprint(value).hex() == "ef18cd652cc32724"
    value["later"] = None
    value["canary"]["later"] = None
    value["canary"]["analysis"][0]["later"] = None
    assert fingerprint(value) == fingerprint(_value())


def test_the_models_take_the_names_of_the_design() -> None:
    """`Tests` is read through its module: pytest would take the class for a test."""
    assert events.DeployEvent.model_fields["tests"].annotation == events.Tests | None
