"""Which Avro schemas a decoder may be given: those whose messages cannot cost more than their length.

A schema from a registry is only half trusted. Reading is done in C: an array of entries that take no bytes could be
of any length in ten bytes, and a record that holds itself could nest until the stack ends.
"""

from collections.abc import Iterator
from typing import Any


def unbounded_parts(schema: Any) -> Iterator[str]:
    """Yield, in words, each part of a schema (as fastavro parsed it) that no reader should be given."""
    yield from _unbounded(schema, {}, ())


def _unbounded(schema: Any, named: dict[str, Any], around: tuple[str, ...]) -> Iterator[str]:
    if isinstance(schema, str):
        if schema in around:
            yield f"{schema} holds itself"
        return
    if isinstance(schema, list):
        for branch in schema:
            yield from _unbounded(branch, named, around)
        return
    if "name" in schema:
        named[schema["name"]] = schema
        around = (*around, schema["name"])
    for field in schema.get("fields", ()):
        yield from _unbounded(field["type"], named, around)
    entries = schema.get("items", schema.get("values"))
    if entries is not None:
        yield from _unbounded(entries, named, around)
    if schema["type"] == "array" and _takes_no_bytes(schema["items"], named):
        yield "an array of entries that take no bytes"


def _takes_no_bytes(schema: Any, named: dict[str, Any]) -> bool:
    if isinstance(schema, str):
        return schema == "null" or (schema in named and _takes_no_bytes(named[schema], named))
    if isinstance(schema, list):
        return False
    if schema["type"] == "fixed":
        return bool(schema["size"] == 0)
    if schema["type"] == "record":
        return all(_takes_no_bytes(field["type"], named) for field in schema["fields"])
    return bool(schema["type"] == "null")
