"""Which tokens of CI systems were exchanged already. Each is good for one session."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from producers.sidecar.auth.access import AccessRefused, RefusalReason

GRACE: Final = timedelta(seconds=35)
"""Kept so long after it expired: the leeway of clocks, and a little more."""

MOST: Final = 100_000
"""Tokens remembered at once. Every one had a good signature and is of a repository that is let in."""


class UsedTokens(Protocol):
    """A memory of ids that takes each once."""

    def use(self, identity: str, expires: datetime, now: datetime) -> None:
        """Mark it as used, in one step with the look whether it was.

        Raises:
            Refused: it was used before (`replayed`), or this cannot be found out (`unavailable`).
        """
        ...


class InMemory:
    """For one process, until it ends."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def use(self, identity: str, expires: datetime, now: datetime) -> None:
        """See `UsedTokens`."""
        if identity in self._until:
            raise _replayed()
        if len(self._until) >= MOST:
            self._until = {each: until for each, until in self._until.items() if until >= now}
        if len(self._until) >= MOST:
            raise _full()
        self._until[identity] = expires + GRACE


class InFolder:
    """For several processes, and over restarts: an empty file per token, whose name the system gives away once.

    The file's time of change is when it may be forgotten.
    """

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder
        self._count = MOST  # so that the first look counts them

    def use(self, identity: str, expires: datetime, now: datetime) -> None:
        """See `UsedTokens`."""
        path = self._folder / hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
        try:
            if self._count >= MOST:
                self._count = self._forget(now)
            if self._count >= MOST:
                raise _full()
            new = self._create(path, (expires + GRACE).timestamp())
        except OSError as error:
            problem = f"used tokens cannot be remembered in {self._folder}: {error.strerror}"
            raise AccessRefused(RefusalReason.UNAVAILABLE, problem) from error
        if not new:
            raise _replayed()
        self._count += 1

    @staticmethod
    def _create(path: Path, until: float) -> bool:
        """Whether there was no such file yet."""
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        os.utime(path, (until, until))
        return True

    def _forget(self, now: datetime) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        left = 0
        for path in self._folder.iterdir():
            if datetime.fromtimestamp(path.stat().st_mtime, UTC) < now:
                path.unlink(missing_ok=True)
            else:
                left += 1
        return left


def _replayed() -> AccessRefused:
    return AccessRefused(
        RefusalReason.REPLAYED, "the token was exchanged before; a job asks for a new one, or keeps its session"
    )


def _full() -> AccessRefused:
    return AccessRefused(
        RefusalReason.UNAVAILABLE, f"more than {MOST} tokens were exchanged in their lifetime; try again later"
    )
