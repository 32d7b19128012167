"""Jobs of CI systems that use our packages, run as the system runs them, and what they asked `candora-ci` for."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.groovy import groovy_command
from tests.support.servers.processes import packages_env
from tests.tools.ci_packages import ACTION, LIBRARY, action, component_jobs

_CONTROLLER: Final = Path(__file__).parent / "jenkins" / "Controller.groovy"
_INPUT: Final = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")


@dataclass(frozen=True)
class Ended:
    """A job that has ended."""

    code: int
    """Of the step or job; of Jenkins 0 if the build goes on."""
    said: str
    """Standard output and error."""
    results: Mapping[str, str]
    """The outputs: of GitHub's action, of GitLab's dotenv report, or what Jenkins' step returned."""
    log: tuple[str, ...] = ()
    """Of Jenkins: how long the step may take, and what it did to the stage."""


@dataclass(frozen=True)
class Workspace:
    """Where a job runs, and the environment that it finds."""

    folder: Path
    environ: Mapping[str, str]

    @classmethod
    def new(cls, folder: Path, candora_ci: str, environ: Mapping[str, str]) -> "Workspace":
        """`candora_ci`: the text of a shell script that stands on PATH as the command; empty: there is none."""
        (folder / "bin").mkdir(parents=True)
        (folder / "work").mkdir()
        if candora_ci:
            command = folder / "bin" / "candora-ci"
            command.write_text(f"#!/bin/sh\n{candora_ci}\n", "utf-8")
            command.chmod(0o755)
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        home = {"HOME": str(folder), "GIT_CEILING_DIRECTORIES": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return cls(folder, {"PATH": path, **home, **environ})

    @property
    def work(self) -> Path:
        """The working directory of the job."""
        return self.folder / "work"

    def arguments(self) -> list[str]:
        """What RECORD was called with."""
        asked: list[str] = json.loads((self.folder / "asked.json").read_text("utf-8"))
        return asked


RECORD: Final = (
    f"exec {sys.executable} -I -S -c "
    '\'import json, os, sys; json.dump(sys.argv[1:], open(os.environ["HOME"] + "/asked.json", "w"))\' "$@"'
)
"""A `candora-ci` that writes down how it was called, and does nothing."""
REAL: Final = f'exec {sys.executable} -m producers "$@"'
"""The one under test."""

Job = Callable[[Workspace, Mapping[str, Any]], Ended]


def real_environ() -> dict[str, str]:
    """What REAL needs."""
    return packages_env()


def github(workspace: Workspace, inputs: Mapping[str, Any], *, installed: bool = True, fork: bool = False) -> Ended:
    """A step that uses the action. `installed`: as if an earlier step of the job had installed candora from PATH."""
    asked = {name: spec.get("default", "") for name, spec in action()["inputs"].items()} | _texts(inputs)
    (step,) = action()["runs"]["steps"]
    files = {name: workspace.folder / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        path.touch()
    environ = {name: _expression(text, asked, fork=fork) for name, text in step["env"].items()}
    environ |= {"GITHUB_ACTIONS": "true", "GITHUB_ACTION_PATH": str(ACTION.parent), "RUNNER_OS": "Linux"}
    environ |= {name: str(path) for name, path in files.items()} | {"RUNNER_TEMP": str(workspace.folder / "temp")}
    run = step["run"]
    if installed:
        run = f"unset CANDORA_SOURCE; exec sh {ACTION.parent / 'emit.sh'}"
    assert step["shell"] == "bash"
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", run]
    done = _run(command, workspace, {**environ, **workspace.environ})
    return Ended(done.returncode, done.stdout, _outputs(files["GITHUB_OUTPUT"].read_text("utf-8")))


def gitlab(workspace: Workspace, inputs: Mapping[str, Any]) -> Ended:
    """The component's job in a pipeline that gives it these inputs."""
    ((_, job),) = component_jobs({"version": "", **inputs}).items()
    variables = {name: str(value) for name, value in job["variables"].items()}
    # As the runner's shell does it: all lines are one program, and bash reads it where there is one.
    command = ["bash", "-eo", "pipefail", "-c", "\n".join(job["script"])]
    done = _run(command, workspace, {**variables, **workspace.environ})
    report = workspace.work / job["artifacts"]["reports"]["dotenv"]
    lines = report.read_text("utf-8").splitlines() if report.exists() else []
    return Ended(done.returncode, done.stdout, dict(line.split("=", 1) for line in lines))


def jenkins(workspace: Workspace, inputs: Mapping[str, Any]) -> Ended:
    """A build that calls the step."""
    command = [*groovy_command(), str(_CONTROLLER), str(LIBRARY), str(workspace.work), json.dumps(dict(inputs))]
    done = _run(command, workspace, workspace.environ)
    assert done.returncode == 0, done.stdout
    answer = json.loads(done.stdout.splitlines()[-1])
    output = workspace.folder / "output"
    said = done.stdout + (output.read_text("utf-8") if output.exists() else "")
    return Ended(int("failed" in answer), said, answer.get("returned", {}), tuple(answer["log"]))


def _run(command: list[str], workspace: Workspace, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=workspace.work,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=100,
    )


def _texts(inputs: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in inputs.items()}


def _expression(text: str, inputs: Mapping[str, str], *, fork: bool) -> str:
    match = _INPUT.fullmatch(text)
    if match:
        return inputs[match[1]]
    assert text.startswith("${{ github.event_name == 'pull_request' && "), "an expression that this cannot evaluate"
    return str(fork).lower()


def _outputs(text: str) -> dict[str, str]:
    """What is in GITHUB_OUTPUT: NAME=VALUE, or NAME<<END, lines, END."""
    found = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, heredoc, end = line.partition("<<")
        if not heredoc:
            name, _, value = line.partition("=")
            found[name] = value
            continue
        value_lines = []
        while (each := next(lines)) != end:
            value_lines.append(each)
        found[name] = "\n".join(value_lines)
    return found
