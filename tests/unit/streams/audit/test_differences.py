"""Two records beside each other: every field in which they differ, and no other."""

from typing import Any

import pytest

from streams.audit.differences import ABSENT, Difference, FieldDifference, field_differences, shown
from streams.audit.provenance import ProvenanceEvent, RecordProvenance


@pytest.mark.parametrize(
    ("published", "recomputed", "paths"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": 1}, {}, ["a"]),
        ({}, {"a": 1}, ["a"]),
        ({"a": None}, {}, ["a"]),
        ({"a": 1, "b": 2}, {"b": 3, "a": 4}, ["b", "a"]),
        ({"a": {"b": [1, 2, 3]}}, {"a": {"b": [1, 0, 3]}}, ["a.b[1]"]),
        ([1, 2], [1], ["[1]"]),
        ([1], [1, 2], ["[1]"]),
        ([], [], []),
        ([[1], [2]], [[1], [3]], ["[1][0]"]),
        ({"a": [1]}, {"a": {"b": 1}}, ["a"]),
        ({"a": {"b": 1}}, {"a": [1]}, ["a"]),
        ([1], 1, [""]),
        (1, [1], [""]),
        ({"a": 1}, None, [""]),
        (None, {"a": 1}, [""]),
        (1, True, [""]),
        (1, 1.0, [""]),
        (0, False, [""]),
        ("1", 1, [""]),
        (None, None, []),
    ],
)
def test_where_they_differ(published: Any, recomputed: Any, paths: list[str]) -> None:
    assert [one.path for one in field_differences(published, recomputed)] == paths


def test_both_values_are_told() -> None:
    assert list(field_differences({"a": [1], "c": 2}, {"a": [1, 5], "b": 3, "c": 2})) == [
        FieldDifference("a[1]", ABSENT, 5),
        FieldDifference("b", ABSENT, 3),
    ]
    assert list(field_differences({"a": [1, 5]}, {"a": [1]})) == [FieldDifference("a[1]", 5, ABSENT)]


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (b"\x01\xff", "01ff"),
        ({"a": b"\x01", "b": [b"\x02", {"c": b"\x03"}]}, {"a": "01", "b": ["02", {"c": "03"}]}),
        ("text", "text"),
        (1, 1),
        (None, None),
    ],
)
def test_as_json_holds_it(value: Any, json: Any) -> None:
    assert shown(value) == json


def test_with_the_events_behind_it() -> None:
    found = Difference("incidents", "shop/i1", "different", (FieldDifference("title", "a", b"\x01"),))
    behind = RecordProvenance((ProvenanceEvent(1, 7, "incident_opened"),), 3)
    assert found.with_events(None) is found
    assert found.with_events(behind).behind == behind
    assert found.with_events(behind).to_value() == {
        "topic": "incidents",
        "key": "shop/i1",
        "problem": "different",
        "fields": [{"path": "title", "published": "a", "recomputed": "01"}],
        "events": [ProvenanceEvent(1, 7, "incident_opened")._asdict()],
        "events_total": 3,
    }
    assert found.to_value()["events_total"] == 0
