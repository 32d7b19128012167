from typing import Any

import pytest

from producers.events.event_id import natural_key
from schemas.values import EventTypeName
from tests.support.events import event, sha

SOURCE = {"system": "jenkins", "run_id": "17", "attempt": 1, "url": None, "actor": None}


def _key(event_type: EventTypeName = "commit_created", at: str = "09:00", **fields: Any) -> str:
    return natural_key(event(event_type, at, **({"commit_sha": sha("c1")} | fields)))


def test_says_who_reports_what_of_which_thing() -> None:
    assert _key() == f"candora-ci|commit_created|normal|shop||{sha('c1')}||||||"


@pytest.mark.parametrize(
    "other",
    [
        {"at": "10:00"},
        {"emitted_at": 1},
        {"attributes": {"job": "2"}},
        {"event_id": "11111111-1111-1111-1111-111111111111"},
    ],
)
def test_reporting_a_commit_again_is_the_same_report(other: dict[str, Any]) -> None:
    assert _key(**other) == _key()


def test_running_a_test_job_again_is_the_same_report() -> None:
    again = SOURCE | {"attempt": 2}

    assert _key("tests_passed", source=SOURCE) == _key("tests_passed", source=again)


@pytest.mark.parametrize(
    "other",
    [
        {"service": "cart"},
        {"env": "prod"},
        {"commit_sha": sha("c2")},
        {"change_id": "shop#7"},
        {"lane": "hotfix"},
        {"source": SOURCE},
        {"scan": {"scanner": "grype", "counts": {"high": 0}}},
    ],
)
def test_reporting_something_else_is_another_report(other: dict[str, Any]) -> None:
    assert _key(**other) != _key()


@pytest.mark.parametrize("event_type", ["canary_started", "canary_promoted", "rollback_triggered"])
def test_the_same_sha_can_be_rolled_out_again_by_another_run(event_type: EventTypeName) -> None:
    first = _key(event_type, env="prod", source=SOURCE)

    assert _key(event_type, env="prod", source=SOURCE | {"run_id": "18"}) != first
    assert _key(event_type, env="prod", source=SOURCE | {"attempt": 2}) != first
    assert _key(event_type, env="prod", source=SOURCE, at="10:00") == first


@pytest.mark.parametrize("event_type", ["canary_started", "canary_promoted", "rollback_triggered"])
def test_without_a_run_and_a_deployment_the_time_tells_two_rollouts_apart(event_type: EventTypeName) -> None:
    assert _key(event_type, "09:00", env="prod") != _key(event_type, "10:00", env="prod")
    assert _key(event_type, "09:00", deployment_id="D1") == _key(event_type, "10:00", deployment_id="D1")


def test_a_rollback_of_one_deployment_can_be_rehearsed_again() -> None:
    """Each renews the freshness of rehearsals; of two reports with one id, the earlier counts."""
    monthly = {"deployment_id": "D1", "env": "staging", "lane": "rehearsal"}
    assert _key("rollback_triggered", "09:00", **monthly) != _key("rollback_triggered", "10:00", **monthly)
    night = monthly | {"source": SOURCE}
    assert _key("rollback_triggered", "09:00", **night) == _key("rollback_triggered", "10:00", **night)


@pytest.mark.parametrize("event_type", ["incident_opened", "incident_resolved"])
def test_an_incident_can_be_opened_and_resolved_again(event_type: EventTypeName) -> None:
    assert _key(event_type, "09:00", incident_id="I") != _key(event_type, "10:00", incident_id="I")


def test_a_bar_inside_a_name_does_not_look_like_two_names() -> None:
    assert _key(change_id="a|b", deployment_id="c") != _key(change_id="a", deployment_id="b|c")


def test_a_field_added_to_the_contract_later_does_not_change_it() -> None:
    today = {"scanner": "grype", "counts": {"high": 0}, "kev": [{"id": "CVE-1"}]}
    later = {"scanner": "grype", "counts": {"high": 0, "new": None}, "kev": [{"id": "CVE-1", "new": None}], "new": None}

    assert _key(scan=today) == _key(scan=later)
