"""What is published differs from the log: each way is found, and nothing else."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from streams.audit.differences import ABSENT, Difference, FieldDifference
from streams.audit.published_outputs import PublishedMessage, PublishedOutputs
from streams.audit.record_types import kinds
from tests.support.events import sha
from tests.unit.streams.audit.cases import BANK, KINDS, Log, change, differences, home, published, record, story


@pytest.fixture(scope="module")
def log() -> Log:
    return story()


@pytest.fixture(scope="module")
def outputs(log: Log) -> PublishedOutputs:
    return published(log, log.ends)


SINGLE = ((BANK, "b0"), (BANK, "b1"), ("shop", "c2"))


def test_the_story_has_everything(outputs: PublishedOutputs) -> None:
    assert [sorted(held) for held in outputs.records] == [
        [f"{BANK}/prod/B1".encode(), b"shop/prod/D1", b"shop/prod/D2"],
        [b"shop/i1", b"shop/i2", b"shop/i3"],
        sorted([b"shop/shop#7", *(f"{name}/{sha(one)}".encode() for name, one in SINGLE)]),
        [f"{BANK}/".encode(), f"{BANK}/prod".encode(), b"shop/", b"shop/prod"],
    ]
    assert record(outputs, "deployments", f"{BANK}/prod/B1")["verdict"] == "failed"
    assert record(outputs, "changes", "shop/shop#7")["revisions"] == 1
    assert {letter["reason"] for letter in outputs.dead.records} == {"undecodable", "wrong_partition"}


def test_what_the_workers_made_of_the_log_is_equal(log: Log, outputs: PublishedOutputs) -> None:
    assert differences(log, outputs) == []


def keys() -> list[tuple[str, str]]:
    outputs = published(story(), story().ends)
    return [(kinds()[kind].topic, key.decode()) for kind, held in enumerate(outputs.records) for key in held]


@pytest.mark.parametrize(("topic", "key"), keys())
def test_any_one_field_that_is_changed_is_found(log: Log, outputs: PublishedOutputs, topic: str, key: str) -> None:
    """Every field of every record, at any depth, as_of included; and none but that one is told."""
    value = record(outputs, topic, key)
    changed = 0
    for path, other in changed_fields(value):
        [found] = differences(log, change(outputs, topic, key, other))
        assert (found.topic, found.key) == (topic, key)
        assert [one.path for one in found.fields] == [path]
        changed += 1
    assert changed >= len([part for part in value.values() if part is not None]) - 3


ENUMS = {
    "lane": ("normal", "hotfix"),
    "verdict": ("failed", "succeeded"),
    "reason": ("rollback", "incident"),
    "rule": ("sha", "explicit"),
    "cause_kind": ("change", "infra"),
    "from_verdict": ("failed", "succeeded"),
    "to_verdict": ("failed", "succeeded"),
}


def changed_fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The path of every field that holds a value, and the whole with that field changed."""
    if isinstance(value, dict):
        for name, part in value.items():
            inner = f"{path}.{name}" if path else name
            if name in ENUMS and part is not None:
                yield inner, {**value, name: ENUMS[name][part == ENUMS[name][0]]}
            else:
                yield from ((where, {**value, name: other}) for where, other in changed_fields(part, inner))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            for where, other in changed_fields(part, f"{path}[{index}]"):
                yield where, [*value[:index], other, *value[index + 1 :]]
    elif value is not None:
        yield path, not value if isinstance(value, bool) else f"{value}x" if isinstance(value, str) else value + 1


@pytest.mark.parametrize(("topic", "key"), keys())
def test_a_record_that_is_missing(log: Log, outputs: PublishedOutputs, topic: str, key: str) -> None:
    [found] = differences(log, change(outputs, topic, key, None))
    assert (found.topic, found.key, found.problem) == (topic, key, "missing")
    assert found.fields == (FieldDifference("", ABSENT, record(outputs, topic, key)),)


def test_a_record_of_which_the_log_says_nothing(log: Log, outputs: PublishedOutputs) -> None:
    value = {**record(outputs, "deployments", "shop/prod/D1"), "deployment_id": "D7"}
    [found] = differences(log, change(outputs, "deployments", "shop/prod/D7", value))
    assert (found.key, found.problem) == ("shop/prod/D7", "extra")
    assert found.fields == (FieldDifference("", value, ABSENT),)


@pytest.mark.parametrize(
    ("topic", "key"),
    [
        ("deployments", "shop/prod/D1"),
        ("incidents", "shop/i1"),
        ("changes", "shop/shop#7"),
        ("delivery_metrics", "shop/prod"),
    ],
)
def test_an_update_that_was_lost(log: Log, outputs: PublishedOutputs, topic: str, key: str) -> None:
    """The record of another time, right then, with the as_of of then."""
    early = published(log, {**log.ends, home("shop"): 7})
    [found] = differences(log, change(outputs, topic, key, record(early, topic, key)))
    assert (found.topic, found.key, found.problem) == (topic, key, "stale")
    assert "as_of.offset" in {one.path for one in found.fields}


def test_a_record_as_of_a_message_that_the_log_does_not_have(log: Log, outputs: PublishedOutputs) -> None:
    value = record(outputs, "incidents", "shop/i1")
    for as_of in ({"partition": home("shop"), "offset": 10_000}, {"partition": 7, "offset": 3}):
        [found] = differences(log, change(outputs, "incidents", "shop/i1", {**value, "as_of": as_of}))
        assert {one.path for one in found.fields} <= {"as_of.offset", "as_of.partition"}


def test_a_record_that_cannot_be_read(log: Log, outputs: PublishedOutputs) -> None:
    records = [dict(held) for held in outputs.records]
    records[KINDS["incidents"]][b"shop/i1"] = records[KINDS["incidents"]][b"shop/i1"]._replace(data=b"\0\0\0\0\1")
    [found] = differences(log, replace(outputs, records=tuple(records)))
    assert (found.topic, found.key, found.problem) == ("incidents", "shop/i1", "different")
    assert "schema with id 1" in found.fields[0].published


def test_a_record_where_nobody_looks_for_its_key(log: Log, outputs: PublishedOutputs) -> None:
    records = [dict(held) for held in outputs.records]
    stored = records[KINDS["incidents"]][b"shop/i1"]
    records[KINDS["incidents"]][b"shop/i1"] = PublishedMessage(stored.partition + 1, stored.offset, stored.data)
    [found] = differences(log, replace(outputs, records=tuple(records)))
    assert found == Difference(
        "incidents",
        "shop/i1",
        "misplaced",
        (FieldDifference("(partition)", stored.partition + 1, stored.partition),),
    )


def test_what_was_compared_is_left_as_it_was(log: Log, outputs: PublishedOutputs) -> None:
    before = copy.deepcopy(outputs)
    differences(log, outputs)
    assert outputs == before
