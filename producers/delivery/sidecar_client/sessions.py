"""Cache the session of a CI job for the next step of the same job.

GitLab gives a job one token, which is exchanged once. The file is the user's own (0600), taken from nobody else, and
named by a hash of what only this job has, so that no other job takes it for its own. A session is good for minutes.
"""

import hashlib
import json
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

MARGIN: Final = timedelta(seconds=30)
"""A session that ends sooner is not used: the clocks of two machines differ, and a request takes time."""

_LARGEST: Final = 65_536


class CachedSession(NamedTuple):
    """A bearer token, and until when it is good. Never shown."""

    token: str
    expires_at: datetime

    def good(self, now: datetime) -> bool:
        """Return whether it is valid for a request that begins now."""
        return now + MARGIN < self.expires_at


class SessionFile:
    """One session in a folder; none where files have no owners. Its errors are ignored."""

    def __init__(self, folder: str, parts: Sequence[str]) -> None:
        name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
        self._path: Final = os.path.join(folder, f"candora-session-{name}")
        self._possible: Final = hasattr(os, "geteuid") and hasattr(os, "O_NOFOLLOW")

    def read(self, now: datetime) -> CachedSession | None:
        """Return the cached session, if it is ours and valid."""
        if not self._possible:
            return None
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
            if not ours or found.st_size > _LARGEST:
                return None
            try:
                session = read_session(json.load(file))
            except (OSError, ValueError):
                return None
        if session is None or not session.good(now):
            self.forget()
            return None
        return session

    def write(self, session: CachedSession) -> None:
        """Write the session, if possible."""
        if not self._possible:
            return
        new = f"{self._path}.{os.getpid()}"
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"token": session.token, "expires_at": session.expires_at.isoformat()}, file)
            os.replace(new, self._path)
        except OSError:
            with suppress(OSError):
                os.unlink(new)

    def forget(self) -> None:
        """Remove the session."""
        with suppress(OSError):
            os.unlink(self._path)


def read_session(found: object) -> CachedSession | None:
    """Parse the response of `POST /v1/token`; None if it holds no session."""
    if not isinstance(found, dict):
        return None
    token, expires = found.get("token"), found.get("expires_at")
    if not isinstance(token, str) or not isinstance(expires, str):
        return None
    if not token.isascii() or not token.isprintable() or " " in token:
        return None
    try:
        at = datetime.fromisoformat(expires)
    except ValueError:
        return None
    return CachedSession(token, at if at.tzinfo else at.replace(tzinfo=UTC))
