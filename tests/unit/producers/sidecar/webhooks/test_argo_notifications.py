"""The ConfigMap for Argo Rollouts, rendered as the notifications engine does, and read."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support import go_tools
from tests.support.deliveries import WEBHOOKS, body, deliver, plain

ROOT: Final = Path(__file__).parents[5]
FOLDER: Final = ROOT / "deploy" / "argo-rollouts"
CONFIG: Final = FOLDER / "notifications-configmap.yaml"
ENGINE: Final = ROOT / "tests" / "support" / "notifications"
REASONS: Final = {
    "rollout-updated": "RolloutUpdated",
    "rollout-completed": "RolloutCompleted",
    "rollout-aborted": "RolloutAborted",
}
RENDERED: Final = [
    ("started", "rollout-updated"),
    ("bare", "rollout-updated"),
    ("completed", "rollout-completed"),
    ("analysis-failed", "rollout-aborted"),
    ("aborted-by-hand", "rollout-aborted"),
]
"""A rollout as the controller has it, by the fixture of what the template must make of it, and the template."""


_BUILT: Final = pytest.mark.timeout(2 * go_tools.BUILD_SECONDS)
"""The first test may have to fetch Go, and builds with it."""


@pytest.fixture(scope="module")
def data() -> dict[str, str]:
    content: dict[str, str] = yaml.safe_load(CONFIG.read_text())["data"]
    return content


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that renders as the engine does, made with Go and its module proxy."""
    program = tmp_path_factory.mktemp("engine") / "notifications"
    go_tools.build("the engine of Argo's templates", "build", "-o", str(program), ".", folder=ENGINE)
    return program


def render(engine: Path, variables: str, template: str) -> tuple[str, Any]:
    """The method and the body."""
    done = subprocess.run(
        [str(engine), str(CONFIG), f"candora-{template}", "candora"],
        input=(WEBHOOKS / "rollouts" / f"{variables}.json").read_text(),
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    method, _, text = done.stdout.partition("\n")
    return method, json.loads(text)


@_BUILT
@pytest.mark.slow
@pytest.mark.parametrize(("fixture", "template"), RENDERED)
def test_the_templates_make_the_bodies_that_are_read(engine: Path, fixture: str, template: str) -> None:
    method, rendered = render(engine, fixture, template)

    assert method == "POST"
    assert re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z", rendered["time"])
    assert {**rendered, "time": None} == {**body("argo_rollouts", fixture), "time": None}


@_BUILT
@pytest.mark.slow
def test_no_secret_of_a_pod_and_no_status_leaves_the_cluster(engine: Path) -> None:
    _, rendered = render(engine, "analysis-failed", "rollout-aborted")

    assert "hunter2" in (WEBHOOKS / "rollouts" / "analysis-failed.json").read_text()
    assert "hunter2" not in json.dumps(rendered)
    assert "last-applied-configuration" not in json.dumps(rendered)
    assert "stableRS" not in json.dumps(rendered)


def test_the_three_templates_differ_in_their_reason_only(data: dict[str, str]) -> None:
    texts = {name: data[f"template.candora-{name}"] for name in REASONS}

    for name, reason in REASONS.items():
        assert texts[name].count(f'"reason": "{reason}"') == 1
        assert texts[name].replace(reason, "RolloutUpdated") == texts["rollout-updated"]


def test_each_trigger_sends_its_template_by_post(data: dict[str, str]) -> None:
    for name in REASONS:
        assert yaml.safe_load(data[f"trigger.on-{name}"]) == [{"send": [f"candora-{name}"]}]
        assert yaml.safe_load(data[f"template.candora-{name}"])["webhook"]["candora"]["method"] == "POST"


def test_the_example_subscribes_to_every_trigger_of_the_config_map(data: dict[str, str]) -> None:
    rollout = yaml.safe_load((FOLDER / "rollout-annotations.yaml").read_text())
    triggers = {name.removeprefix("trigger.") for name in data if name.startswith("trigger.")}

    subscribed = {name for name in rollout["metadata"]["annotations"] if name.startswith("notifications")}
    assert subscribed == {f"notifications.argoproj.io/subscribe.{trigger}.candora" for trigger in triggers}


def test_one_revision_is_one_deployment_from_start_to_end() -> None:
    names = ("started", "completed", "analysis-failed", "aborted-by-hand")
    ids = {plain(deliver("argo_rollouts", body("argo_rollouts", name)).events)[0]["deployment_id"] for name in names}

    assert ids == {"shop-api:7@7d1f0c52"}
