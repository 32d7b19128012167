"""Values to bytes and back: Avro in the frame of the Confluent wire format (0, four bytes of schema id, body).

Pure functions and two small classes. Schema ids come from `schemas.ids` or `schemas.clients.registry`.
Logical types are taken out of the schemas before fastavro sees them, so that times stay integer microseconds: other
readers still find them in the registered text.
"""

import json
import re
import struct
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any, Final, Generic, TypeVar, cast

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException, UnknownType

from schemas.codec.compiled import READERS, WRITERS
from schemas.codec.faults import find_fault
from schemas.codec.limits import unbounded_parts
from schemas.codec.reader import BAD_BYTES, Reader, compile_reader
from schemas.codec.writer import NOT_WRITTEN, Writer, compile_writer
from schemas.errors import InvalidEvent, Undecodable, UnknownSchema
from schemas.values import EventValue

Value = TypeVar("Value", bound=Mapping[str, Any])

MAX_BYTES: Final = 4 * 1024 * 1024
"""Longest message that is decoded: the limit of the dead letters' topic, four times that of the others."""

_FRAME: Final = struct.Struct(">bI")
_FILE: Final = re.compile(r"(?P<name>[a-z_]+)\.v(?P<version>[1-9][0-9]*)\.avsc")

# What readers raise on bytes that are not of the schema, and on a text that is no schema; anything else is ours.
_BAD_BYTES: Final = (*BAD_BYTES, EOFError, OverflowError, SchemaResolutionError)
_BAD_SCHEMA: Final = (
    SchemaParseException,
    UnknownType,
    AttributeError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)
_ENOUGH: Final = 300
_MANY: Final = 32
"""Messages after which it pays to compile a writer; a sidecar that sends one never does."""
_BAD_VALUE: Final = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of the Avro schema of a record.

    `raw` is the schema as compact JSON with everything in it, for a registry; `parsed` is what fastavro reads and
    writes with, without logical types.
    """

    name: str
    raw: str
    parsed: Any

    @classmethod
    def parse(cls, name: str, text: str) -> "Schema":
        """Return the schema written in `text`; ValueError if it is none, or one that could exhaust its reader."""
        try:
            source = json.loads(text)
            parsed = parse_schema(without_logical_types(source))
            unbounded = next(unbounded_parts(parsed), None)
        except (*_BAD_SCHEMA, RecursionError) as error:
            problem = f"not an Avro schema: {name}: {error}"
            raise ValueError(problem) from error
        if unbounded:
            problem = f"no message can be read safely with the Avro schema {name}: {unbounded}"
            raise ValueError(problem)
        return cls(name, json.dumps(source, separators=(",", ":"), ensure_ascii=False), parsed)


def without_logical_types(schema: Any) -> Any:
    """Return an Avro schema without its logical types: what remains are the plain types they are written as."""
    if isinstance(schema, list):
        return [without_logical_types(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        key: without_logical_types(part) if key in {"type", "items", "values", "fields"} else part
        for key, part in schema.items()
        if key != "logicalType"
    }
    return plain["type"] if plain.keys() == {"type"} else plain


@cache
def schema_versions(name: str) -> tuple[int, ...]:
    """Return the versions of a record's schema in this package, the oldest first; LookupError if it has none."""
    matches = (_FILE.fullmatch(file.name) for file in (files("schemas") / "avro").iterdir())
    versions = tuple(sorted(int(match["version"]) for match in matches if match and match["name"] == name))
    if not versions:
        problem = f"the contract has no record {name!r}"
        raise LookupError(problem)
    return versions


@cache
def load_schema(name: str, version: int | None = None) -> Schema:
    """Return a record's schema from this package, its newest version unless one is named; LookupError if it has none.

    Records: deploy_event, deployment, incident, change, delivery_metrics, dead_letter.
    """
    versions = schema_versions(name)
    chosen = version or versions[-1]
    if chosen not in versions:
        problem = f"the contract has no version {chosen} of {name!r}, only {versions}"
        raise LookupError(problem)
    return Schema.parse(name, (files("schemas") / "avro" / f"{name}.v{chosen}.avsc").read_text("utf-8"))


def frame(schema_id: int, body: bytes) -> bytes:
    """Return `body` behind the five bytes that name its schema."""
    return _FRAME.pack(0, schema_id) + body


def split_frame(data: bytes) -> tuple[int, bytes]:
    """Return the schema id and the body of a framed message; Undecodable if it has no frame."""
    if len(data) < _FRAME.size or data[0]:
        raise Undecodable(_no_frame(data), hint="write Avro in the Confluent wire format: 0, four bytes of id, body")
    schema_id: int = _FRAME.unpack_from(data)[1]
    return schema_id, data[_FRAME.size :]


