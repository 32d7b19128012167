import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.codec.codec import load_schema, schema_versions, split_frame
from schemas.ids import pinned_decoder, pinned_encoder, pinned_id
from schemas.rules import REQUIRED
from tests.support.builders.golden_messages import MODELS, ROOT, Golden, fields_of, goldens, source_of

GOLDENS = goldens()
RECORDS = sorted(MODELS)


@pytest.mark.parametrize("golden", GOLDENS, ids=str)
def test_golden_bytes_decode_to_the_golden_json(golden: Golden) -> None:
    value = pinned_decoder(golden.record).decode(golden.message)
    model = MODELS[golden.record].from_value(value)
    assert json.loads(golden.json_text) == model.model_dump(mode="json", exclude_none=True)
    assert model == MODELS[golden.record].model_validate_json(golden.json_text)


@pytest.mark.parametrize(
    "golden", [each for each in GOLDENS if each.version == schema_versions(each.record)[-1]], ids=str
)
def test_golden_json_encodes_to_the_golden_bytes(golden: Golden) -> None:
    value = MODELS[golden.record].model_validate_json(golden.json_text).to_value()
    assert pinned_encoder(golden.record).encode(value).hex() == golden.message.hex()
    assert split_frame(golden.message)[0] == pinned_id(golden.record, golden.version)


@pytest.mark.parametrize("golden", GOLDENS, ids=str)
def test_numbers_in_decoded_times_are_plain_integers(golden: Golden) -> None:
    value = pinned_decoder(golden.record).decode(golden.message)
    kinds = {type(leaf) for leaf in _leaves(value)}
    assert kinds <= {int, float, str, bytes, bool, type(None)}


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def orphans(folder: Path) -> list[str]:
    """Return the files under `examples` that belong to no version of a schema, or stand alone."""
    found = []
    for path in sorted(folder.glob("**/*")):
        if path.is_file():
            record, version, name = path.relative_to(folder).parts
            known = record in MODELS and version in {str(each) for each in schema_versions(record)}
            pair = {".json": ".hex", ".hex": ".json"}.get(path.suffix)
            if not known or pair is None or not path.with_name(Path(name).stem + pair).exists():
                found.append(str(path.relative_to(folder)))
    return found


def test_no_example_is_an_orphan() -> None:
    assert orphans(ROOT / "examples") == []


@pytest.mark.parametrize("name", ["change/2/a.json", "nonsense/1/a.json", "change/1/alone.json", "change/1/a.txt"])
def test_an_orphan_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).touch()
    if "alone" not in name:
        (tmp_path / name).with_suffix(".hex").touch()
    assert name in orphans(tmp_path)


@pytest.mark.parametrize("record", RECORDS)
def test_every_version_of_a_schema_has_a_golden_message(record: str) -> None:
    assert {golden.version for golden in GOLDENS if golden.record == record} == set(schema_versions(record))


def test_every_event_type_has_a_golden_message() -> None:
    kinds = {json.loads(golden.json_text)["event_type"] for golden in GOLDENS if golden.record == "deploy_event"}
    assert kinds == set(REQUIRED)


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_is_filled_in_some_golden_message(record: str) -> None:
    filled: set[str] = set()
    for golden in GOLDENS:
        if golden.record == record:
            filled |= set(_filled(json.loads(golden.json_text), ""))
    assert [place for place, _ in fields_of(source_of(record)) if place not in filled] == []


def _filled(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            place = f"{path}.{name}".removeprefix(".")
            yield place
            yield from _filled(part, place)
    elif isinstance(value, list):
        for part in value:
            yield from _filled(part, path)


def test_the_schema_sent_to_a_registry_keeps_its_logical_types() -> None:
    raw = load_schema("deploy_event").raw
    assert json.loads(raw) == source_of("deploy_event")
    assert '"logicalType":"timestamp-micros"' in raw
    assert "logicalType" not in json.dumps(load_schema("deploy_event").parsed)
