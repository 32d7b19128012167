"""Read JSON files of REST API clients: one document, one per line, or concatenated pages."""

import json
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from producers.errors import UsageError

MAX_BYTES: Final = 1 << 30
"""Maximum bytes of one file, as it is read into memory; export larger ones in parts."""

_BLANK: Final = re.compile(r"[\s\x1e,]*")
"""Between two documents. 1e is what RFC 7464 puts there; a comma stands where an array was cut into lines."""
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


class ExportObject(NamedTuple):
    """An object of an export, and its position."""

    place: str
    value: Any


def read_export(name: str, pages: Collection[str] = ()) -> Iterator[ExportObject]:
    """Each object of a file. Arrays are opened, also in one another, and so is an object that only wraps a page.

    `pages` are the names under which such an object has its page: `{"incidents": [...], "more": false}`.

    Raises:
        UsageError: the file cannot be read, or is no JSON. A cut one is refused whole: what is missing is not known.
    """
    count = 0
    for document in _documents(_text(name), name):
        for value in _opened(document, pages):
            count += 1
            yield ExportObject(f"{name}, entry {count}", value)


def _opened(value: Any, pages: Collection[str]) -> Iterator[Any]:
    """What is in arrays and pages, to any depth."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            value = next((value[page] for page in pages if isinstance(value.get(page), list)), value)
        if isinstance(value, list):
            waiting += reversed(value)
        else:
            yield value


def _documents(text: str, name: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    at = _end_of_blank(text, 0)
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            where = f"{name}:{error.lineno}:{error.colno}"
            raise UsageError(f"{where}: this is no JSON: {error.msg}; was the export cut off?") from None
        except (RecursionError, ValueError) as error:
            raise UsageError(f"{name}: this is no JSON that can be read: {error}") from None
        yield value
        at = _end_of_blank(text, at)


def _end_of_blank(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _text(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1) if name == "-" else _bytes(Path(name))
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{name}: has more than {MAX_BYTES} bytes; export it in parts")
    try:
        # A shell of Windows redirects in UTF-16.
        return raw.decode("utf-16" if raw[:2] in _UTF_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: is no text in UTF-8, at byte {error.start + 1}") from None


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
