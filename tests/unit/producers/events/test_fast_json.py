"""`plain_event` may leave an event to the models, but it never takes what they refuse, nor reads it otherwise."""

import copy
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.events.fast_json import plain_event
from schemas.errors import InvalidEvent
from schemas.events import parse_event
from tests.support.events import event_id, sha

TIME: Final = "2026-01-05T09:00:00.5+01:00"
EVENT: Final[dict[str, Any]] = {
    "event_id": event_id("e1"),
    "event_type": "canary_promoted",
    "occurred_at": TIME,
    "emitted_at": "2026-01-05T09:00:00Z",
    "service": "shop",
    "env": "prod",
    "commit_sha": sha("c1"),
    "change_id": "shop#7",
    "deployment_id": "run-1",
    "incident_id": None,
    "artifact_digest": "sha256:ab",
    "lane": "hotfix",
    "source": {"system": "jenkins", "run_id": "7", "attempt": 2, "url": "https://ci/7", "actor": "Åsa"},
    "commit": {"parents": [sha("c0")], "critical_modules": [], "migration": True},
    "artifact": {"kind": "oci", "slsa_level": 3, "sbom_sha256": "a" * 64},
    "tests": {
        "suites": [{"kind": "unit", "executed": 8, "passed": 8, "skipped": 0}],
        "coverage": [{"module": "m", "critical": False, "line": 0.9, "threshold": 0.8}],
        "mutation": 0.7,
    },
    "scan": {
        "scanner": "grype",
        "db_updated_at": TIME,
        "counts": {"critical": 0, "high": 0, "medium": 1, "low": 2},
        "kev": ["CVE-2026-1"],
    },
    "policy": {"engine": "opa", "rules": [{"id": "r", "evaluated": 1, "failures": 0, "exceptions": 0}]},
    "canary": {
        "included_shas": [sha("c1"), sha("c0")],
        "weight": 100,
        "analysis": [{"metric": "errors", "verdict": "pass", "value": 0.1}],
    },
    "rollback": {"trigger": "auto", "to_sha": sha("c0"), "succeeded": True},
    "incident": {"severity": "sev1", "slo_met_at": TIME, "cause": {"service": "cart"}, "escaped_gates": ["canary"]},
    "attributes": {"helm.chart": "shop-1.2"},
}

Place = tuple[str | int, ...]


def _places(node: Any, at: Place = ()) -> Iterator[Place]:
    yield at
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, entry in entries:
        yield from _places(entry, (*at, name))


def _replaced(place: Place, value: object) -> dict[str, Any]:
    event = copy.deepcopy(EVENT)
    node: Any = event
    for name in place[:-1]:
        node = node[name]
    node[place[-1]] = value
    return event


def _without(place: Place) -> dict[str, Any]:
    event = copy.deepcopy(EVENT)
    node: Any = event
    for name in place[:-1]:
        node = node[name]
    del node[place[-1]]
    return event


def _agrees(event: dict[str, Any]) -> None:
    plain = plain_event(event)
    if plain is None:
        return
    assert plain == parse_event(json.dumps(event)).to_value()


PLACES: Final = [place for place in _places(EVENT) if place]
TIMES: Final = st.sampled_from(
    [TIME, "2026-01-05T09:00:00", "2026-02-30T09:00:00Z", "2026-01-05T09:00:00+25:00", "0001-01-01T00:00:00+14:00"]
)
VALUES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**70),
    st.floats(),
    st.text(st.characters(), max_size=5),
    st.sampled_from(["", "prod", "sev1", "auto", "UNKNOWN", "clock_tick", sha("c1").upper(), "ⅳ", "\ud800", "a\nb"]),
    TIMES,
    st.lists(st.sampled_from([sha("c1"), "x", 1, None]), max_size=2),
    st.dictionaries(st.sampled_from(["kind", "bogus"]), st.sampled_from(["change", 1, None]), max_size=2),
)


def test_an_event_with_everything_is_taken_at_once() -> None:
    assert plain_event(EVENT) == parse_event(json.dumps(EVENT)).to_value()


@given(place=st.sampled_from(PLACES), value=VALUES)
def test_it_takes_no_value_that_the_contract_reads_otherwise(place: Place, value: object) -> None:
    _agrees(_replaced(place, value))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_what_is_left_out_is_filled_as_the_contract_fills_it(place: Place) -> None:
    _agrees(_without(place))


@given(time=st.datetimes(timezones=st.timezones()))
def test_it_reads_a_time_as_the_contract_does(time: Any) -> None:
    event = _replaced(("occurred_at",), time.isoformat())
    plain = plain_event(event)
    try:
        expected = parse_event(json.dumps(event)).to_value()
    except InvalidEvent:
        assert plain is None
    else:
        assert plain is None or plain == expected


def test_what_it_fills_in_is_not_shared_between_events() -> None:
    first = plain_event(_without(("attributes",)))
    second = plain_event(_without(("attributes",)))

    assert first is not None
    assert second is not None
    assert first["attributes"] is not second["attributes"]


def test_notations_that_only_the_models_know_are_left_to_them() -> None:
    assert plain_event(_replaced(("commit_sha",), sha("c1").upper())) is None
    assert plain_event(_replaced(("occurred_at",), "2026-01-05 09:00:00 +0100")) is None
