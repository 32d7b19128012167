"""Which licences are denied: by name, within the expressions of SPDX such as "MIT OR (GPL-3.0-only AND Zlib)"."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from producers.evidence.report import MAX_DEPTH

_TOKEN: Final = re.compile(r"[()]|[^()\s]+")
UNSAID: Final = frozenset({"", "NOASSERTION", "NONE"})
"""What SPDX writes where nobody said."""


@dataclass(frozen=True, slots=True)
class LicencePolicy:
    """Patterns of names, such as GPL-* or MIT. With `allow`, everything else is denied; `deny` comes first."""

    deny: Sequence[str] = ()
    allow: Sequence[str] = ()

    @property
    def given(self) -> bool:
        """Whether there is anything to decide by."""
        return bool(self.deny or self.allow)

    def denied(self, expressions: Iterable[str]) -> list[str]:
        """Those that leave no permitted choice, sorted. What nobody stated is not judged."""
        return sorted({text for text in expressions if text.strip() not in UNSAID and not self.permits(text)})

    def permits(self, expression: str) -> bool:
        """Whether there is a way to choose within an expression that keeps to permitted licences.

        A text that is no expression ("BSD License, see file") is taken for one name.
        """
        tokens = _TOKEN.findall(expression)
        try:
            permitted, rest = self._any_of(tokens, 0)
        except (_NoExpressionError, IndexError):
            return self._permits_name(expression.strip())
        return permitted if not rest else self._permits_name(expression.strip())

    def _any_of(self, tokens: Sequence[str], depth: int) -> tuple[bool, Sequence[str]]:
        permitted, tokens = self._all_of(tokens, depth)
        while tokens and tokens[0].upper() == "OR":
            other, tokens = self._all_of(tokens[1:], depth)
            permitted = permitted or other
        return permitted, tokens

    def _all_of(self, tokens: Sequence[str], depth: int) -> tuple[bool, Sequence[str]]:
        permitted, tokens = self._one(tokens, depth)
        while tokens and tokens[0].upper() == "AND":
            other, tokens = self._one(tokens[1:], depth)
            permitted = permitted and other
        return permitted, tokens

    def _one(self, tokens: Sequence[str], depth: int) -> tuple[bool, Sequence[str]]:
        if depth > MAX_DEPTH:
            raise _NoExpressionError
        first, rest = tokens[0], tokens[1:]
        if first == "(":
            permitted, rest = self._any_of(rest, depth + 1)
            if rest[0] != ")":
                raise _NoExpressionError
            return permitted, rest[1:]
        if first == ")" or first.upper() in {"AND", "OR", "WITH"}:
            raise _NoExpressionError
        if rest and rest[0].upper() == "WITH":
            return self._permits_pair(first, rest[1]), rest[2:]
        return self._permits_name(first), rest

    def _permits_pair(self, name: str, exception: str) -> bool:
        """Whether a licence with an exception is permitted: the pair by its name, or the licence itself."""
        pair = f"{name} WITH {exception}"
        return _matches(pair, self.allow) or (self._permits_name(name) and not _matches(pair, self.deny))

    def _permits_name(self, name: str) -> bool:
        if _matches(name, self.deny):
            return False
        return not self.allow or _matches(name, self.allow)


class _NoExpressionError(Exception):
    """The text is not a licence expression."""


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
