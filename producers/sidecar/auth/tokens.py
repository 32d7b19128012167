"""Bearer tokens of callers. Only their hashes are kept.

A token is 256 random bits, so SHA-256 is hash enough: there is no dictionary to try and nothing to guess, which is what
a slow hash guards against. And a fast one cannot be used to keep the sidecar busy.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from producers.sidecar.auth.access import AccessRefused, RefusalReason
from producers.sidecar.auth.scope import KnownCaller, Scope
from producers.sidecar.auth.secret import wire
from producers.sidecar.auth.settings import TokenSettings

PREFIX: Final = "candora_"
"""So that people, and scanners of leaked secrets, see what it is."""


def new_token() -> str:
    """A new token: 256 bits of randomness."""
    return PREFIX + secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What the settings keep of a token."""
    return hashlib.sha256(wire(token)).hexdigest()


def known_token(token: str, tokens: Iterable[TokenSettings], now: datetime) -> KnownCaller:
    """Whose token it is.

    Raises:
        Refused: nobody's, or it has expired.
    """
    given = token_hash(token)
    found = [each for each in tokens if hmac.compare_digest(each.sha256, given)]
    if not found:
        raise AccessRefused(RefusalReason.WRONG_SECRET, "the bearer token is nobody's")
    valid = [each for each in found if each.expires is None or now < each.expires]
    if not valid:
        raise AccessRefused(
            RefusalReason.EXPIRED, f"the token {found[0].name} expired at {found[0].expires}; make another one"
        )
    return KnownCaller(f"token {valid[0].name}", Scope.of(valid[0]))
