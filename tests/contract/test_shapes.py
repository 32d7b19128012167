"""One law for all records: the typed dictionaries, the models and the Avro schemas are the same shape."""

from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from tests.support.builders.golden_messages import MODELS, VALUES, source_of

RECORDS = sorted(MODELS)
Shape = Any
"""One notation for all three: a name, ("null", shape), ("list", shape), ("map", shape), or a dict of fields."""

PYTHON_NAMES = {int: "long", float: "double", bool: "boolean", str: "string", bytes: "bytes"}


def avro_shape(schema: Any, named: dict[str, Any], *, moments: bool) -> Shape:  # noqa: PLR0911 - a return per kind of type
    if isinstance(schema, list):
        return ("null", avro_shape(schema[1], named, moments=moments))
    if isinstance(schema, str):
        return avro_shape(named[schema], named, moments=moments) if schema in named else schema
    if "name" in schema and "type" in schema:
        named[schema["name"]] = schema
    match schema["type"]:
        case "record":
            return {field["name"]: avro_shape(field["type"], named, moments=moments) for field in schema["fields"]}
        case "enum":
            return frozenset(schema["symbols"])
        case "array":
            return ("list", avro_shape(schema["items"], named, moments=moments))
        case "map":
            return ("map", avro_shape(schema["values"], named, moments=moments))
        case plain:
            return schema["logicalType"] if moments else plain


def python_shape(kind: Any) -> Shape:  # noqa: PLR0911 - a return per kind of type
    """Return the shape of a type of a typed dictionary or of a model."""
    if is_typeddict(kind):
        return {name: python_shape(part) for name, part in get_type_hints(kind).items()}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: python_shape(field.annotation) for name, field in kind.model_fields.items()}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return frozenset(arguments)
    if origin in {Union, UnionType} and NoneType in arguments:
        return ("null", python_shape(next(part for part in arguments if part is not NoneType)))
    if origin in {list, tuple}:
        return ("list", python_shape(arguments[0]))
    if origin is dict:
        assert arguments[0] is str
        return ("map", python_shape(arguments[1]))
    if hasattr(kind, "__metadata__"):
        return python_shape(kind.__origin__)
    if hasattr(kind, "__members__"):
        return frozenset(kind)
    if kind in {datetime, UUID}:
        return {datetime: "timestamp-micros", UUID: "uuid"}[kind]
    return PYTHON_NAMES[kind]


@pytest.mark.parametrize("record", RECORDS)
def test_the_typed_dictionary_is_the_avro_record(record: str) -> None:
    assert python_shape(VALUES[record]) == avro_shape(source_of(record), {}, moments=False)


@pytest.mark.parametrize("record", RECORDS)
def test_the_model_is_the_avro_record(record: str) -> None:
    assert python_shape(MODELS[record]) == avro_shape(source_of(record), {}, moments=True)


@pytest.mark.parametrize("record", RECORDS)
def test_fields_stand_in_the_same_order_everywhere(record: str) -> None:
    names = [field["name"] for field in source_of(record)["fields"]]
    assert list(get_type_hints(VALUES[record])) == names
    assert list(MODELS[record].model_fields) == names


def defaults(model: type[BaseModel], schema: Any, named: dict[str, Any], path: str) -> None:
    """Assert that a model may lack exactly the fields that the schema has defaults for, and that those are the same."""
    named[schema["name"]] = schema
    for field in schema["fields"]:
        place = f"{path}.{field['name']}"
        ours = model.model_fields[field["name"]].get_default(call_default_factory=True)
        theirs = field.get("default", PydanticUndefined)
        assert (list(ours) if isinstance(ours, tuple) else ours) == theirs, place
        inner, kind = model_in(model.model_fields[field["name"]].annotation), record_in(field["type"], named)
        assert (inner is None) == (kind is None), place
        if inner is not None:
            assert inner.__name__ == kind["name"], place
            defaults(inner, kind, named, place)


def model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(model_in, get_args(annotation))), None)


def record_in(schema: Any, named: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return next(filter(None, (record_in(branch, named) for branch in schema)), None)
    if isinstance(schema, str):
        return named.get(schema)
    if schema["type"] == "record":
        return schema
    return record_in(schema["items"], named) if schema["type"] == "array" else None


@pytest.mark.parametrize("record", RECORDS)
def test_models_lack_what_avro_has_defaults_for_and_their_classes_have_its_names(record: str) -> None:
    source = source_of(record)
    assert MODELS[record].__name__ == source["name"]
    defaults(MODELS[record], source, {}, record)
