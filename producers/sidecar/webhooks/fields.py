"""Reading JSON that somebody else wrote: nothing here raises, whatever stands where something else was expected."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schemas.errors import one_line
from schemas.rules import MAX_SHORT, MAX_TEXT
from schemas.values import SECOND

_LINE: Final = 80
"""Characters of a value in a message."""
_MOST: Final = 10**21
"""Beyond any time in nanoseconds. It also keeps infinity out, and what is no number."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r" ?(?:([Zz]|UTC|GMT)|([+-][0-9]{2}):?([0-9]{2})(?: [A-Z]{3,5})?)"
)
_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_URL: Final = re.compile(r"https?://[^\s/?#@]+(?:[/?#]\S*)?")


def at(value: Any, *path: str | int) -> Any:
    """What stands at the path inside `value`; None where the path ends before."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, Mapping) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value


def entries(value: Any) -> list[Any]:
    """`value` if it is a list, else none."""
    return value if isinstance(value, list) else []


def named(value: Any) -> Mapping[str, Any]:
    """`value` if it is an object, else one without fields."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str | None:
    """The words of a text, or the digits of a whole number; None for all else, and for a text without words."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
        return str(value)
    return (value.strip() or None) if isinstance(value, str) else None


def title(value: Any) -> str | None:
    """A text on one line, as long as the contract takes it."""
    words = text(value)
    if words is None:
        return None
    line = " ".join("".join(c if c.isprintable() else " " for c in words[: 4 * MAX_SHORT]).split())
    return line if len(line) <= MAX_SHORT else f"{line[: MAX_SHORT - 1]}…"


def url(value: Any) -> str | None:
    """A web address that a person can open; one with a name and password in it is none."""
    address = text(value)
    return address if address and len(address) <= MAX_TEXT and address.isascii() and _URL.fullmatch(address) else None


def sha(value: Any) -> str | None:
    """A full commit hash in lower case; a short one could be anybody's."""
    digits = text(value)
    return digits.lower() if digits and _SHA.fullmatch(digits.lower()) else None


def time(value: Any) -> str | None:
    """A time as the contract writes it, in UTC and cut to microseconds; None for what is none, and for the year 1.

    Read are RFC 3339 with up to nine digits of a second, and what Ruby and Go print: "2026-05-02 11:55:16 +0000",
    "2026-05-02 11:55:16 UTC". A time without a zone is none. Go says the year 1 for "not yet".
    """
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    day, clock, digits, _, hours, minutes = match.groups()
    zone = f"{hours}:{minutes}" if hours else "+00:00"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}.{(digits or '0')[:6].ljust(6, '0')}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if moment.year == 1 else written(moment)


def from_epoch(value: Any, per_second: int) -> str | None:
    """A time given as a number since 1970, 1000 of which make a second, or 10**9, as `time` writes it."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST:
        return None
    try:
        return written(_EPOCH + timedelta(microseconds=int(value * SECOND // per_second)))
    except OverflowError:
        return None


def written(moment: datetime) -> str:
    """A moment as the contract writes it: in UTC, with a Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Each text inside an object by its dotted name: facts for `Names.place`."""
    for key, entry in named(value).items():
        words = text(entry)
        if words is not None:
            yield f"{name}.{key}", words


def shown(value: Any) -> str:
    """A value of a delivery in a message for people: short and on one line."""
    if value is None:
        return "nothing"
    words = one_line(f'"{value[:_LINE]}"' if isinstance(value, str) else repr(value)[: 2 * _LINE])
    return words if len(words) <= _LINE else f"{words[: _LINE - 1]}…"
