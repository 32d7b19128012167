"""Wheels to install from: our own, made from the checkout, and those of a locked file, fetched once with pip."""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.missing import not_run
from tests.support.servers.kafka_jars import cache_folder

ROOT: Final = Path(__file__).parents[2]
PIP: Final = (sys.executable, "-I", "-m", "pip", "--disable-pip-version-check")


def our_wheel(folder: Path) -> Path:
    """Build the wheel of the checkout into a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("candora-*.whl")
    return wheel


def locked_wheels(requirements: Path) -> Path:
    """A folder with the wheels that the file names, checked by its hashes. The test is left out without a network."""
    text = requirements.read_bytes()
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"wheels-{hashlib.sha256(text).hexdigest()[:16]}-{sys.version_info.major}.{sys.version_info.minor}"
    ready = folder / "ready"
    with (cache / "wheels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            fetch = ["download", "-q", "--require-hashes", "--only-binary", ":all:", "-d", str(folder)]
            command = [*PIP, *fetch, "-r", str(requirements)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
            if done.returncode != 0:
                said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
                not_run(f"an installation from locked wheels: pip said {said}", "Let pip reach its index.")
            ready.touch()
    return folder


def offline(*folders: Path) -> dict[str, str]:
    """The environment in which pip installs from these folders alone."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return keep | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": " ".join(map(str, folders)), "PIP_CONFIG_FILE": os.devnull}
