"""A durable queue in a folder: one file per message, so that nothing can disagree with anything after a crash.

    <folder>/<millis>-<event id>      messages, whole and synced, named by when they were put and what they are
    <folder>/tmp/<writer>/            files being written; never read, and removed when their writer is dead
    <folder>/quarantine/              files that cannot or should not be sent, each with a <name>.reason beside it
    <folder>/.tally, .drain           locks: see `usage` and `Spool.draining`

A file is written in `tmp`, synced, renamed and its folder synced before `put` returns; what is found under a message's
name is therefore whole, whatever died when. It is removed only once a broker has acknowledged it. Several processes may
put at once; one at a time drains. Loading this module is cheap: `emit` does it while a pipeline waits.
"""

import fcntl
import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from producers.spool.message_file import DamagedMessageFile, SpooledMessage, pack, unpack
from producers.spool.usage import SpoolUsage, UsageCounter, count, is_message

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

TMP: Final = "tmp"
QUARANTINE: Final = "quarantine"
_LEASE: Final = ".lease"
_TOGETHER: Final = 64
"""Files that are open at a time."""
_AT_ONCE: Final = 16
"""Of which so many are being synced."""


class SpoolFull(Exception):
    """The spool has reached a limit, and takes nothing until something has been sent."""


class SpoolUnusable(Exception):
    """The folder cannot be read or written; the message says which, and why."""


class SpoolBusy(Exception):
    """Another process is draining the spool."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much a spool takes, over all processes that share it; its quarantine takes as much again."""

    max_bytes: int = 64 << 20
    max_files: int = 10_000
    max_age: float = 30 * 86_400.0
    """Seconds after which a message goes to the quarantine instead of to the broker."""


class SpoolEntry(NamedTuple):
    """A file of the spool."""

    put_at: float
    """Seconds since 1970: when it was put."""
    name: str