def _no_frame(data: bytes) -> str:
    if not data:
        return "the message is empty"
    if data[0] in b"{[":
        return "the message looks like JSON, not framed Avro"
    return f"the message does not begin with a schema id: {len(data)} bytes, first {data[0]:#04x}"


class Encoder(Generic[Value]):
    """Writes the values of one schema. Fields must be those of the schema: no more, no less."""

    def __init__(self, schema: Schema, schema_id: int) -> None:
        self._schema = schema
        self._frame = _FRAME.pack(0, schema_id)
        self._write: Writer | None = WRITERS.get(schema.raw)
        self._written = 0

    def encode(self, value: Value) -> bytes:
        """Return the framed message; InvalidEvent, with the field's path, if the value is not of the schema."""
        if self._write is not None:
            parts = [self._frame]
            try:
                self._write(value, parts)
                return b"".join(parts)
            except NOT_WRITTEN:
                return self._encode(value)  # which writes it, or says what is wrong
        self._written += 1
        if self._written == _MANY:
            self._write = _straight_writer(self._schema.raw)
        return self._encode(value)

    def _encode(self, value: Value) -> bytes:
        out = BytesIO()
        out.write(self._frame)
        try:
            schemaless_writer(out, self._schema.parsed, value, strict=True)
        except _BAD_VALUE as error:
            raise find_fault(self._schema.parsed, value) or InvalidEvent(f"cannot be written: {error}") from error
        return out.getvalue()


class Decoder(Generic[Value]):
    """Reads values into the shape of one schema, whichever of the known schemas they were written in."""

    def __init__(self, reader: Schema, writers: Mapping[int, Schema]) -> None:
        self._reader = reader
        self._readers: dict[int, Reader] = {}
        for schema_id, schema in writers.items():
            self.add_writer(schema_id, schema)

    def add_writer(self, schema_id: int, schema: Schema) -> None:
        """Learn a schema, as from a registry. It replaces an earlier one of the same id."""
        same = schema.parsed == self._reader.parsed
        straight = _straight_reader(self._reader.raw) if same else None
        self._readers[schema_id] = straight or _resolving_reader(schema, self._reader)

    def decode(self, data: bytes) -> Value:
        """Return the value of a framed message.

        Undecodable if the bytes are not a message of the schema they name, with nothing after it; UnknownSchema if
        that schema is not known here. No other error, whatever the bytes.
        """
        size = len(data)
        if size < 5 or data[0] or size > MAX_BYTES:  # noqa: PLR2004 - the frame
            _refuse(data)
        schema_id = int.from_bytes(data[1:5])
        reader = self._readers.get(schema_id)
        if reader is None:
            raise UnknownSchema(schema_id)
        try:
            value, end = reader(data, 5)
        except _BAD_BYTES as error:
            what = _WHAT.get(type(error)) or str(error)[:_ENOUGH]  # fastavro prints both schemas whole
            raise Undecodable(f"the body is not of schema {schema_id}: {what}", hint=_REWRITE) from error
        if end != size:
            raise Undecodable(_wrong_end(size, end), hint=_REWRITE)
        return cast("Value", value)


@cache
def _straight_reader(raw: str) -> Reader | None:
    return READERS.get(raw) or compile_reader(Schema.parse("", raw).parsed)


@cache
def _straight_writer(raw: str) -> Writer | None:
    return compile_writer(Schema.parse("", raw).parsed)


def _resolving_reader(writer: Schema, reader: Schema) -> Reader:
    """Return a reader by fastavro of what another version wrote."""

    def read(data: bytes, pos: int) -> tuple[Any, int]:
        body = BytesIO(data)
        body.seek(pos)
        value = schemaless_reader(body, writer.parsed, reader.parsed)
        # fastavro hands out the reader's own default lists and maps for fields that the writer lacked.
        return deepcopy(value), body.tell()

    return read


def _wrong_end(size: int, end: int) -> str:
    return f"{size - end} bytes follow the message" if end < size else "the message is cut short"


_WHAT: Final[Mapping[type[Exception], str]] = {
    IndexError: "it is cut short",
    EOFError: "it is cut short",
    OverflowError: "it is cut short",
    struct.error: "it is cut short",
    KeyError: "it has a symbol that its enum has not",
}
"""What readers mean by exceptions that do not say it."""

_REWRITE: Final = "encode it again with the schema it names"


def _refuse(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise Undecodable(f"the message has {len(data)} bytes, more than {MAX_BYTES}")
    split_frame(data)


EventDecoder = Decoder[EventValue]
