"""`candora rebuild`: names, settings, and what it says in the end. The rest is shown on a real Kafka."""

from argparse import Namespace
from pathlib import Path

import pytest

from schemas.topics import load_topics
from schemas.values import MINUTE, SECOND
from streams import cli
from streams.audit.report import AuditReport
from streams.errors import Inconclusive
from streams.exporter.settings import ServingSettings
from streams.kafka.topics import wanted_topics
from streams.rebuild import cli as rebuild_cli
from streams.rebuild.run import MOST_EXAMPLES, Rebuild, RebuildResult, next_names, settings_beside
from streams.settings.installation import WorkerSettings
from streams.worker.outputs import OutputEncoder
from tests.support import events
from tests.support.servers.fake_partition_state import CountingPartitionState

RUNNING = WorkerSettings(topic_prefix="eu-", app_id="candora-worker", instance_id="me", lateness=MINUTE)
FOLDER = Path("somewhere")


@pytest.mark.parametrize(
    ("app_id", "names"),
    [
        ("candora-worker", ("candora-worker-2", "eu-v2-")),
        ("candora-worker-2", ("candora-worker-3", "eu-v3-")),
        ("candora-worker-9", ("candora-worker-10", "eu-v10-")),
        ("-7", ("-7-2", "eu-v2-")),
    ],
)
def test_the_next_names(app_id: str, names: tuple[str, str]) -> None:
    assert next_names(RUNNING.model_copy(update={"app_id": app_id})) == names


def test_a_worker_beside_the_others_decides_as_they_do_and_writes_nothing_into_the_log() -> None:
    beside = settings_beside(RUNNING, "candora-worker-2", "v2-", FOLDER)
    assert beside.core() == RUNNING.core()
    assert beside.client() == RUNNING.client()
    assert (beside.tick_interval, beside.send_links, beside.instance_id, beside.web_port) == (0, False, "", None)
    assert beside.store_dir == FOLDER / "candora-worker-2"
    assert beside.topic("deploy_events") == "eu-deploy_events"
    assert {beside.topic(topic.name) for topic in load_topics() if topic.name != "deploy_events"} == {
        f"v2-{name}" for name in ("changes", "delivery_metrics", "deploy_events_dead", "deployments", "incidents")
    }


@pytest.mark.parametrize("names", [("candora-worker", "v2-"), ("candora-worker-2", "eu-")])
def test_what_runs_is_not_written_over(names: tuple[str, str]) -> None:
    with pytest.raises(Inconclusive, match=r"would be those of the running workers .*--app-id and --output-prefix"):
        settings_beside(RUNNING, *names, FOLDER)


def test_links_are_left_to_the_workers_that_run() -> None:
    partition_state = CountingPartitionState(0, RUNNING.core())
    link = events.event("cause_linked", "11:00", service="bank", env="prod", incident_id="i")
    changes = partition_state.collect()._replace(links=[link])
    assert [each.key for each in OutputEncoder(RUNNING).messages(changes, [])] == [b"bank"]
    assert list(OutputEncoder(settings_beside(RUNNING, "w", "v2-", FOLDER)).messages(changes, [])) == []


def test_one_prefix_is_enough_until_there_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RUNNING.outputs == "eu-"
    monkeypatch.setenv("CANDORA_OUTPUT_PREFIX", "v2-")
    assert (WorkerSettings().outputs, WorkerSettings().topic("deploy_events")) == ("v2-", "deploy_events")
    assert ServingSettings().output_prefix == "v2-"


def test_the_topics_of_both_prefixes_are_wanted() -> None:
    wanted = {one.name: one.partitions for one in wanted_topics("w", "eu-", 7, "v2-")}
    assert wanted["eu-deploy_events"] == wanted["w-state-changelog"] == 7
    assert sorted(name for name in wanted if name.startswith("eu-")) == ["eu-deploy_events"]
    assert "v2-delivery_metrics" in wanted
    assert "v2-deploy_events_dead" in wanted


EQUAL = AuditReport("equal")


@pytest.mark.parametrize(
    ("rebuilt", "code"),
    [
        (RebuildResult(EQUAL), 0),
        (RebuildResult(EQUAL, 2, ("a", "b")), 1),
        (RebuildResult(AuditReport("different")), 1),
        (RebuildResult(AuditReport("undecided", why="it rains")), 2),
    ],
)
def test_exit_codes(rebuilt: RebuildResult, code: int) -> None:
    assert rebuilt.exit_code == code


def test_what_would_move_is_told_with_its_number() -> None:
    lines = list(
        RebuildResult(EQUAL, MOST_EXAMPLES + 3, ("changes shop/c1: revisions: published 2, rebuilt 1",)).lines()
    )
    assert "changes shop/c1: revisions: published 2, rebuilt 1" in lines
    assert f"... and {MOST_EXAMPLES + 2} more" in lines
    assert lines[-1].startswith(f"different: {MOST_EXAMPLES + 3} records are equal to the log, but not to what")


# --- the command ------------------------------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, outcome: RebuildResult | Exception, *args: str) -> int:
    """`candora rebuild` with a rebuild that ends like this."""

    def answer(_rebuild: Rebuild) -> RebuildResult:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(Rebuild, "run", answer)
    return cli.main(["rebuild", *args])


def test_ready(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "switch"
    assert run(monkeypatch, RebuildResult(EQUAL), "--switch-file", str(path)) == 0
    variables = ["CANDORA_APP_ID=candora-worker-2", "CANDORA_OUTPUT_PREFIX=v2-"]
    assert path.read_text("utf-8").splitlines() == variables
    said = capsys.readouterr().out
    assert all(f"     {line}\n" in said for line in variables)
    assert "restart `candora serve-metrics`" in said


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (RebuildResult(EQUAL, 1, ("x",)), 1),
        (RebuildResult(AuditReport("undecided", why="it rains")), 2),
        (Inconclusive("it rains"), 2),
        (RuntimeError("it rains"), 2),
    ],
)
def test_not_ready(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    outcome: RebuildResult | Exception,
    code: int,
) -> None:
    path = tmp_path / "switch"
    assert run(monkeypatch, outcome, "--switch-file", str(path)) == code
    assert not path.exists()
    told = capsys.readouterr()
    assert "To switch over" not in told.out
    assert code == 1 or "it rains" in told.out + told.err


def test_the_arguments_reach_the_rebuild(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Rebuild] = []

    def answer(rebuild: Rebuild) -> RebuildResult:
        given.append(rebuild)
        return RebuildResult(EQUAL)

    monkeypatch.setattr(Rebuild, "run", answer)
    assert cli.main(["rebuild", "--app-id", "next", "--output-prefix", "next-", "--wait", "5s"]) == 0
    [rebuild] = given
    assert (rebuild.beside.app_id, rebuild.beside.outputs, rebuild.wait) == ("next", "next-", 5 * SECOND)
    assert rebuild.running.app_id == "candora-worker"
    assert not rebuild.beside.data_dir.exists(), "its own store is of no use afterwards"


def test_names_of_what_runs_are_undecided(capsys: pytest.CaptureFixture[str]) -> None:
    given = Namespace(app_id="candora-worker", output_prefix=None, wait=SECOND, switch_file=None)
    assert rebuild_cli.run_rebuild(given, RUNNING) == 2
    assert "undecided: the rebuilt state ('candora-worker')" in capsys.readouterr().out
