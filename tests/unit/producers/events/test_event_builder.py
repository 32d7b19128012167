from datetime import UTC, datetime, timedelta

import pytest

from producers.events.event_builder import Assignment, build_event, event_from
from producers.events.event_id import natural_key
from schemas.errors import ContractError, FutureTimestamp, InvalidEvent
from schemas.events import new_event_id, parse_event
from schemas.models import to_micros
from tests.support.events import sha

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


def _assigned(**fields: object) -> list[Assignment]:
    """Assignments to fields; "__" stands for a dot."""
    given: dict[str, object] = {"event_type": "commit_created", "service": "shop", "commit_sha": sha("c1")}
    given["occurred_at"] = "2026-01-05T09:00:00Z"
    return [Assignment(name.replace("__", "."), value, f"--{name}") for name, value in (given | fields).items()]


def test_nested_fields_become_records() -> None:
    built = build_event(_assigned(commit__author="ada", commit__parents=[sha("c0")], source__system="jenkins"), NOW)

    assert built.value["commit"] is not None
    assert built.value["commit"]["author"] == "ada"
    assert built.value["commit"]["parents"] == [sha("c0")]
    assert built.value["source"] is not None
    assert built.value["source"]["system"] == "jenkins"


def test_the_name_of_an_attribute_may_have_dots() -> None:
    built = build_event(_assigned(attributes__helm__chart="shop-1.2"), NOW)

    assert built.value["attributes"] == {"helm.chart": "shop-1.2"}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"commit_sha": "abc"}, "commit_sha"),
        ({"commit__parents": [sha("c0"), "abc"]}, "commit.parents[1]"),
        ({"commit__autor": "ada"}, "commit.autor"),
        ({"service": None}, "service"),
        ({"occurred_at": "2026-01-05T09:00:00"}, "occurred_at"),
        ({"event_type": "incident_opened"}, "env"),
        ({"event_type": "clock_tick"}, "event_type"),
        (
            {
                "event_type": "cause_linked",
                "env": "prod",
                "incident_id": "I",
                "incident": {},
                "attributes": {"origin": "shop", "version": "1", "holds": "true"},
            },
            "event_type",
        ),
        ({"event_id": "one"}, "event_id"),
        ({"lane": "slow"}, "lane"),
        ({"attributes__note": 7}, "attributes.note"),
        ({"commit": {}, "commit__author": "ada"}, "commit.author"),
        ({"commit__author": "ada", "commit": {}}, "commit"),
    ],
)
def test_what_the_contract_refuses_is_refused_at_its_field(fields: dict[str, object], path: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        build_event(_assigned(**fields), NOW)

    assert refused.value.path == path


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"occurred_at": (NOW + timedelta(minutes=5, microseconds=1)).isoformat()}, "occurred_at"),
        ({"incident__slo_met_at": (NOW + timedelta(hours=1)).isoformat()}, "incident.slo_met_at"),
    ],
)
def test_a_time_that_the_worker_would_refuse_as_future_is_refused_here(fields: dict[str, object], path: str) -> None:
    with pytest.raises(FutureTimestamp) as refused:
        build_event(_assigned(**fields), NOW)

    assert refused.value.path == path


def test_a_clock_five_minutes_fast_is_tolerated() -> None:
    built = build_event(_assigned(occurred_at=(NOW + timedelta(minutes=5)).isoformat()), NOW)

    assert built.value["occurred_at"] == to_micros(NOW + timedelta(minutes=5))


def test_an_event_without_an_id_gets_the_same_one_every_time() -> None:
    first = build_event(_assigned(), NOW)
    second = build_event(_assigned(emitted_at="2026-01-05T09:30:00Z"), NOW + timedelta(hours=1))

    assert first.value["event_id"] == second.value["event_id"]
    assert first.value["event_id"] == str(new_event_id(natural_key(first.value)))


def test_an_id_that_is_given_is_kept() -> None:
    given = "1CA7BEDA-8189-5879-88f0-921bb32c06b2"

    assert build_event(_assigned(event_id=given), NOW).value["event_id"] == given.lower()


def test_what_a_dry_run_prints_is_the_same_event_again() -> None:
    built = build_event(_assigned(commit__author="ada"), NOW)

    assert parse_event(built.as_json()).to_value() == built.value
    assert "\n" not in built.as_json()
    assert "null" not in built.as_json()


def test_every_value_is_explained_with_its_origin() -> None:
    built = build_event(_assigned(commit__parents=[sha("c0")], source={"system": "jenkins"}), NOW)

    origins = {path: origin for path, _, origin in built.explained()}

    assert origins["commit.parents"] == "--commit__parents"
    assert origins["source.system"] == "--source"
    assert origins["lane"] == "default of the contract"
    assert origins["event_id"].startswith("derived from ")


def test_half_a_surrogate_pair_is_refused_and_not_sent_on() -> None:
    line = {"event_type": "commit_created", "service": "shop", "occurred_at": "2026-01-05T09:00:00Z"}

    with pytest.raises(ContractError):
        event_from({**line, "commit_sha": sha("c1"), "change_id": "\ud800"}, NOW)
