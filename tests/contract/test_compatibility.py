import copy
import json
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

from schemas.codec.codec import Schema, load_schema, schema_versions
from schemas.compatibility import full_faults
from tests.support.builders.golden_messages import MODELS

Change = Callable[[dict[str, Any]], None]

BASE: dict[str, Any] = {
    "type": "record",
    "name": "Thing",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "size", "type": ["null", "long"], "default": None},
        {"name": "share", "type": "double"},
        {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {}},
        {
            "name": "kind",
            "type": {"type": "enum", "name": "Kind", "symbols": ["UNKNOWN", "a", "b"], "default": "UNKNOWN"},
        },
        {"name": "closed", "type": {"type": "enum", "name": "Closed", "symbols": ["x", "y"]}},
        {
            "name": "parts",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "Part", "fields": [{"name": "n", "type": "long"}]},
            },
            "default": [],
        },
        {"name": "main", "type": ["null", "Part"], "default": None},
    ],
}


def _changed(change: Change) -> list[str]:
    new = copy.deepcopy(BASE)
    change(new)
    old_parsed, new_parsed = (Schema.parse("thing", json.dumps(source)).parsed for source in (BASE, new))
    return full_faults(old_parsed, new_parsed)


def _field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(field for field in schema["fields"] if field["name"] == name)
    return found


@pytest.mark.parametrize("record", sorted(MODELS))
def test_all_versions_read_each_other(record: str) -> None:
    parsed = [load_schema(record, version).parsed for version in schema_versions(record)]
    assert full_faults(parsed[0], parsed[0]) == []
    assert [full_faults(old, new) for old, new in combinations(parsed, 2) if full_faults(old, new)] == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda s: s["fields"].append({"name": "x", "type": "long", "default": 0}), id="field with a default"
        ),
        pytest.param(lambda s: s["fields"].append({"name": "x", "type": ["null", "Part"], "default": None}), id="null"),
        pytest.param(lambda s: s["fields"].remove(_field(s, "size")), id="optional field removed"),
        pytest.param(
            lambda s: s["fields"].reverse() or s["fields"].sort(key=lambda f: f["name"] == "main"), id="order"
        ),
        pytest.param(lambda s: _field(s, "kind")["type"]["symbols"].append("c"), id="symbol added to an open enum"),
        pytest.param(lambda s: _field(s, "kind")["type"]["symbols"].remove("a"), id="symbol removed from an open enum"),
        pytest.param(lambda s: _field(s, "id").update(doc="the id"), id="doc"),
    ],
)
def test_a_compatible_change_passes(change: Change) -> None:
    assert _changed(change) == []


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        pytest.param(
            lambda s: s["fields"].append({"name": "x", "type": "long"}),
            ["new reader, old message: x: not in the message, and without a default"],
            id="field added without default",
        ),
        pytest.param(
            lambda s: s["fields"].remove(_field(s, "id")),
            ["old reader, new message: id: not in the message, and without a default"],
            id="field removed that had no default",
        ),
        pytest.param(
            lambda s: _field(s, "id").update(type="long"),
            ["new reader, old message: id: string is not long", "old reader, new message: id: long is not string"],
            id="type changed",
        ),
        pytest.param(
            lambda s: _field(s, "size").update(type=["null", "double"]),
            ["old reader, new message: size: no branch for double"],
            id="type widened: the old reader cannot",
        ),
        pytest.param(
            lambda s: _field(s, "share").update(type=["null", "double"]),
            ["old reader, new message: share: null is not double"],
            id="field made nullable",
        ),
        pytest.param(
            lambda s: _field(s, "tags")["type"].update(values="long"),
            [
                "new reader, old message: tags{}: string is not long",
                "old reader, new message: tags{}: long is not string",
            ],
            id="values of a map changed",
        ),
        pytest.param(
            lambda s: _field(s, "closed")["type"]["symbols"].append("z"),
            ["old reader, new message: closed: z unknown to the reader, whose enum has no default"],
            id="symbol added to a closed enum",
        ),
        pytest.param(
            lambda s: _field(s, "closed")["type"]["symbols"].remove("y"),
            ["new reader, old message: closed: y unknown to the reader, whose enum has no default"],
            id="symbol removed from a closed enum",
        ),
        pytest.param(
            lambda s: _field(s, "kind")["type"].update(name="Sort"),
            ["new reader, old message: kind: Kind is not Sort", "old reader, new message: kind: Sort is not Kind"],
            id="enum renamed",
        ),
        pytest.param(
            lambda s: _field(s, "parts")["type"]["items"]["fields"].append({"name": "m", "type": "string"}),
            [
                "new reader, old message: parts[].m: not in the message, and without a default",
                "new reader, old message: main.m: not in the message, and without a default",
            ],
            id="field added inside a list and wherever its type is used",
        ),
    ],
)
def test_an_incompatible_change_fails(change: Change, faults: list[str]) -> None:
    assert _changed(change) == faults
