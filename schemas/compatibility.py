"""Whether two versions of an Avro schema can read each other's messages, as a registry's FULL compatibility asks."""

from collections.abc import Iterator
from typing import Any, Final

_PROMOTIONS: Final = {
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "float"),
    ("long", "double"),
    ("float", "double"),
    ("string", "bytes"),
    ("bytes", "string"),
}
"""(writer, reader): what Avro turns into what."""


def full_faults(old: Any, new: Any) -> list[str]:
    """Return why readers of one schema cannot read every message of the other, either way; empty if they can."""
    return [f"new reader, old message: {fault}" for fault in read_faults(new, old)] + [
        f"old reader, new message: {fault}" for fault in read_faults(old, new)
    ]


def read_faults(reader: Any, writer: Any) -> list[str]:
    """Return why a reader of one schema cannot read every message of another; empty if it can."""
    return list(_faults(_Side(reader), _Side(writer), reader, writer, ""))


class _Side:
    """The types that one schema names."""

    def __init__(self, schema: Any) -> None:
        self._named: dict[str, Any] = {}
        self._collect(schema)

    def resolve(self, schema: Any) -> Any:
        """Return a type's definition, in the one form of each: a primitive is its name."""
        if isinstance(schema, str):
            return self._named.get(schema.rpartition(".")[2], schema)
        if isinstance(schema, dict) and schema["type"] in _PRIMITIVES:
            return schema["type"]
        return schema

    def _collect(self, schema: Any) -> None:
        if isinstance(schema, list):
            for branch in schema:
                self._collect(branch)
        elif isinstance(schema, dict):
            if "name" in schema:
                self._named[schema["name"].rpartition(".")[2]] = schema
            parts = [field["type"] for field in schema.get("fields", ())]
            for part in (*parts, schema.get("items"), schema.get("values")):
                self._collect(part)


_PRIMITIVES: Final = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


def _faults(readers: _Side, writers: _Side, reader: Any, writer: Any, path: str) -> Iterator[str]:
    reader, writer = readers.resolve(reader), writers.resolve(writer)
    if isinstance(writer, list):
        for branch in writer:
            yield from _faults(readers, writers, reader, branch, path)
    elif isinstance(reader, list):
        found = [list(_faults(readers, writers, branch, writer, path)) for branch in reader]
        if all(found):
            # The branch of the same kind says more than that none fits.
            kinds = [_kind(readers.resolve(branch)) for branch in reader]
            same = kinds.index(_kind(writer)) if _kind(writer) in kinds else None
            yield from found[same] if same is not None else [f"{path or 'the value'}: no branch for {_kind(writer)}"]
    elif _kind(reader) != _kind(writer):
        if (_kind(writer), _kind(reader)) not in _PROMOTIONS:
            yield f"{path or 'the value'}: {_kind(writer)} is not {_kind(reader)}"
    elif _kind(reader) == "record":
        yield from _record_faults(readers, writers, reader, writer, path)
    elif _kind(reader) == "enum":
        yield from _enum_faults(reader, writer, path)
    elif _kind(reader) == "array":
        yield from _faults(readers, writers, reader["items"], writer["items"], f"{path}[]")
    elif _kind(reader) == "map":
        yield from _faults(readers, writers, reader["values"], writer["values"], f"{path}{{}}")
    elif _kind(reader) == "fixed" and reader["size"] != writer["size"]:
        yield f"{path}: the size changed"


def _record_faults(readers: _Side, writers: _Side, reader: Any, writer: Any, path: str) -> Iterator[str]:
    yield from _name_faults(reader, writer, path)
    written = {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        place = f"{path}.{field['name']}".removeprefix(".")
        if field["name"] in written:
            yield from _faults(readers, writers, field["type"], written[field["name"]]["type"], place)
        elif "default" not in field:
            yield f"{place}: not in the message, and without a default"


def _enum_faults(reader: Any, writer: Any, path: str) -> Iterator[str]:
    yield from _name_faults(reader, writer, path)
    unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if unknown and "default" not in reader:
        yield f"{path}: {', '.join(unknown)} unknown to the reader, whose enum has no default"


def _name_faults(reader: Any, writer: Any, path: str) -> Iterator[str]:
    names = [side["name"].rpartition(".")[2] for side in (reader, writer)]
    if names[0] != names[1] and names[1] not in reader.get("aliases", ()):
        yield f"{path or 'the value'}: {names[1]} is not {names[0]}"


def _kind(schema: Any) -> str:
    return schema if isinstance(schema, str) else str(schema["type"])
