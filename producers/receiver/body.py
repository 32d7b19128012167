"""The JSON of a request's body, as `serve` and `explain` take it: UTF-8, and not nested without end."""

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn
from urllib.parse import parse_qs

MAX_DEPTH: Final = 64
_FORM: Final = "application/x-www-form-urlencoded"


class BadBody(ValueError):
    """The body is no JSON that is taken; the message says why, and repeats nothing of it."""


def decode_body(headers: Mapping[str, str], body: bytes) -> Any:
    """Return what the body says. A form must have one field `payload` with the JSON, as GitHub sends it.

    `headers` are by lower-case name. What kind of JSON the content type names is for the source to know.

    Raises:
        BadBody: it is no such thing.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    text = _utf8(body)
    if kind == _FORM:
        text = _payload(text)
    try:
        value = json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise BadBody(f"the body is nested more than {MAX_DEPTH} deep") from error
    except json.JSONDecodeError as error:
        raise BadBody(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError as error:  # NaN, or more digits than Python reads
        raise BadBody(f"the body is not JSON: {error}") from None
    if _deeper_than(value, MAX_DEPTH):
        raise BadBody(f"the body is nested more than {MAX_DEPTH} deep")
    return value


def _utf8(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadBody(f"the body is not UTF-8, at byte {error.start + 1}") from None


def _payload(form: str) -> str:
    try:
        values = parse_qs(form, strict_parsing=True, errors="strict", max_num_fields=8).get("payload", [])
    except ValueError:
        raise BadBody("the body is not the form that its content type says") from None
    if len(values) != 1:
        raise BadBody(f"the form has {len(values)} fields called payload, not one; let the sender send JSON")
    return values[0]


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
