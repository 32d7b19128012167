"""The public keys of an issuer, fetched when a key is not known, and kept when fetching fails."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import jwt

from producers.sidecar.auth.access import AccessRefused, RefusalReason

if TYPE_CHECKING:
    from aiohttp import StreamReader

THROTTLE: Final = timedelta(seconds=60)
"""Between two fetches: a token with an invented key id costs the issuer nothing more."""

LIFETIME: Final = timedelta(hours=1)
"""After which keys are fetched again although all are known, so that one taken back stops being good."""

MOST_BYTES: Final = 1024 * 1024
TIMEOUT_SECONDS: Final = 5.0

Fetch = Callable[[str], Awaitable[bytes]]
"""The body found at an address; OSError or TimeoutError if there is none to be had."""


async def fetch(url: str) -> bytes:
    """Get a document over HTTP(S), through the proxy of the environment if there is one. No redirects."""
    import aiohttp  # noqa: PLC0415 - only an installation with such an issuer needs a client

    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        try:
            async with session.get(url, allow_redirects=False) as answer:
                body = await _read(answer.content)
        except aiohttp.ClientError as error:
            raise OSError(type(error).__name__) from error
    if answer.status != 200:  # noqa: PLR2004 - OK
        raise OSError(f"HTTP status {answer.status}")
    return body


async def _read(content: "StreamReader") -> bytes:
    body = b""
    async for part in content.iter_any():
        body += part
        if len(body) > MOST_BYTES:
            raise OSError(f"more than {MOST_BYTES} bytes")
    return body


class KeySet:
    """The keys of one issuer."""

    def __init__(self, url: str, fetch: Fetch) -> None:
        self._url: Final = url
        self._fetch: Final = fetch
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked: datetime | None = None
        self._fetched: datetime | None = None
        self._problem: str | None = None
        self._lock: Final = asyncio.Lock()

    async def key(self, key_id: str, now: datetime) -> jwt.PyJWK:
        """The key of this id.

        Raises:
            Refused: the issuer has no such key (`unknown_key`), or does not say which it has (`unavailable`).
        """
        async with self._lock:  # many requests at once make one fetch
            if (key_id not in self._keys or self._old(now)) and self._may_ask(now):
                await self._refresh(now)
        if (known := self._keys.get(key_id)) is not None:
            return known
        if self._problem is not None:
            raise AccessRefused(RefusalReason.UNAVAILABLE, f"the keys at {self._url} cannot be read: {self._problem}")
        raise AccessRefused(RefusalReason.UNKNOWN_KEY, f"there is no key of the token's key id at {self._url}")

    def _old(self, now: datetime) -> bool:
        return self._fetched is None or now - self._fetched >= LIFETIME

    def _may_ask(self, now: datetime) -> bool:
        return self._asked is None or now - self._asked >= THROTTLE

    async def _refresh(self, now: datetime) -> None:
        self._asked = now
        try:
            keys = read_keys(await self._fetch(self._url))
        except (OSError, ValueError) as error:
            self._problem = str(error) or type(error).__name__
            return
        self._keys, self._fetched, self._problem = keys, now, None


def read_keys(document: bytes) -> dict[str, jwt.PyJWK]:
    """The RSA keys for signatures in a JSON Web Key Set, by key id; others are left out.

    Raises:
        ValueError: it is no key set, or has no such key. An issuer without keys is one that has a bad day.
    """
    try:
        entries = json.loads(document)["keys"]
        found = {
            str(entry["kid"]): jwt.PyJWK(entry, algorithm="RS256")
            for entry in entries
            if entry.get("kty") == "RSA" and entry.get("use", "sig") == "sig" and "kid" in entry
        }
    except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError):
        raise ValueError("what stands there is no JSON Web Key Set") from None
    if not found:
        raise ValueError("there is no RSA key for signatures")
    return found
