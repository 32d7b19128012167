"""Lengths of time as people write them in settings: "15m", "24h", "1h30m", "500ms"."""

import re
from typing import Final

from schemas.values import DAY, HOUR, MINUTE, SECOND, Micros

UNITS: Final = {
    "d": DAY,
    "h": HOUR,
    "m": MINUTE,
    "s": SECOND,
    "ms": SECOND // 1000,
    "us": 1,
}
"""Unit to microseconds, longest first: the order in which they may follow each other."""

LONGEST: Final = 10_000 * DAY
"""More than any retention; far from the end of a 64-bit number of microseconds."""

_PATTERN: Final = re.compile("".join(rf"(?:([0-9]{{1,18}}){unit})?" for unit in UNITS))
_HINT: Final = "write a whole number and a unit (d, h, m, s, ms, us), for example 15m, 24h or 1h30m"


def parse_duration(text: str) -> Micros:
    """Return the length of `text` in microseconds; ValueError, with an example, if it is none or over 10 000 days."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None or not text.strip():
        problem = f"{text!r} is not a duration: {_HINT}"
        raise ValueError(problem)
    length = sum(int(number) * size for number, size in zip(match.groups(), UNITS.values(), strict=True) if number)
    if length > LONGEST:
        problem = f"{text!r} is longer than {LONGEST // DAY} days"
        raise ValueError(problem)
    return length


def format_duration(length: Micros) -> str:
    """Return the shortest text that `parse_duration` reads as `length`: "1h30m", "0s"; ValueError if it is negative."""
    if length < 0:
        problem = f"a duration cannot be negative: {length} microseconds"
        raise ValueError(problem)
    parts = []
    for unit, size in UNITS.items():
        number, length = divmod(length, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
