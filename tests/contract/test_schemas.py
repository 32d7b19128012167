import json
import re
from pathlib import Path
from typing import Any

import fastavro
import pytest

from schemas.codec.codec import load_schema, schema_versions
from schemas.ids import pinned_id, pinned_ids, subject_for
from schemas.topics import load_topics, topic_of
from tests.support.builders.golden_messages import MODELS, ROOT, fields_of, schema_files, source_of

RECORDS = sorted(MODELS)


@pytest.mark.parametrize("path", schema_files(), ids=lambda path: path.name)
def test_every_schema_is_avro_and_of_the_namespace(path: Path) -> None:
    schema = json.loads(path.read_text("utf-8"))
    fastavro.parse_schema(schema)
    assert schema["namespace"] == "candora"


@pytest.mark.parametrize("path", schema_files(), ids=lambda path: path.name)
def test_every_type_and_field_says_what_it_means(path: Path) -> None:
    schema = json.loads(path.read_text("utf-8"))
    silent = [place for place, field in fields_of(schema) if len(field.get("doc", "")) < 4]
    assert silent == []
    text = path.read_text("utf-8")
    assert len(re.findall(r'"type": "(?:record|enum)"', text)) <= text.count('"doc"')


@pytest.mark.parametrize("record", RECORDS)
def test_every_nullable_field_has_the_default_null(record: str) -> None:
    for place, field in fields_of(source_of(record)):
        if isinstance(field["type"], list):
            assert field["type"][0] == "null", place
            assert field["default"] is None, place


def _logical(kind: Any) -> str | None:
    plain = kind[1] if isinstance(kind, list) else kind
    return plain.get("logicalType") if isinstance(plain, dict) else None


@pytest.mark.parametrize("record", RECORDS)
def test_every_moment_says_that_it_is_one(record: str) -> None:
    """Names that end in _at, and the few others, are moments; nothing else is."""
    moments = {place for place, field in fields_of(source_of(record)) if _logical(field["type"]) == "timestamp-micros"}
    named = {
        place
        for place, field in fields_of(source_of(record))
        if field["name"].endswith("_at") or field["name"] in {"at", "append_time"}
    }
    assert moments == named


def test_event_ids_say_that_they_are_uuids() -> None:
    kinds = {field["name"]: field["type"] for field in source_of("deploy_event")["fields"]}
    assert kinds["event_id"] == {"type": "string", "logicalType": "uuid"}


def test_an_older_reader_sees_an_unknown_event_type() -> None:
    kinds = {field["name"]: field["type"] for field in source_of("deploy_event")["fields"]}
    assert kinds["event_type"]["default"] == "UNKNOWN"


@pytest.mark.parametrize("record", RECORDS)
def test_versions_have_no_gap(record: str) -> None:
    versions = schema_versions(record)
    assert versions == tuple(range(1, len(versions) + 1))


def test_there_is_a_model_for_every_schema_file() -> None:
    assert {path.name.split(".")[0] for path in schema_files()} == set(MODELS)


def test_every_version_has_a_pinned_id_and_no_id_is_used_twice() -> None:
    wanted = {subject_for(topic_of(record).name): set(schema_versions(record)) for record in RECORDS}
    assert {subject: set(versions) for subject, versions in pinned_ids().items()} == wanted
    ids = [schema_id for versions in pinned_ids().values() for schema_id in versions.values()]
    assert len(set(ids)) == len(ids)
    assert min(ids) > 100_000


def test_a_released_id_never_changes() -> None:
    """These are in messages on disks. Add to them; change none."""
    assert {record: pinned_id(record, 1) for record in RECORDS} == {
        "deploy_event": 730_001,
        "deployment": 730_002,
        "incident": 730_003,
        "change": 730_004,
        "delivery_metrics": 730_005,
        "dead_letter": 730_006,
    }


def test_unknown_records_and_versions_are_named_in_the_error() -> None:
    with pytest.raises(LookupError, match="no record 'nonsense'"):
        load_schema("nonsense")
    with pytest.raises(LookupError, match="no version 99 of 'change'"):
        load_schema("change", 99)


def test_every_topic_has_a_schema_and_every_schema_a_topic() -> None:
    assert sorted(topic.record for topic in load_topics()) == RECORDS


def test_topic_names_are_unique_and_those_of_their_files() -> None:
    names = [topic.name for topic in load_topics()]
    assert len(set(names)) == len(names)
    assert names == sorted(path.stem for path in (ROOT / "topics").glob("*.json"))


def test_a_record_without_a_topic_is_named_in_the_error() -> None:
    with pytest.raises(LookupError, match="no topic of the contract holds 'nonsense'"):
        topic_of("nonsense")
