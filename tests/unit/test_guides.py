"""Every command that a guide prints is run: in a real repository, in a simulated job, with an embedded broker."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from streams.demo.broker import EmbeddedBroker
from tests.support.guides import DOCS, scripts
from tests.support.repository import Repository
from tests.support.servers.processes import packages_env

FIRST_PROMOTION: Final = "right for a first promotion"


class History(NamedTuple):
    """A request that was merged, as its repository has it."""

    origin: Repository
    before: str
    head: str
    merge: str


Jobs = Callable[[History], tuple[Mapping[str, str], Mapping[str, str]]]
"""The environments of a job on the default branch after the merge, and of one of the request before."""

GITHUB: Final = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_RUN_ID": "7",
    "GITHUB_RUN_ATTEMPT": "1",
}


def _gitlab(history: History) -> tuple[Mapping[str, str], Mapping[str, str]]:
    job = {
        "GITLAB_CI": "true",
        "CI_PROJECT_PATH": "acme/shop",
        "CI_SERVER_HOST": "gitlab.example",
        "TAG_TOKEN": "token",
        "CI_PIPELINE_ID": "7",
        "CI_ENVIRONMENT_NAME": "prod",
        "CI_DEFAULT_BRANCH": "main",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{history.origin.folder}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://candora:token@gitlab.example/acme/shop.git",
    }
    push = {"CI_COMMIT_SHA": history.merge, "CI_COMMIT_BEFORE_SHA": history.before, "CI_COMMIT_BRANCH": "main"}
    request = {
        "CI_COMMIT_SHA": history.head,
        "CI_MERGE_REQUEST_IID": "12",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": history.before,
    }
    return {**job, **push}, {**job, **request}


def _same(
    push: Mapping[str, str], request: Mapping[str, str], sha: str, **job: str
) -> Callable[[History], tuple[Mapping[str, str], Mapping[str, str]]]:
    """The jobs of a system that has the commit in one variable."""
    return lambda history: ({**job, **push, sha: history.merge}, {**job, **request, sha: history.head})


AZURE: Final = {
    "TF_BUILD": "True",
    "BUILD_REPOSITORY_NAME": "acme/shop",
    "BUILD_BUILDID": "7",
    "ENVIRONMENT_NAME": "prod",
}

PARAMS: Final = _same({}, {"CANDORA_CHANGE": "acme/shop#12"}, "unused")

JOBS: Final[Mapping[str, Jobs]] = {
    "README": _same({"GITHUB_REF": "refs/heads/main"}, {"GITHUB_REF": "refs/pull/12/merge"}, "GITHUB_SHA", **GITHUB),
    "github-actions": _same(
        {"GITHUB_REF": "refs/heads/main"},
        {"GITHUB_REF": "refs/pull/12/merge", "GITHUB_BASE_REF": "main"},
        "GITHUB_SHA",
        **GITHUB,
    ),
    "gitlab-ci": _gitlab,
    "jenkins": _same(
        {"BRANCH_NAME": "main", "BRANCH_IS_PRIMARY": "true"},
        {"BRANCH_NAME": "PR-12", "CHANGE_ID": "12", "CHANGE_TARGET": "main"},
        "GIT_COMMIT",
        JENKINS_URL="https://jenkins.example/",
        GIT_URL="https://git.example/acme/shop.git",
        BUILD_TAG="jenkins-shop-7",
        BUILD_NUMBER="7",
    ),
    "circleci": _same(
        {"CIRCLE_BRANCH": "main"},
        {"CIRCLE_BRANCH": "tea", "CIRCLE_PULL_REQUEST": "https://github.example/acme/shop/pull/12"},
        "CIRCLE_SHA1",
        CIRCLECI="true",
        CIRCLE_PROJECT_USERNAME="acme",
        CIRCLE_PROJECT_REPONAME="shop",
        CIRCLE_WORKFLOW_ID="7",
    ),
    "buildkite": _same(
        {"BUILDKITE_BRANCH": "main", "BUILDKITE_PULL_REQUEST": "false"},
        {"BUILDKITE_BRANCH": "tea", "BUILDKITE_PULL_REQUEST": "12", "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main"},
        "BUILDKITE_COMMIT",
        BUILDKITE="true",
        BUILDKITE_REPO="git@github.example:acme/shop.git",
        BUILDKITE_BUILD_ID="01f0",
        BUILDKITE_BUILD_NUMBER="7",
        BUILDKITE_PIPELINE_DEFAULT_BRANCH="main",
    ),
    "azure-pipelines": lambda history: (
        {**AZURE, "BUILD_SOURCEVERSION": history.merge, "BUILD_SOURCEBRANCH": "refs/heads/main"},
        {
            **AZURE,
            "BUILD_SOURCEBRANCH": "refs/pull/12/merge",
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "12",
            "SYSTEM_PULLREQUEST_SOURCECOMMITID": history.head,
            "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
        },
    ),
    "bitbucket-pipelines": _same(
        {"BITBUCKET_BRANCH": "main", "BITBUCKET_DEPLOYMENT_ENVIRONMENT": "prod"},
        {"BITBUCKET_BRANCH": "tea", "BITBUCKET_PR_ID": "12", "BITBUCKET_PR_DESTINATION_BRANCH": "main"},
        "BITBUCKET_COMMIT",
        BITBUCKET_BUILD_NUMBER="7",
        BITBUCKET_REPO_FULL_NAME="acme/shop",
        CANDORA_DEFAULT_BRANCH="main",
    ),
    "tekton": PARAMS,
    "argo-workflows": PARAMS,
}


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker() as running:
        running.create(["deploy_events"])
        yield running.bootstrap


@pytest.fixture
def history(tmp_path: Path) -> History:
    origin = Repository.new(tmp_path / "origin")
    before = origin.commit("08:30", "a way to deploy", {"deploy.sh": "#!/bin/sh\n"})
    origin.git("update-index", "--chmod=+x", "deploy.sh")
    before = origin.commit("08:40", "make it run")
    (origin.folder / "deploy.sh").chmod(0o755)
    head = origin.feature("tea", "09:00", "10:00")[-1]
    origin.trial_merge("tea", 12, "10:30")
    return History(origin, before, head, origin.merge("tea", "12:00", "Merge pull request #12 from acme/tea"))


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder with `candora-ci`, and a `pip` that has nothing to do: candora is installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {
        "candora-ci": f'exec {sys.executable} -m producers "$@"',
        "candora": f'exec {sys.executable} -m streams.cli "$@"',
        "pip": '[ "$*" = "install candora" ]',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return folder


def _run(
    guide: Path, where: Path, environ: Mapping[str, str], placeholders: Mapping[str, str], *, only: str = ""
) -> str:
    said = ""
    for script in scripts(guide, placeholders):
        assert script.commands
        for command in script.commands:
            if only not in command:
                continue
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command],
                cwd=where,
                env={**environ, **script.environ},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            said += done.stderr
    return said


def _environ(tmp_path: Path, commands: Path, broker: str) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return {
        **packages_env(),
        "PATH": f"{commands}:{os.environ['PATH']}",
        "HOME": str(home),
        "CANDORA_KAFKA_BOOTSTRAP_SERVERS": broker,
        "CANDORA_STRICT": "1",
    }


def _placeholders(broker: str, sha: str, change: str) -> dict[str, str]:
    """What each system fills in."""
    parameters = {"repo": "https://git.example/acme/shop.git", "revision": sha, "change": change, "base-branch": "main"}
    return {
        "vars.CANDORA_KAFKA_BOOTSTRAP_SERVERS": broker,
        **{f"params.{name}": value for name, value in parameters.items()},
        **{f"inputs.parameters.{name}": value for name, value in parameters.items()},
        "context.taskRun.name": "shop-run-x7k",
        "context.task.retry-count": "0",
        "workflow.name": "shop-x7k",
    }


def test_a_guide_that_installs_candora_says_from_where() -> None:
    installing = [path for path in DOCS.rglob("*.md") if "pip install candora" in path.read_text("utf-8")]
    assert {path.stem for path in installing} >= {"github-actions", "jenkins", "security", "tekton"}
    for path in installing:
        assert path.name == "README.md" or "README.md#what-to-install" in path.read_text("utf-8"), path


def test_every_system_has_a_guide_and_every_guide_a_job() -> None:
    assert {guide.stem for guide in (DOCS / "ci").glob("*.md")} == set(JOBS)


@pytest.mark.parametrize("name", JOBS)
def test_the_commands_of_a_system_work_after_a_merge(
    name: str, history: History, commands: Path, broker: str, tmp_path: Path
) -> None:
    push, _ = JOBS[name](history)
    job = history.origin.clone(tmp_path / "job")
    environ = {**_environ(tmp_path, commands, broker), **push}

    said = _run(DOCS / "ci" / f"{name}.md", job.folder, environ, _placeholders(broker, history.merge, ""))

    assert said.count("delivered ") >= 3
    assert "delivered 3 commit_created of shop" in said
    assert [line for line in said.splitlines() if "warning" in line and FIRST_PROMOTION not in line] == []


@pytest.mark.parametrize("name", JOBS)
def test_the_commands_of_a_system_work_in_a_request(
    name: str, history: History, commands: Path, broker: str, tmp_path: Path
) -> None:
    _, request = JOBS[name](history)
    ref = "refs/pull/12/merge" if "GITHUB_ACTIONS" in request else "refs/heads/tea"
    history.origin.git("checkout", "-q", "--detach")
    history.origin.git("branch", "-f", "main", history.before)
    job = history.origin.clone(tmp_path / "job", ref=ref)
    environ = {**_environ(tmp_path, commands, broker), **request}
    placeholders = _placeholders(broker, history.head, "acme/shop#12")

    said = _run(DOCS / "ci" / f"{name}.md", job.folder, environ, placeholders, only="emit commit_created")

    assert "delivered 2 commit_created of shop" in said
    assert [line for line in said.splitlines() if "warning" in line and FIRST_PROMOTION not in line] == []


@pytest.mark.parametrize("guide", sorted((DOCS / "webhooks").glob("*.md")), ids=lambda guide: guide.stem)
def test_the_commands_of_a_webhook_work(guide: Path, commands: Path, broker: str, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()

    _run(guide, folder, _environ(tmp_path, commands, broker), {})


def _guide(tmp_path: Path, text: str) -> Path:
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci" / "x.md").write_text(text)
    return tmp_path / "ci" / "x.md"


def test_a_command_that_fails_and_a_placeholder_that_nobody_fills_in_are_seen(tmp_path: Path) -> None:
    failing = _guide(tmp_path, "```yaml\njobs:\n  - script: ['true', 'exit 3']\n```\n")
    with pytest.raises(AssertionError, match="exit 3"):
        _run(failing, tmp_path, {"PATH": os.environ["PATH"]}, {})

    failing.write_text("```yaml\nenv: {A: '${{ vars.UNKNOWN }}'}\nrun: 'true'\n```\n")
    with pytest.raises(LookupError, match="UNKNOWN"):
        scripts(failing, {})
