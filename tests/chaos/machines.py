"""What a schedule needs of the machine: disks that fill up, and a clock for each worker."""

import resource
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.servers.processes import Process

DISK_SIZE: Final = "160m"
"""Enough for the databases of all partitions and what they set aside."""
_MEBIBYTE: Final = 1024 * 1024


@dataclass
class Disk:
    """The state folder of a worker, on a small file system of its own where this machine allows one.

    Elsewhere "full" means that no file of the worker may grow (RLIMIT_FSIZE), which is an error of its writes too.
    """

    folder: Path
    mounted: bool = False

    @classmethod
    def mount(cls, folder: Path) -> "Disk":
        """Make it."""
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "candora-chaos", str(folder)]
        mount = shutil.which("mount")
        done = mount is not None and subprocess.run(command, check=False, capture_output=True).returncode == 0
        return cls(folder, done)

    def fill(self, process: Process) -> None:
        """Leave no byte free."""
        if not self.mounted:
            self._limit(process, 0)
            return
        with self._filler.open("ab", buffering=0) as filler:
            for size in (_MEBIBYTE, 4096):
                with suppress(OSError):  # no space left: as wanted
                    while filler.write(bytes(size)) == size:
                        pass

    def free(self, process: Process) -> None:
        """Give the space back."""
        if self.mounted:
            self._filler.unlink(missing_ok=True)
        else:
            self._limit(process, resource.RLIM_INFINITY)

    def unmount(self) -> None:
        """Take it away, with all that is on it."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    @staticmethod
    def _limit(process: Process, size: int) -> None:
        with suppress(ProcessLookupError):  # it has ended: its successor has no limit
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class Clock:
    """The wall clock of one worker, as its Python code sees it. What measures lengths of time is left alone.

    Not by libfaketime, under which a producer of librdkafka did not come back after a restart of its broker.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.env = {"CHAOS_CLOCK": str(file)}
        self.set(0)

    def set(self, seconds: int) -> None:
        """Let it be this far off."""
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)  # at once, or a reader finds it empty
