"""What people call severities, as sev1 (worst) to sev5, unless the mapping file says otherwise."""

import re
from collections.abc import Mapping
from typing import Final

_NUMBERED: Final = re.compile(r"(?:sev|severity|p|prio|priority|s)[\s._-]*([0-5])(?![0-9]).*", re.DOTALL)

WORDS: Final[Mapping[str, str]] = {
    "critical": "sev1",
    "crit": "sev1",
    "disaster": "sev1",
    "emergency": "sev1",
    "fatal": "sev1",
    "page": "sev1",
    "error": "sev2",
    "high": "sev2",
    "major": "sev2",
    "average": "sev3",
    "medium": "sev3",
    "minor": "sev3",
    "moderate": "sev3",
    "warn": "sev3",
    "warning": "sev3",
    "low": "sev4",
    "notice": "sev4",
    "info": "sev5",
    "information": "sev5",
    "informational": "sev5",
}
"""The usual words. Those that are not here, such as "unknown", say nothing of a severity."""


def severity_of(words: str) -> str | None:
    """Return "sev1" to "sev5" for "P1", "SEV-2: Major", "critical"; a 0 counts as 1. None for any other words."""
    plain = words.strip().casefold()
    numbered = _NUMBERED.fullmatch(plain)
    if numbered is not None:
        return f"sev{max(1, int(numbered[1]))}"
    return WORDS.get(plain)
