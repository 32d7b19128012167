"""Parse request bodies for `serve` and `explain`: JSON in UTF-8, of limited nesting."""

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn
from urllib.parse import parse_qs

from producers.sidecar.rejections import RequestRejected

DEPTH: Final = 64
"""Default limit on the nesting of JSON."""
_FORM: Final = "application/x-www-form-urlencoded"


def webhook_json(headers: Mapping[str, str], body: bytes, depth: int = DEPTH) -> Any:
    """Parse the JSON of a webhook. A form must have one field `payload` with it, as GitHub sends it.

    `headers` are by lower-case name.

    Raises:
        RequestRejected: it is not JSON, or nested too deep; the message repeats nothing of it.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return parse_json(_payload(body) if kind == _FORM else body, depth)


def parse_json(body: bytes, depth: int = DEPTH) -> Any:
    """Parse JSON in UTF-8.

    Raises:
        RequestRejected: it is not JSON in UTF-8, or nested deeper than `depth`; the message repeats nothing of it.
    """
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_no_number)
    except RecursionError as error:
        raise RequestRejected("too_deep", f"the body is nested more than {depth} deep") from error
    except UnicodeDecodeError as error:
        raise RequestRejected("not_json", f"the body is not UTF-8, at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RequestRejected("not_json", f"the body is not JSON: {error.msg} at {where}") from None
    except ValueError as error:  # NaN, or more digits than Python reads
        raise RequestRejected("not_json", f"the body is not JSON: {error}") from None
    level = [value]
    for _ in range(depth + 1):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return value
    raise RequestRejected("too_deep", f"the body is nested more than {depth} deep")


def _payload(body: bytes) -> bytes:
    try:
        fields = parse_qs(body.decode("utf-8"), strict_parsing=True, errors="strict", max_num_fields=8)
    except ValueError:
        raise RequestRejected("not_json", "the body is not the form that its content type says") from None
    values = fields.get("payload", [])
    if len(values) != 1:
        raise RequestRejected(
            "not_json", f"the form has {len(values)} fields called payload, not one; let it send JSON"
        )
    return values[0].encode()


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _containers(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in inner if isinstance(each, dict | list)]
