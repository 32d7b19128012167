"""The Groovy that runs the Jenkins step: its jars, fetched once from Maven Central with `mvn`."""

import fcntl
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.support.missing import not_run
from tests.support.servers.kafka_jars import cache_folder

POM: Final = Path(__file__).parent / "groovy-dist" / "pom.xml"
HOW_TO_GET_IT: Final = "Install a Java runtime and Maven (Debian: apt-get install default-jre-headless maven)."


def groovy_command() -> list[str]:
    """What runs a script of Groovy: append its path and arguments. The test is left out where there is no Groovy."""
    java = shutil.which("java")
    if java is None:
        not_run("Groovy, for the Jenkins step: there is no `java`", HOW_TO_GET_IT)
    return [java, "-cp", f"{_jars()}/*", "groovy.ui.GroovyMain"]


def _jars() -> Path:
    version = re.search(r"<groovy.version>(.+?)</groovy.version>", POM.read_text("utf-8"))
    assert version is not None
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"groovy-{version[1]}"
    with (cache / "groovy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        not_run("Groovy, for the Jenkins step: there is no `mvn` to fetch it with", HOW_TO_GET_IT)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        jars = Path(scratch, "jars")
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
        command = [maven, "-q", "-B", "-f", str(POM), *goal]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
        if done.returncode != 0:
            said = next(filter(None, (done.stdout + done.stderr).splitlines()), "nothing")
            not_run(f"Groovy, for the Jenkins step: Maven said {said}", "Let Maven reach Maven Central.")
        jars.rename(folder)
