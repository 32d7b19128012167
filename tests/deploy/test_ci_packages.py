"""The packages for CI systems: the same inputs in all three, each as its own linter wants it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from producers.cli import Parser
from producers.commands.emit_arguments import add_arguments
from producers.events.flags import EVENT_TYPES
from tests.support import go_tools
from tests.support.groovy import groovy_command
from tests.support.servers.kafka_jars import cache_folder
from tests.tools.ci_packages import (
    ACTION,
    CHECKED,
    CI,
    COMPONENT,
    LIBRARY,
    LISTS,
    RESOURCE,
    SCRIPT,
    action,
    component,
    component_inputs,
    component_jobs,
)

ACTIONLINT: Final = "v1.7.12"
WORKFLOW: Final = CI / "github" / "example.yml"
OF_THE_JOB: Final = {"job-name", "stage", "image", "rules", "optional"}
TOOLS: Final = Path(sys.executable).parent
# Compiles the step up to its class, and prints the inputs that it knows.
COMPILE: Final = """
def field = new GroovyClassLoader().parseClass(new File(args[0])).getDeclaredField('INPUTS')
field.accessible = true
println field.get(null).join(' ')
"""


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=100)


def schema_errors(schema: str, content: Any, folder: Path) -> str:
    file = folder / "content.yml"
    file.write_text(yaml.safe_dump(content), "utf-8")
    done = run(TOOLS / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", file)
    return "" if done.returncode == 0 else done.stdout


# --- the same in all three --------------------------------------------------------------------------------------------


def test_gitlab_and_jenkins_have_the_script_of_the_action() -> None:
    assert RESOURCE.read_text("utf-8") == SCRIPT.read_text("utf-8"), "run `make packages`"
    assert COMPONENT.read_text("utf-8") == component(), "run `make packages`"


def test_all_three_have_the_same_inputs(tmp_path: Path) -> None:
    names = list(action()["inputs"])
    assert [name for name in component_inputs() if name not in OF_THE_JOB] == names
    program = tmp_path / "compile.groovy"
    program.write_text(COMPILE, "utf-8")
    compiled = run(*groovy_command(), program, LIBRARY / "vars" / "candoraEvent.groovy")
    assert compiled.stdout.split() == names, compiled.stderr
    described = re.findall(r"<dt>(.+?)</dt>", (LIBRARY / "vars" / "candoraEvent.txt").read_text("utf-8"))
    assert described == names


def test_every_input_is_a_flag_of_the_command() -> None:
    parser = Parser()
    add_arguments(parser)
    flags = {flag.removeprefix("--") for each in parser._actions for flag in each.option_strings}
    assert set(action()["inputs"]) - CHECKED - {"args"} <= flags
    assert set(action()["inputs"]) >= LISTS


def test_each_input_is_handed_to_the_script_by_the_environment() -> None:
    inputs = {f"CANDORA_INPUT_{name.upper().replace('-', '_')}": name for name in action()["inputs"]}
    (step,) = action()["runs"]["steps"]
    handed = {variable: f"${{{{ inputs.{name} }}}}" for variable, name in inputs.items()}
    found = {name: text for name, text in step["env"].items() if name != "CANDORA_FORK"}
    assert found == handed
    (job,) = component_jobs({"event": "tests_passed"}).values()
    assert {name for name in job["variables"] if name.startswith("CANDORA_INPUT_")} == set(inputs)
    asked = set(re.findall(r"CANDORA_INPUT_[A-Z_]+", SCRIPT.read_text("utf-8")))
    assert asked == set(inputs)


def test_no_input_is_a_part_of_a_program() -> None:
    (step,) = action()["runs"]["steps"]
    assert "${{" not in step["run"]
    _, body = COMPONENT.read_text("utf-8").split("  script:\n")
    assert "$[[" not in body
    calls = re.findall(r"\bsh\(.*\)", (LIBRARY / "vars" / "candoraEvent.groovy").read_text("utf-8"))
    assert calls == ["sh(label: 'candora', script: libraryResource('candora/emit.sh'))"]


# --- each as its linter wants it --------------------------------------------------------------------------------------


def test_shellcheck_finds_nothing() -> None:
    done = run(TOOLS / "shellcheck", "--shell=sh", "--enable=all", "--exclude=SC2249,SC2250,SC2310,SC2312", SCRIPT)
    assert done.returncode == 0, done.stdout


def test_the_action_is_one_by_its_schema(tmp_path: Path) -> None:
    assert schema_errors("github-actions", action(), tmp_path) == ""
    assert "'using' is a required property" in schema_errors("github-actions", action() | {"runs": {}}, tmp_path)


@pytest.fixture(scope="module")
def actionlint() -> Path:
    folder = cache_folder() / f"actionlint-{ACTIONLINT}"
    if not (folder / "actionlint").exists():
        source = f"github.com/rhysd/actionlint/cmd/actionlint@{ACTIONLINT}"
        go_tools.build("actionlint", "install", source, GOBIN=str(folder))
    return folder / "actionlint"


@pytest.mark.timeout(2 * go_tools.BUILD_SECONDS)  # the fixture may have to fetch Go, and builds with it
@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("", "", ""),
        ("since-tag: promoted/*", "since: 1\n          since-tags: x", 'input "since-tags" is not defined in action'),
        ("          event: canary_started\n", "", 'missing input "event"'),
        ("steps.start.outputs.deployment-id", "steps.start.outputs.deployment", '"deployment" is not defined'),
    ],
)
def test_actionlint_reads_the_example_with_the_action(
    actionlint: Path, tmp_path: Path, before: str, after: str, complaint: str
) -> None:
    """In a repository that has the action, so that its inputs and outputs are checked too."""
    text = WORKFLOW.read_text("utf-8").replace("acme/candora/deploy/ci/github@v0", "./deploy/ci/github")
    assert before in text
    workflow = tmp_path / ".github" / "workflows" / "delivery.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(text.replace(before, after, 1) if before else text, "utf-8")
    shutil.copytree(ACTION.parent, tmp_path / "deploy" / "ci" / "github")
    (tmp_path / ".git").mkdir()
    done = run(actionlint, "-no-color", "-shellcheck", TOOLS / "shellcheck", "-pyflakes=", workflow)
    assert (done.returncode == 0) == (complaint == ""), done.stdout + done.stderr
    assert complaint in done.stdout


@pytest.mark.parametrize(
    "given", [{}, {"strict": True, "optional": False, "rules": [{"if": '$CI_COMMIT_BRANCH == "main"'}], "service": "a"}]
)
def test_the_component_is_one_by_gitlabs_schema(given: dict[str, Any], tmp_path: Path) -> None:
    """Its header, and the job that comes of it."""
    header, _ = yaml.safe_load_all(COMPONENT.read_text("utf-8"))
    assert schema_errors("gitlab-ci", header, tmp_path) == ""
    job = component_jobs({"event": "canary_started", **given})
    assert schema_errors("gitlab-ci", job, tmp_path) == ""
    assert [*job] == ["candora"]  # nothing that other jobs would notice
    assert all(isinstance(value, str) for value in job["candora"]["variables"].values())
    assert "is not of type" in schema_errors("gitlab-ci", {"candora": {"script": "x", "stage": 1}}, tmp_path)


def test_a_job_of_the_same_name_gives_the_component_a_token_for_the_sidecar(tmp_path: Path) -> None:
    """As the guide has it: GitLab merges both."""
    (text,) = re.findall(
        r"(?m)^    candora:\n(?:      .*\n)+", (CI.parents[1] / "docs/ci/gitlab-ci.md").read_text("utf-8")
    )
    own = yaml.safe_load(text)
    (job,) = component_jobs({"event": "commit_created", "sidecar": "https://candora.acme.example"}).items()
    merged = {job[0]: {**job[1], **own[job[0]]}}
    assert schema_errors("gitlab-ci", merged, tmp_path) == ""
    audience = merged["candora"]["id_tokens"]["CANDORA_ID_TOKEN"]["aud"]
    assert audience == merged["candora"]["variables"]["CANDORA_INPUT_SIDECAR"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event", "canary_start"),
        ("strict", "yes"),
        ("rules", "always"),
        ("version", "0.1.0; reboot"),
        ("timeout", "soon"),
        ("job-name", "\ncandora"),
    ],
)
def test_gitlab_refuses_what_an_input_cannot_be(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        component_jobs({"event": "canary_started", name: value})


def test_gitlab_offers_every_event_and_its_defaults_are_allowed() -> None:
    assert component_inputs()["event"]["options"] == list(EVENT_TYPES)
    for event in EVENT_TYPES:
        (job,) = component_jobs({"event": event}).values()
        assert job["allow_failure"] is True
        assert job["variables"]["CANDORA_INPUT_EVENT"] == event


def test_the_version_that_gitlab_installs_is_ours() -> None:
    project = (CI.parents[1] / "pyproject.toml").read_text("utf-8")
    assert f'version = "{component_inputs()["version"]["default"]}"' in project
    assert json.dumps(component_inputs()["image"]["default"]) == '"python:3.12"'
