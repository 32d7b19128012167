"""The jars of an Apache Kafka broker, fetched once from Maven Central with `mvn`."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

POM: Final = Path(__file__).parent / "kafka-dist" / "pom.xml"
JAVA_NEEDED: Final = 17
FETCH_SECONDS: Final = 600


class KafkaUnavailable(Exception):
    """This machine cannot give us a real broker; the message says what is missing and how to get it."""


def kafka_version() -> str:
    """The version of Kafka that the pom names."""
    found = re.search(r"<kafka.version>(.+?)</kafka.version>", POM.read_text())
    if found is None:
        raise ValueError(f"{POM} names no kafka.version")
    return found[1]


def java() -> str:
    """The path of a `java` that is new enough."""
    path = shutil.which("java")
    if path is None:
        raise KafkaUnavailable("there is no `java` on PATH")
    said = subprocess.run([path, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA_NEEDED:
        raise KafkaUnavailable(f"Kafka needs Java {JAVA_NEEDED} or newer, {path} says: {said.strip()}")
    return path


def cache_folder() -> Path:
    """Where fetched jars are kept between runs and between checkouts."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "candora"


def kafka_jars() -> Path:
    """The folder of jars; fetched first if it is not there. Several test runs may ask at once."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"kafka-{kafka_version()}"
    with locked(cache / "kafka.lock"):
        if not folder.exists():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailable("there is no `mvn` on PATH to fetch its jars with")
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        jars = Path(scratch, "jars")
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
        done = subprocess.run(
            [maven, "-q", "-B", "-f", str(POM), *goal],
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_SECONDS,
        )
        if done.returncode != 0:
            said = next(filter(None, (done.stdout + done.stderr).splitlines()), "nothing")
            raise KafkaUnavailable(f"Maven could not fetch its jars; is there a network? It said: {said}")
        jars.rename(folder)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """For several test runs at once: only one of them fetches."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Fetch the jars ahead of the tests, whose time limits should not have to allow for a slow network."""
    if os.environ.get("KAFKA_BOOTSTRAP"):
        return
    try:
        java()
        print(f"Kafka {kafka_version()}: {kafka_jars()}")
    except KafkaUnavailable as problem:
        print(f"Kafka {kafka_version()} is not here: {problem}")


if __name__ == "__main__":
    main()
