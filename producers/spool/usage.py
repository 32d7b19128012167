"""How much is in a spool, over all processes that share it.

The folder is the truth. The two numbers in the tally's file only save counting it for every message: they are changed
under a lock together with the folder, and a process that dies in between leaves them too high, never too low. Nothing
is refused before the folder has been counted again.
"""

import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

_NUMBERS: Final = struct.Struct(">qq")
_COUNT_GOOD_FOR: Final = 60.0
"""Seconds."""
_RECOUNT_AFTER: Final = 1.0
"""Seconds between two counts of a folder that is full: to refuse must stay cheap."""


class SpoolUsage(NamedTuple):
    """Files and their bytes."""

    files: int
    size: int


class UsageCounter:
    """The count of the messages in `folder`, and of those being written in `tmp/*` of it. For many processes."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._descriptor = os.open(f"{folder}/.tally", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._threads = threading.RLock()
        self._depth = 0
        self._counted_at = 0.0

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock out other writers while the folder changes; record changes with `add`. A dead process releases it."""
        with self._threads:
            if not self._depth:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth:
                    fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def add(self, files: int, size: int) -> None:
        """Record messages added or removed. The lock is held."""
        known = self._read()
        self._write(SpoolUsage(known.files + files, known.size + size))

    def room(self, more: SpoolUsage, limit: SpoolUsage) -> bool:
        """Return whether `more` fits under the limit. The lock is held."""
        if not _fits(self._read(), more, limit) and time.monotonic() - self._counted_at > _RECOUNT_AFTER:
            self.recount()
        return _fits(self._read(), more, limit)

    def known(self) -> SpoolUsage:
        """Return the usage, recounted if the last count is old. The lock is held."""
        return self.recount() if time.monotonic() - self._counted_at > _COUNT_GOOD_FOR else self._read()

    def recount(self) -> SpoolUsage:
        """Count the folders."""
        with self.locked():
            temporary = os.path.join(self._folder, "tmp")
            counts = [count(self._folder), *(count(f"{temporary}/{writer}") for writer in os.listdir(temporary))]
            usage = SpoolUsage(sum(each.files for each in counts), sum(each.size for each in counts))
            self._write(usage)
            self._counted_at = time.monotonic()
            return usage

    def _read(self) -> SpoolUsage:
        data = os.pread(self._descriptor, _NUMBERS.size, 0)
        return SpoolUsage(*_NUMBERS.unpack(data)) if len(data) == _NUMBERS.size else self.recount()

    def _write(self, usage: SpoolUsage) -> None:
        os.pwrite(self._descriptor, _NUMBERS.pack(*usage), 0)


def _fits(known: SpoolUsage, more: SpoolUsage, limit: SpoolUsage) -> bool:
    return known.files + more.files <= limit.files and known.size + more.size <= limit.size


def count(folder: str) -> SpoolUsage:
    """Count the messages in a folder; zero if there is no such folder."""
    sizes = []
    with suppress(FileNotFoundError), os.scandir(folder) as found:
        for file in found:
            if is_message(file.name):
                with suppress(FileNotFoundError):
                    sizes.append(file.stat().st_size)
    return SpoolUsage(len(sizes), sum(sizes))


def is_message(name: str) -> bool:
    """Return whether a file has the name of a message: <millis>-<event id>."""
    millis, dash, rest = name.partition("-")
    return bool(dash and rest) and millis.isascii() and millis.isdigit() and not rest.endswith(".reason")
