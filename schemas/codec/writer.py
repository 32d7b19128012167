"""A writer of Avro bytes, written out in Python for one schema: three times as fast as fastavro on our records.

As `schemas.codec.reader`, it walks the schema once and leaves straight, typed code. It knows only values of exactly the
types that this program makes; whatever else it meets, it leaves to fastavro, which writes it or says what is wrong.
Schemas it has no code for (int, float, fixed, unions of more than null and one type) are left to fastavro too.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

Writer = Callable[[Any, list[bytes]], None]
"""Appends the parts of a value to what was written before."""


class UnsupportedValue(Exception):
    """A value that is not of the schema, or is in a way that there is no code for."""


NOT_WRITTEN: Final = (UnsupportedValue, AttributeError, LookupError, OverflowError, TypeError, ValueError)
"""What a writer raises when it leaves a value to fastavro. What was appended until then is worth nothing."""

BYTE: Final = [bytes((number,)) for number in range(256)]
pack_double: Final = struct.Struct("<d").pack

_MOST_SYMBOLS: Final = 64
"""An index below this is written in one byte."""


def compile_writer(schema: Any) -> Writer | None:
    """Return the writer of a schema (as fastavro parsed it), None if there is no code for one of its types."""
    code = writer_code(schema, "write")
    if code is None:
        return None
    names: dict[str, Any] = {"Any": Any, "Final": Final, "BYTE": BYTE, "UnsupportedValue": UnsupportedValue}
    names |= {"pack_double": pack_double, "write_long": write_long}
    exec(compile(code, "<schemas.codec.writer>", "exec"), names)  # noqa: S102 - our own text
    writer: Writer = names["write"]
    return writer


def writer_code(schema: Any, name: str) -> str | None:
    """Return the text of a writer called `name`, None if there is no code for one of the schema's types.

    It wants `Any`, `Final` and the public names above; every other name in it begins with `name`.
    """
    code = _Code(name)
    try:
        result = code.function(schema)
    except NotImplementedError:
        return None
    return "\n".join((*code.lines, f"{name} = {result}", ""))


def write_long(number: int) -> bytes:
    """Write a number, its sign already in the lowest bit, in groups of seven bits."""
    if 1 << 49 <= number < 1 << 56:  # any time of our days takes eight groups: written out, as the others are not
        return bytes(
            (
                number & 127 | 128,
                number >> 7 & 127 | 128,
                number >> 14 & 127 | 128,
                number >> 21 & 127 | 128,
                number >> 28 & 127 | 128,
                number >> 35 & 127 | 128,
                number >> 42 & 127 | 128,
                number >> 49,
            )
        )
    if number >> 64:
        raise UnsupportedValue
    groups = []
    while number > 127:  # noqa: PLR2004 - seven bits
        groups.append(number & 127 | 128)
        number >>= 7
    groups.append(number)
    return bytes(groups)


class _Code:
    """The text of the functions of one schema, each behind those it calls."""

    def __init__(self, name: str) -> None:
        self.lines: list[str] = []
        self._name = name
        self._named: dict[str, Any] = {}
        self._functions: dict[str, str] = {}

    def function(self, schema: Any) -> str:
        """Write the function that writes one value of a schema; return its name."""
        body: list[str] = []
        self._value(schema, body)
        return self._define(body)

    def _define(self, body: list[str]) -> str:
        name = f"{self._name}_{len(self._functions)}"
        self._functions[name] = name
        self.lines += [f"def {name}(value: Any, parts: list[bytes]) -> None:"]
        self.lines += [f"  {line}" for line in (*_LOCALS, *body)]
        return name

    def _value(self, schema: Any, out: list[str]) -> None:
        """Write the lines that write the variable `value`."""
        if isinstance(schema, list):
            self._nullable(schema, out)
        elif isinstance(schema, str):
            self._by_name(schema, out)
        elif schema["type"] == "enum":
            self._enum(schema, out)
        elif schema["type"] == "record":
            out.append(f"{self._record(schema)}(value, parts)")
        elif schema["type"] in {"array", "map"}:
            out.append(f"{self._entries(schema)}(value, parts)")
        else:
            self._by_name(schema["type"], out)

    def _by_name(self, name: str, out: list[str]) -> None:
        if name in self._named:
            self._value(self._named[name], out)
        elif name in _LINES:
            out += _LINES[name].splitlines()
        else:
            raise NotImplementedError(name)

    def _nullable(self, branches: list[Any], out: list[str]) -> None:
        if len(branches) != 2 or branches[0] != "null":  # noqa: PLR2004 - null and one more
            raise NotImplementedError("union")
        inner: list[str] = []
        self._value(branches[1], inner)
        out += ["if value is None:", "  parts.append(BYTE[0])", "else:", "  parts.append(BYTE[2])"]
        out += [f"  {line}" for line in inner]

    def _enum(self, schema: Any, out: list[str]) -> None:
        if len(schema["symbols"]) > _MOST_SYMBOLS:
            raise NotImplementedError("enum")
        table = f"{self._name}_symbols_" + schema["name"].replace(".", "_")
        if schema["name"] not in self._named:
            self._named[schema["name"]] = schema
            symbols = {symbol: BYTE[2 * index] for index, symbol in enumerate(schema["symbols"])}
            self.lines.append(f"{table}: Final = {symbols!r}")
        out.append(f"parts.append({table}[value])")

    def _record(self, schema: Any) -> str:
        self._named[schema["name"]] = schema
        if schema["name"] not in self._functions:
            body = ["record = value", f"if len(record) != {len(schema['fields'])}:", "  raise UnsupportedValue"]
            for field in schema["fields"]:
                body.append(f"value = record[{field['name']!r}]")
                self._value(field["type"], body)
            self._functions[schema["name"]] = self._define(body)
        return self._functions[schema["name"]]

    def _entries(self, schema: Any) -> str:
        is_map = schema["type"] == "map"
        body = [f"if type(value) is not {'dict' if is_map else 'list'}:", "  raise UnsupportedValue"]
        body += ["if value:", "  parts.append(write_long(len(value) << 1))"]
        entry: list[str] = []
        if is_map:
            self._by_name("string", entry)
            entry.append("value = entry")
        self._value(schema["values" if is_map else "items"], entry)
        body += ["record = value", "for value, entry in record.items():"] if is_map else ["for value in value:"]
        return self._define([*body, *(f"  {line}" for line in entry), "parts.append(BYTE[0])"])


_LOCALS: Final = ("record: dict[str, Any]", "number: int", "text: str", "data: bytes")
"""The types of a function's variables."""

_SIZED: Final = """\
size = len(data)
if size < 64:
  parts.append(BYTE[size << 1])
else:
  parts.append(write_long(size << 1))
parts.append(data)
"""

_LINES: Final = {
    "null": "if value is not None:\n  raise UnsupportedValue",
    "boolean": """\
if value is not True and value is not False:
  raise UnsupportedValue
parts.append(BYTE[1 if value else 0])""",
    "long": """\
if type(value) is not int:
  raise UnsupportedValue
number = value
number = number << 1 if number >= 0 else ~(number << 1)
if number < 128:
  parts.append(BYTE[number])
else:
  parts.append(write_long(number))
""",
    "double": "if type(value) is not float:\n  raise UnsupportedValue\nparts.append(pack_double(value))",
    "string": "text = value\ndata = text.encode()\n" + _SIZED,
    "bytes": "if type(value) is not bytes:\n  raise UnsupportedValue\ndata = value\n" + _SIZED,
}
