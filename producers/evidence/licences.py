"""Check SPDX licence expressions, such as "MIT OR (GPL-3.0-only AND Zlib)", against a policy of names."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from producers.evidence.report import MAX_DEPTH

_TOKEN: Final = re.compile(r"[()]|[^()\s]+")
UNSTATED: Final = frozenset({"", "NOASSERTION", "NONE"})
"""What SPDX writes where no licence is stated."""


@dataclass(frozen=True, slots=True)
class LicencePolicy:
    """Glob patterns of licence names, such as GPL-*. With `allow`, all others are denied; `deny` takes precedence."""

    deny: Sequence[str] = ()
    allow: Sequence[str] = ()

    @property
    def is_set(self) -> bool:
        """Whether the policy has any pattern."""
        return bool(self.deny or self.allow)

    def denied(self, expressions: Iterable[str]) -> list[str]:
        """Return the expressions that leave no permitted choice, sorted. Unstated licences pass."""
        return sorted({text for text in expressions if text.strip() not in UNSTATED and not self.permits(text)})

    def permits(self, expression: str) -> bool:
        """Check whether an expression can be satisfied with permitted licences only.

        A text that is not an expression ("BSD License, see file") counts as one name.
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
        """Check a licence with an exception: the pair by its full name, or the licence alone."""
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
