"""A reader of Avro bytes, written out in Python for one schema: at least twice as fast as fastavro on our events.

Most fields of an event are null, and fastavro walks the schema again for each of them. Here the walk is done once, and
leaves straight code. It is as strict as it is fast: a length, count or index that no writer would write is an error.
Schemas it has no code for (int, float, fixed, unions of more than null and one type) are left to fastavro.

The code is typed, so that a build can compile that of our own schemas (`schemas.codec.compiled`).
"""

import struct
from collections.abc import Callable
from typing import Any, Final

Reader = Callable[[bytes, int], tuple[Any, int]]
"""Reads the value that begins at a position; returns it and the position behind it, which may be past the end."""

BAD_BYTES: Final = (LookupError, ValueError, struct.error)
"""What a reader raises on bytes that are not of its schema."""

unpack_double: Final = struct.Struct("<d").unpack_from

_PLAIN: Final = frozenset({"null", "boolean", "long", "double", "string", "bytes"})
_ONE_BYTE: Final = 64
"""Indexes below this are written in one byte."""


def compile_reader(schema: Any) -> Reader | None:
    """Return the reader of a schema (as fastavro parsed it), None if there is no code for one of its types."""
    code = reader_code(schema, "read")
    if code is None:
        return None
    names: dict[str, Any] = {"Any": Any, "Final": Final, "read_long": read_long, "unpack_double": unpack_double}
    exec(compile(code, "<schemas.codec.reader>", "exec"), names)  # noqa: S102 - our own text
    reader: Reader = names["read"]
    return reader


def reader_code(schema: Any, name: str) -> str | None:
    """Return the text of a reader called `name`, None if there is no code for one of the schema's types.

    It wants `Any`, `Final`, `read_long` and `unpack_double` of its module; every other name in it begins with `name`.
    """
    code = _Code(name)
    try:
        result = code.function(schema)
    except NotImplementedError:
        return None
    return "\n".join((*code.lines, f"{name} = {result}", ""))


def read_long(data: bytes, pos: int) -> tuple[int, int]:
    """Read a number written in groups of seven bits, the sign in the lowest."""
    number = shift = 0
    while True:
        byte = data[pos]
        pos += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follow
            break
        shift += 7
        if shift > 63:  # noqa: PLR2004 - no number has more than 64 bits
            raise ValueError("a number of more than ten bytes")
    if number >> 64:
        raise ValueError("a number of more than 64 bits")
    return (number >> 1) ^ -(number & 1), pos


class _Code:
    """The text of the functions of one schema, each behind those it calls."""

    def __init__(self, name: str) -> None:
        self.lines: list[str] = []
        self._name = name
        self._named: dict[str, Any] = {}
        self._functions: dict[str, str] = {}

    def function(self, schema: Any) -> str:
        """Write the function that reads one value of a schema; return its name."""
        body = ["value: Any"]
        self._value(schema, "value", body)
        return self._define([*body, "return value, pos"])

    def _define(self, body: list[str]) -> str:
        name = f"{self._name}_{len(self._functions)}"
        self._functions[name] = name
        self.lines += [f"def {name}(data: bytes, pos: int) -> tuple[Any, int]:", *(f"  {line}" for line in body)]
        return name

    def _value(self, schema: Any, to: str, out: list[str]) -> None:
        """Write the lines that read a value at `pos` into the variable `to`."""
        if isinstance(schema, list):
            self._nullable(schema, to, out)
        elif isinstance(schema, str):
            self._by_name(schema, to, out)
        elif schema["type"] == "enum":
            self._enum(schema, to, out)
        elif schema["type"] == "record":
            self._call(self._record(schema), to, out)
        elif schema["type"] in {"array", "map"}:
            self._call(self._entries(schema), to, out)
        else:
            self._by_name(schema["type"], to, out)

    def _call(self, function: str, to: str, out: list[str]) -> None:
        out.append(f"{to}, pos = {function}(data, pos)")

    def _by_name(self, name: str, to: str, out: list[str]) -> None:
        if name in self._named:
            self._value(self._named[name], to, out)
        elif name in _PLAIN:
            out += _LINES[name].replace("TO", to).splitlines()
        else:
            raise NotImplementedError(name)

    def _nullable(self, branches: list[Any], to: str, out: list[str]) -> None:
        if len(branches) != 2 or branches[0] != "null":  # noqa: PLR2004 - null and one more
            raise NotImplementedError("union")
        inner: list[str] = []
        self._value(branches[1], to, inner)
        out += ["byte = data[pos]", "pos += 1", "if byte == 0:", f"  {to} = None", "elif byte == 2:"]
        out += [f"  {line}" for line in inner]
        out += ["else:", "  raise ValueError('no such branch of a union')"]

    def _enum(self, schema: Any, to: str, out: list[str]) -> None:
        if len(schema["symbols"]) > _ONE_BYTE:
            raise NotImplementedError("enum")
        table = f"{self._name}_symbols_" + schema["name"].replace(".", "_")
        if schema["name"] not in self._named:
            self._named[schema["name"]] = schema
            symbols = {2 * index: symbol for index, symbol in enumerate(schema["symbols"])}
            self.lines.append(f"{table}: Final = {symbols!r}")
        out += [f"{to} = {table}[data[pos]]", "pos += 1"]

    def _record(self, schema: Any) -> str:
        self._named[schema["name"]] = schema
        if schema["name"] not in self._functions:
            body = [f"field_{position}: Any" for position in range(len(schema["fields"]))]
            for position, field in enumerate(schema["fields"]):
                self._value(field["type"], f"field_{position}", body)
            parts = ", ".join(f"{field['name']!r}: field_{index}" for index, field in enumerate(schema["fields"]))
            self._functions[schema["name"]] = self._define([*body, f"return {{{parts}}}, pos"])
        return self._functions[schema["name"]]

    def _entries(self, schema: Any) -> str:
        is_map = schema["type"] == "map"
        body = ["key: Any", "value: dict[str, Any] = {}"] if is_map else ["value: list[Any] = []"]
        body += ["entry: Any", "count, pos = read_long(data, pos)", "while count:"]
        # A negative count is followed by the length of the block in bytes.
        loop = ["if count < 0:", "  count = -count", "  size, pos = read_long(data, pos)"]
        loop += ["if count > len(data) - pos:", "  raise ValueError('more entries than bytes')"]
        entry: list[str] = []
        if is_map:
            self._by_name("string", "key", entry)
        self._value(schema["values" if is_map else "items"], "entry", entry)
        entry.append("value[key] = entry" if is_map else "value.append(entry)")
        loop += ["for _ in range(count):", *(f"  {line}" for line in entry), "count, pos = read_long(data, pos)"]
        return self._define([*body, *(f"  {line}" for line in loop), "return value, pos"])


_SIZE: Final = """\
size = data[pos]
pos += 1
if size > 127:
  size, pos = read_long(data, pos - 1)
  size += size
if size & 1 or size < 0:
  raise ValueError('a negative length')
end = pos + (size >> 1)
"""

_NUMBER: Final = """\
number = data[pos]
if number > 127:
  TO, pos = read_long(data, pos)
else:
  TO = (number >> 1) ^ -(number & 1)
  pos += 1
"""

_LINES: Final = {
    "null": "TO = None",
    "boolean": "TO = (False, True)[data[pos]]\npos += 1",
    "long": _NUMBER,
    "double": "(TO,) = unpack_double(data, pos)\npos += 8",
    "string": _SIZE + "TO = data[pos:end].decode()\npos = end",
    "bytes": _SIZE + "TO = data[pos:end]\npos = end",
}
