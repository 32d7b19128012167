"""Where a value departs from its Avro schema, as a dotted path. Slow and exact: run when writing has failed."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from schemas.errors import InvalidEvent

_INT: Final = (-(2**31), 2**31 - 1)
_LONG: Final = (-(2**63), 2**63 - 1)


def find_fault(schema: Any, value: Any) -> InvalidEvent | None:
    """Return the first place where `value` is not of `schema` (as fastavro parsed it), or None if it is."""
    return next(_faults(schema, value, "", {}), None)


def _faults(schema: Any, value: Any, path: str, named: dict[str, Any]) -> Iterator[InvalidEvent]:
    if isinstance(schema, list):
        yield from _union_faults(schema, value, path, named)
    elif isinstance(schema, str) and schema in named:
        yield from _faults(named[schema], value, path, named)
    elif isinstance(schema, str):
        yield from _plain_faults(schema, value, path)
    elif schema["type"] == "record":
        named[schema["name"]] = schema
        yield from _record_faults(schema, value, path, named)
    elif schema["type"] == "enum":
        named[schema["name"]] = schema
        if value not in schema["symbols"]:
            yield InvalidEvent(f"is not one of {', '.join(schema['symbols'])}", path=path or None)
    elif schema["type"] in {"array", "map"}:
        yield from _entries_faults(schema, value, path, named)
    else:
        yield from _faults(schema["type"], value, path, named)


def _union_faults(branches: list[Any], value: Any, path: str, named: dict[str, Any]) -> Iterator[InvalidEvent]:
    if value is None and "null" in branches:
        # A later field may name a type that is defined here.
        for branch in branches:
            _remember(branch, named)
        return
    yield from _faults(next(branch for branch in branches if branch != "null"), value, path, named)


def _remember(schema: Any, named: dict[str, Any]) -> None:
    if isinstance(schema, list):
        for branch in schema:
            _remember(branch, named)
    elif isinstance(schema, dict):
        if schema["type"] in {"record", "enum"}:
            named[schema["name"]] = schema
        for field in schema.get("fields", ()):
            _remember(field["type"], named)
        _remember(schema.get("items", schema.get("values")), named)


def _record_faults(schema: Any, value: Any, path: str, named: dict[str, Any]) -> Iterator[InvalidEvent]:
    if not isinstance(value, Mapping):
        yield _wrong(schema["name"].rpartition(".")[2], value, path)
        return
    fields = {field["name"]: field["type"] for field in schema["fields"]}
    for name in value:
        if name not in fields:
            yield InvalidEvent(
                "is not a field of the contract", path=_join(path, str(name)), hint=f"known are {', '.join(fields)}"
            )
    for name, kind in fields.items():
        if name in value:
            yield from _faults(kind, value[name], _join(path, name), named)
        else:
            yield InvalidEvent("is missing", path=_join(path, name), hint="set it, if to null")


def _entries_faults(schema: Any, value: Any, path: str, named: dict[str, Any]) -> Iterator[InvalidEvent]:
    if schema["type"] == "map":
        if not isinstance(value, Mapping):
            yield _wrong("map", value, path)
            return
        for key, entry in value.items():
            yield from _plain_faults("string", key, _join(path, str(key)))
            yield from _faults(schema["values"], entry, _join(path, str(key)), named)
    elif not isinstance(value, list | tuple):
        yield _wrong("list", value, path)
    else:
        for position, entry in enumerate(value):
            yield from _faults(schema["items"], entry, f"{path}[{position}]", named)


def _plain_faults(kind: str, value: Any, path: str) -> Iterator[InvalidEvent]:
    if kind in {"int", "long"}:
        low, high = _INT if kind == "int" else _LONG
        if not isinstance(value, int) or isinstance(value, bool):
            yield _wrong("integer", value, path)
        elif not low <= value <= high:
            yield InvalidEvent(f"is beyond the {kind} of Avro", path=path or None)
    elif kind in {"float", "double"}:
        if not isinstance(value, int | float) or isinstance(value, bool):
            yield _wrong("number", value, path)
    elif kind == "string":
        if not isinstance(value, str):
            yield _wrong("text", value, path)
        elif any("\ud800" <= character <= "\udfff" for character in value):
            yield InvalidEvent("holds half a character (a lone surrogate)", path=path or None)
    elif not isinstance(value, {"boolean": bool, "bytes": bytes, "null": type(None)}[kind]):
        yield _wrong({"boolean": "true or false", "bytes": "bytes", "null": "null"}[kind], value, path)


def _wrong(wanted: str, value: Any, path: str) -> InvalidEvent:
    return InvalidEvent(f"should be {wanted}, not {type(value).__name__}", path=path or None)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
