"""A writer of Avro bytes, written out in Python for one schema: three times as fast as fastavro on our records.

As `schemas.avro_reader`, it walks the schema once and leaves straight code. It knows only values of exactly the types
that this program makes; whatever else it meets, it leaves to fastavro, which writes it or says what is wrong.
Schemas it has no code for (int, float, fixed, unions of more than null and one type) are left to fastavro too.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

Writer = Callable[[Any, bytearray], None]
"""Appends a value to what was written before."""


class Unusual(Exception):
    """A value that is not of the schema, or is in a way that there is no code for."""


NOT_WRITTEN: Final = (Unusual, AttributeError, LookupError, TypeError, ValueError)
"""What a writer raises when it leaves a value to fastavro. What was appended until then is worth nothing."""

_MOST_SYMBOLS: Final = 64
"""An index below this is written in one byte."""


def compile_writer(schema: Any) -> Writer | None:
    """Return the writer of a schema (as fastavro parsed it), None if there is no code for one of its types."""
    code = _Code()
    try:
        result = code.function(schema)
    except NotImplementedError:
        return None
    names: dict[str, Any] = {"long": _long, "pack_double": struct.Struct("<d").pack, "Unusual": Unusual}
    names |= code.constants
    exec(compile("\n".join(code.lines), "<schemas.avro_writer>", "exec"), names)  # noqa: S102 - our own text
    writer: Writer = names[result]
    return writer


def _long(number: int, out: bytearray) -> None:
    """Write a number, its sign already in the lowest bit, in groups of seven bits."""
    if 1 << 49 <= number < 1 << 56:  # any time of our days takes eight groups: written out, as the others are not
        out += bytes(
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
        return
    if number >> 64:
        raise Unusual
    while number > 127:  # noqa: PLR2004 - seven bits
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


class _Code:
    """The text of the functions of one schema, each behind those it calls."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self._named: dict[str, Any] = {}
        self._functions: dict[str, str] = {}

    def function(self, schema: Any) -> str:
        """Write the function that writes one value of a schema; return its name."""
        body: list[str] = []
        self._value(schema, body)
        return self._define(body)

    def _define(self, body: list[str]) -> str:
        name = f"write_{len(self._functions)}"
        self._functions[name] = name
        self.lines += [f"def {name}(value, out):", "  append = out.append", *(f"  {line}" for line in body)]
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
            out.append(f"{self._record(schema)}(value, out)")
        elif schema["type"] in {"array", "map"}:
            out.append(f"{self._entries(schema)}(value, out)")
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
        out += ["if value is None:", "  append(0)", "else:", "  append(2)", *(f"  {line}" for line in inner)]

    def _enum(self, schema: Any, out: list[str]) -> None:
        if len(schema["symbols"]) > _MOST_SYMBOLS:
            raise NotImplementedError("enum")
        self._named[schema["name"]] = schema
        table = "symbols_" + schema["name"].replace(".", "_")
        self.constants[table] = {symbol: 2 * index for index, symbol in enumerate(schema["symbols"])}
        out.append(f"append({table}[value])")

    def _record(self, schema: Any) -> str:
        self._named[schema["name"]] = schema
        if schema["name"] not in self._functions:
            body = ["record = value", f"if len(record) != {len(schema['fields'])}:", "  raise Unusual"]
            for field in schema["fields"]:
                body.append(f"value = record[{field['name']!r}]")
                self._value(field["type"], body)
            self._functions[schema["name"]] = self._define(body)
        return self._functions[schema["name"]]

    def _entries(self, schema: Any) -> str:
        is_map = schema["type"] == "map"
        body = [f"if type(value) is not {'dict' if is_map else 'list'}:", "  raise Unusual"]
        body += ["if value:", "  long(len(value) << 1, out)"]
        entry: list[str] = []
        if is_map:
            self._by_name("string", entry)
            entry.append("value = entry")
        self._value(schema["values" if is_map else "items"], entry)
        body.append("for value, entry in value.items():" if is_map else "for value in value:")
        return self._define([*body, *(f"  {line}" for line in entry), "append(0)"])


_SIZED: Final = """\
size = len(data)
if size < 64:
  append(size << 1)
else:
  long(size << 1, out)
out += data
"""

_LINES: Final = {
    "null": "if value is not None:\n  raise Unusual",
    "boolean": "if value is not True and value is not False:\n  raise Unusual\nappend(value)",
    "long": """\
if type(value) is not int:
  raise Unusual
number = value << 1 if value >= 0 else ~(value << 1)
if number < 128:
  append(number)
else:
  long(number, out)
""",
    "double": "if type(value) is not float:\n  raise Unusual\nout += pack_double(value)",
    "string": "data = value.encode()\n" + _SIZED,
    "bytes": "if type(value) is not bytes:\n  raise Unusual\ndata = value\n" + _SIZED,
}