class Spool:
    """The spool in `folder`, which is made if it is not there. `clock` gives seconds since 1970.

    Raises:
        SpoolUnusable: the folder cannot be made or written.
    """

    def __init__(self, folder: str, limits: SpoolLimits | None = None, clock: Callable[[], float] = time.time) -> None:
        self.folder: Final = folder
        self.limits: Final = limits or SpoolLimits()
        self._clock = clock
        self._numbers = itertools.count()
        self._last = 0
        self._pool: ThreadPoolExecutor | None = None
        self._writer = self._path(f"{TMP}/{os.getpid()}-{os.urandom(6).hex()}")
        with self._usable():
            if not os.path.isdir(folder):
                os.makedirs(folder, mode=0o700, exist_ok=True)
                _sync_folder(os.path.dirname(os.path.abspath(folder)))  # or a power cut could take all of it
            for part in (TMP, QUARANTINE):
                os.makedirs(self._path(part), mode=0o700, exist_ok=True)
            self._usage = UsageCounter(folder)
            with self._usage.locked():
                self._sweep()
                os.mkdir(self._writer, 0o700)
                self._lease = os.open(f"{self._writer}/{_LEASE}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._lease, fcntl.LOCK_EX)
                self._usage.recount()

    def close(self) -> None:
        """Release the folder."""
        if self._pool is not None:
            self._pool.shutdown()
        shutil.rmtree(self._writer, ignore_errors=True)
        os.close(self._lease)
        self._usage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- in -----------------------------------------------------------------------------------------------------------

    def put(self, message: SpooledMessage) -> None:
        """Keep a message; it is on the disk when this returns. Raises as `put_all`."""
        self.put_all([message])

    def put_all(self, messages: Sequence[SpooledMessage]) -> None:
        """Keep messages: all of them, or, when this raises SpoolFull, none.

        Raises:
            SpoolFull: a limit would be passed.
            SpoolUnusable: the disk refused. Some of them may be kept nevertheless, and will be sent.
        """
        files = [
            _File(f"{self._writer}/{next(self._numbers)}-{each.event_id}", each.event_id, pack(each))
            for each in messages
        ]
        with self._usable():
            self._reserve(files)
            try:
                for first in range(0, len(files), _TOGETHER):
                    self._write(files[first : first + _TOGETHER])
            except OSError:
                self._release(files)
                raise
            _sync_folder(self.folder)

    def _reserve(self, files: Sequence["_File"]) -> None:
        """Reserve space before writing: empty files of the right size, which every process counts."""
        size = sum(len(file.content) for file in files)
        limit = SpoolUsage(self.limits.max_files, self.limits.max_bytes)
        with self._usage.locked():
            if not self._usage.room(SpoolUsage(len(files), size), limit):
                raise SpoolFull(f"the spool {self.folder} is full: it holds {limit.files} files or {limit.size} bytes")
            try:
                for file in files:
                    descriptor = os.open(file.temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                    os.ftruncate(descriptor, len(file.content))
                    os.close(descriptor)
            except OSError:
                for file in files:
                    _unlink(file.temporary)
                raise
            self._usage.add(len(files), size)

    def _write(self, files: Sequence["_File"]) -> None:
        """Fill the files, and rename them once they are synced.

        They are synced in threads: a file system commits at once what is asked for at once, and one by one takes ten
        times as long.
        """
        descriptors: list[int] = []
        try:
            for file in files:
                descriptors.append(os.open(file.temporary, os.O_WRONLY | os.O_CLOEXEC))
                view = memoryview(file.content)
                while view:
                    view = view[os.write(descriptors[-1], view) :]
            self._sync(descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        with self._usage.locked():
            for file in files:
                self._name(file)

    def _sync(self, descriptors: Sequence[int]) -> None:
        if len(descriptors) == 1:
            os.fsync(descriptors[0])
            return
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - one event needs none

            self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sync")
        for _ in self._pool.map(os.fsync, descriptors):
            pass

    def _name(self, file: "_File") -> None:
        millis = max(int(self._clock() * 1000), self._last + 1)  # so what was put together keeps its order
        while os.path.exists(name := self._path(f"{millis}-{file.event_id}")):
            millis += 1  # by another process: two contents of one id, of which neither may replace the other
        os.rename(file.temporary, name)
        self._last = millis

    def _release(self, files: Sequence["_File"]) -> None:
        """Release the space of files that were not written."""
        with self._usage.locked():
            left = [file for file in files if _unlink(file.temporary)]
            self._usage.add(-len(left), -sum(len(file.content) for file in left))

    # --- out ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def draining(self) -> Iterator[None]:
        """Hold the lock of the one draining process. The kernel releases it if the process dies.

        Raises:
            SpoolBusy: another process is.
        """
        with self._usable():
            descriptor = os.open(self._path(".drain"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SpoolBusy(f"another process is sending what is in {self.folder}") from error
            yield
        finally:
            os.close(descriptor)

    def entries(self) -> list[SpoolEntry]:
        """List the waiting messages, the oldest first."""
        with self._usable():
            names = os.listdir(self.folder)
        return sorted(_entry(name) for name in names if is_message(name))

    def read(self, entry: SpoolEntry) -> SpooledMessage | None:
        """Read the message of an entry; None if it is gone.

        Raises:
            DamagedMessageFile: the file is not what was put, or cannot be read; the message says why.
        """
        try:
            with open(self._path(entry.name), "rb") as file:
                return unpack(file.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DamagedMessageFile(f"cannot be read: {error.strerror}") from error

    def too_old(self, entry: SpoolEntry) -> bool:
        """Return whether a message has waited longer than `max_age`."""
        return self.age(entry) > self.limits.max_age

    def age(self, entry: SpoolEntry) -> float:
        """Return the seconds since it was put; 0 if the clock was put back meanwhile."""
        return max(0.0, self._clock() - entry.put_at)

    def remove(self, entry: SpoolEntry) -> None:
        """Remove an acknowledged message. After a power cut it may be back, and be sent again."""
        path = self._path(entry.name)
        with self._usable(), self._usage.locked(), suppress(FileNotFoundError):
            size = os.stat(path).st_size
            os.unlink(path)
            self._usage.add(-1, -size)

    def quarantine(self, entry: SpoolEntry, reason: str) -> None:
        """Move a message to the quarantine, with the reason in a file beside it.

        Raises:
            SpoolFull: the quarantine has reached a limit; the message stays where it is.
        """
        aside = self.quarantined()
        if aside.files >= self.limits.max_files or aside.size >= self.limits.max_bytes:
            raise SpoolFull(f"the quarantine of {self.folder} is full: look into it, and empty it")
        path, target = self._path(entry.name), self._path(f"{QUARANTINE}/{entry.name}")
        with self._usable(), self._usage.locked(), suppress(FileNotFoundError):
            size = os.stat(path).st_size
            with open(f"{target}.reason", "w", encoding="utf-8") as file:
                file.write(f"{reason}\n")
            os.rename(path, target)
            self._usage.add(-1, -size)
            _sync_folder(self._path(QUARANTINE))

    # --- state --------------------------------------------------------------------------------------------------------

    def usage(self) -> SpoolUsage:
        """Return the size of the queue. Files moved by hand are noticed within a minute."""
        with self._usable(), self._usage.locked():
            return self._usage.known()

    def oldest(self) -> SpoolEntry | None:
        """Return the oldest waiting message."""
        with self._usable():
            return min((_entry(name) for name in os.listdir(self.folder) if is_message(name)), default=None)

    def quarantined(self) -> SpoolUsage:
        """Return how much is in the quarantine."""
        with self._usable():
            return count(self._path(QUARANTINE))

    def check_writable(self) -> None:
        """Check that the spool is writable, by writing and syncing a file.

        Raises:
            SpoolUnusable: it does not work.
        """
        probe = f"{self._writer}/.probe"
        with self._usable():
            descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, b"probe")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
                _unlink(probe)

    def _sweep(self) -> None:
        """Remove the unfinished files of dead writers, which were never acknowledged. The lock is held."""
        for writer in os.listdir(self._path(TMP)):
            folder = self._path(f"{TMP}/{writer}")
            with suppress(OSError):
                descriptor = os.open(f"{folder}/{_LEASE}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
                os.close(descriptor)

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise SpoolUnusable(f"the spool {self.folder} cannot be used: {error.strerror}{where}") from error


class _File(NamedTuple):
    """A message on its way to the disk."""

    temporary: str
    event_id: str
    content: bytes


def _entry(name: str) -> SpoolEntry:
    return SpoolEntry(int(name.partition("-")[0]) / 1000, name)


def _unlink(path: str) -> bool:
    """Remove a file; return whether it existed."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
