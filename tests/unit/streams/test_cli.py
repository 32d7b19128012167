"""`candora`: what its commands print, and how they end."""

import io
import json
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from streams import cli
from streams.core import partition_state
from streams.exporter.settings import ServingSettings
from streams.settings.installation import WorkerSettings
from tests.support.servers.processes import packages_env, script_command

DATA: Final = Path(__file__).parents[2] / "support" / "data"
HISTORY: Final = str(DATA / "public-delivery-history.jsonl")
AT: Final = ("--at", "2026-01-20T00:00:00Z")
SHA: Final = "51ce890e9eb69e9d45e1b94b5a1cf7822cc8d99c"
USAGE: Final = 2
COLUMNS: Final = 80


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


class Candora:
    """Runs `candora ARGS...` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: str) -> Ran:
        try:
            code = cli.main(args)
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        return Ran(code, *self._capsys.readouterr())

    def answer(self, *args: str) -> dict[str, Any]:
        """What `candora compute ARGS... --json` says."""
        ran = self("compute", *args, "--json")
        assert (ran.code, ran.err) == (0, "")
        answer: dict[str, Any] = json.loads(ran.out)
        return answer


@pytest.fixture
def candora(capsys: pytest.CaptureFixture[str]) -> Candora:
    return Candora(capsys)


def line(event_type: str, at: str, number: int = 0, **fields: Any) -> str:
    """One line of a file of events."""
    event_id = f"1ca7beda-8189-5879-88f0-{number:012x}"
    said = {"event_id": event_id, "event_type": event_type, "occurred_at": at, "service": "shop"}
    return json.dumps(said | fields)


def write(folder: Path, *lines: str) -> str:
    path = folder / "events.jsonl"
    path.write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")
    return str(path)


GOOD: Final = (
    line("commit_created", "2026-01-05T09:00:00Z", 1, commit_sha=SHA),
    line("canary_promoted", "2026-01-05T12:00:00Z", 2, env="prod", deployment_id="D1", commit_sha=SHA),
)


class TestComputing:
    def test_the_public_history_gives_what_was_worked_out(self, candora: Candora) -> None:
        expected = json.loads((DATA / "public-delivery-history.expected.json").read_text(encoding="utf-8"))
        assert candora.answer(HISTORY, *AT) == expected

    def test_another_zone_names_the_same_moment(self, candora: Candora) -> None:
        assert candora.answer(HISTORY, "--at", "2026-01-20T02:00:00+02:00") == candora.answer(HISTORY, *AT)

    def test_repetition_and_order_change_nothing(self, candora: Candora, tmp_path: Path) -> None:
        lines = Path(HISTORY).read_text(encoding="utf-8").splitlines()
        assert candora.answer(write(tmp_path, *lines[::-1], "", *lines), *AT) == candora.answer(HISTORY, *AT)

    def test_a_window_sees_what_finished_in_it(self, candora: Candora) -> None:
        whole, week = (
            candora.answer(HISTORY, *AT, "--window", length)["services"]["svc-frontend/dev"] for length in ("30d", "9d")
        )
        assert 0 < week["judged"] < whole["judged"]
        assert week["deployments_total"] == whole["deployments_total"]

    def test_a_failure_window_decides_what_is_a_failure(self, candora: Candora, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            *GOOD,
            line(
                "incident_opened",
                "2026-01-05T14:00:00Z",
                3,
                env="prod",
                incident_id="i1",
                incident={"severity": "sev1"},
            ),
        )
        shop = [
            candora.answer(path, *AT, "--failure-window", length)["services"]["shop/prod"]
            for length in ("2h", "1h59m59s")
        ]
        assert [(one["failed"], one["judged"], one["unattributed"]) for one in shop] == [(1, 1, 0), (0, 1, 1)]

    @pytest.mark.parametrize(("given", "failed"), [("sev1,sev2", 0), ("sev1, sev3", 1)])
    def test_severities_decide_what_is_a_failure(
        self, candora: Candora, tmp_path: Path, given: str, failed: int
    ) -> None:
        told = {"env": "prod", "incident_id": "i1", "incident": {"severity": "sev3"}}
        path = write(tmp_path, *GOOD, line("incident_opened", "2026-01-05T14:00:00Z", 3, **told))
        assert candora.answer(path, *AT, "--failing-severities", given)["services"]["shop/prod"]["failed"] == failed

    @pytest.mark.parametrize(("given", "abandoned"), [("3h", 0), ("2h59m", 1)])
    def test_a_canary_that_never_finishes_is_abandoned_in_time(
        self, candora: Candora, tmp_path: Path, given: str, abandoned: int
    ) -> None:
        path = write(tmp_path, line("canary_started", "2026-01-05T12:00:00Z", 2, env="prod", deployment_id="D1"))
        shop = candora.answer(path, "--at", "2026-01-05T15:00:00Z", "--canary-timeout", given)["services"]["shop/prod"]
        assert (shop["abandoned"], shop["pending"]) == (abandoned, 1 - abandoned)

    def test_lateness_decides_when_a_number_is_due(self, candora: Candora, tmp_path: Path) -> None:
        path = write(tmp_path, *GOOD)
        at = ("--at", "2026-01-06T12:00:30Z")
        waiting = candora.answer(path, *at)["services"]["shop/prod"]
        due = candora.answer(path, *at, "--lateness", "30s")["services"]["shop/prod"]
        assert (waiting["judged"], waiting["pending"], waiting["ratio"]) == (0, 1, None)
        assert (due["judged"], due["pending"], due["ratio"]) == (1, 0, 0.0)

    def test_standard_input_is_as_good_as_a_file(self, candora: Candora, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(Path(HISTORY).read_text(encoding="utf-8")))
        assert candora.answer("-", *AT) == candora.answer(HISTORY, *AT)

    def test_nothing_gives_nothing_and_a_word(self, candora: Candora, tmp_path: Path) -> None:
        file = write(tmp_path)
        ran = candora("compute", file, *AT, "--json")
        assert (ran.code, ran.err) == (0, f"candora: {file} holds no event\n")
        assert json.loads(ran.out) == {"at": 1768867200.0, "services": {}}

    def test_what_lies_ahead_is_left_out_with_a_word(self, candora: Candora) -> None:
        """What lies ahead by no more than clocks may disagree is taken."""
        ran = candora("compute", HISTORY, "--at", "2026-01-05T09:23:00Z", "--json")
        assert ran.code == 0
        assert ran.err == "candora: left out 119 events that lie in the future of --at\n"
        assert json.loads(ran.out)["services"]["svc-frontend/dev"]["pending"] == 1

    def test_without_a_time_it_is_now(self, candora: Candora) -> None:
        answer = candora.answer(HISTORY)
        assert answer["at"] > 1_790_000_000
        assert answer["services"]["svc-api/prod"]["deployments_total"] == 6

    def test_a_cause_is_followed_into_another_service(self, candora: Candora, tmp_path: Path) -> None:
        blamed = {"service": "bank", "deployment_id": "B1", "kind": "change"}
        path = write(
            tmp_path,
            line(
                "incident_opened",
                "2026-01-05T14:00:00Z",
                3,
                env="prod",
                incident_id="i1",
                incident={"severity": "sev1", "cause": blamed},
            ),
            *GOOD,
            line("canary_promoted", "2026-01-05T12:00:00Z", 4, service="bank", env="prod", deployment_id="B1"),
        )
        services = candora.answer(path, *AT)["services"]
        assert (services["bank/prod"]["failed"], services["shop/prod"]["failed"]) == (1, 0)

    def test_ticks_are_no_facts(self, candora: Candora, tmp_path: Path) -> None:
        """A copy of the log has them between its events."""
        path = write(tmp_path, *GOOD, line("clock_tick", "2026-01-05T12:00:30Z", 9))
        assert candora.answer(path, *AT) == candora.answer(write(tmp_path, *GOOD), *AT)

    def test_a_link_in_a_copy_of_the_log_tells_nothing_before_its_time(self, candora: Candora, tmp_path: Path) -> None:
        """It says when the incident opened; that this deployment caused it was learned after the moment asked for."""
        link = line(
            "cause_linked",
            "2026-01-05T14:00:00Z",
            8,
            env="prod",
            incident_id="i1",
            deployment_id="D1",
            incident={"severity": "sev1"},
            attributes={"origin": "bank", "version": "7", "holds": "true"},
        )
        path = write(tmp_path, *GOOD, link)
        assert candora.answer(path, *AT) == candora.answer(write(tmp_path, *GOOD), *AT)


class TestTheTable:
    def test_shows_every_rate_beside_its_parts(self, candora: Candora) -> None:
        ran = candora("compute", HISTORY, *AT)
        assert (ran.code, ran.err) == (0, "")
        head, *rows = ran.out.splitlines()
        assert head.split("  ")[0] == "SERVICE/ENV"
        assert [row.split()[0] for row in rows] == sorted(row.split()[0] for row in rows)
        assert len({len(row) for row in (head, *rows)}) == 1
        shown = {row.split()[0]: row.split()[1:] for row in rows}
        assert shown["svc-frontend/prod"] == ["4/8", "50.0%", "2.4", "h", "(n=8)", "0.5", "h", "(n=3)", "0", "1", "1"]

    def test_shows_a_dash_where_there_is_no_value(self, candora: Candora) -> None:
        ran = candora("compute", HISTORY, *AT, "--window", "1h")
        row = next(row for row in ran.out.splitlines() if row.startswith("svc-api/dev"))
        assert row.split()[1:] == ["0/0", "-", "-", "(n=0)", "-", "(n=0)", "0", "0", "0"]

    def test_a_reader_that_has_seen_enough_is_no_error(self) -> None:
        command = [*script_command("streams.cli", "candora"), "compute", HISTORY, "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=packages_env()) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            said = process.stderr.read()
            assert (process.wait(30), said) == (0, b"")


class TestFaults:
    @pytest.mark.parametrize(
        ("bad", "path", "problem"),
        [
            (line("commit_created", "2026-01-05T09:00:00", 5, commit_sha=SHA), "occurred_at", "zone"),
            (line("commit_created", "2026-01-05T09:00:00Z", 5, commit_sha="abc1234"), "commit_sha", "full hash"),
            (line("commit_created", "2026-01-05T09:00:00Z", 5), "commit_sha", ""),
            (line("commit_made", "2026-01-05T09:00:00Z", 5), "event_type", ""),
            (
                line(
                    "incident_opened",
                    "2026-01-05T09:00:00Z",
                    5,
                    env="prod",
                    incident_id="i",
                    incident={"severity": "high"},
                ),
                "incident.severity",
                "sev1",
            ),
            (
                line(
                    "canary_started",
                    "2026-01-05T09:00:00Z",
                    5,
                    env="prod",
                    commit_sha=SHA,
                    canary={"included_shas": [SHA, "abc"]},
                ),
                "canary.included_shas[1]",
                "full",
            ),
        ],
    )
    def test_a_bad_line_is_told_with_its_number_and_field(
        self, candora: Candora, tmp_path: Path, bad: str, path: str, problem: str
    ) -> None:
        file = write(tmp_path, *GOOD, "", bad)
        ran = candora("compute", file, *AT, "--json")
        assert (ran.code, ran.out) == (USAGE, "")
        assert ran.err.startswith(f"candora: {file}: line 4, {path}: ")
        assert problem in ran.err
        assert len(ran.err.splitlines()) == 1

    @pytest.mark.parametrize("bad", ["{", "[]", "7", "hello"])
    def test_a_line_that_is_no_object_is_told_with_its_number(self, candora: Candora, tmp_path: Path, bad: str) -> None:
        ran = candora("compute", write(tmp_path, GOOD[0], bad), *AT)
        assert (ran.code, ran.out) == (USAGE, "")
        assert ": line 2: " in ran.err

    def test_an_unknown_event_is_told_which_ten_there_are(self, candora: Candora, tmp_path: Path) -> None:
        ran = candora("compute", write(tmp_path, line("canary_starte", "2026-01-05T12:00:00Z")), *AT)
        assert ran.code == USAGE
        assert "event_type: should be one of commit_created, " in ran.err
        assert not re.search("UNKNOWN|clock_tick|cause_linked", ran.err)

    def test_bytes_that_are_no_text_are_refused(self, candora: Candora, tmp_path: Path) -> None:
        path = tmp_path / "events.jsonl"
        path.write_bytes(b"\xff\xfe\n")
        ran = candora("compute", str(path), *AT)
        assert (ran.code, ran.out) == (USAGE, "")
        assert "utf-8" in ran.err

    def test_a_file_that_is_not_there_is_named(self, candora: Candora, tmp_path: Path) -> None:
        file = tmp_path / "none.jsonl"
        ran = candora("compute", str(file), *AT)
        assert (ran.code, ran.err) == (USAGE, f"candora: {file}: No such file or directory\n")

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            (("--at", "tomorrow"), "is no time: write 2026-01-20T00:00:00Z"),
            (("--at", "2026-01-20T00:00:00"), "has no time zone"),
            (("--window", "30"), "is not a duration"),
            (("--window", "0d"), "windows"),
            (("--window=-1d",), "is not a duration"),
            (("--failure-window", "a day"), "is not a duration"),
            (("--lateness", ""), "is not a duration"),
            (("--window", "-1d"), "needs a value, which must not begin with -"),
            (("--failing-severities", "critical"), "write some of sev1 to sev5"),
        ],
    )
    def test_an_argument_that_makes_no_sense_is_told_how_to_be_written(
        self, candora: Candora, args: Sequence[str], said: str
    ) -> None:
        ran = candora("compute", HISTORY, *args)
        assert (ran.code, ran.out) == (USAGE, "")
        assert said in ran.err

    def test_a_flag_that_is_off_by_a_letter_is_named(self, candora: Candora) -> None:
        ran = candora("--verson")
        assert ran.code == USAGE
        assert ran.err == "candora: unrecognized argument --verson, did you mean --version; see `candora --help`\n"

    @pytest.mark.parametrize("args", [(), ("topics",), ("compute",), ("nonsense",), ("topics", "drop"), ("-x",)])
    def test_what_is_left_out_or_unknown_is_a_usage_error(self, candora: Candora, args: Sequence[str]) -> None:
        ran = candora(*args)
        assert ran.code == USAGE
        assert re.fullmatch(r"candora: .*; see `candora[a-z ]* --help`\n", ran.err)

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            (("topics", "create", "--partitions", "0"), "'0' is no whole number from 1 on"),
            (("topics", "create", "--replication", "many"), "'many' is no whole number from 1 on"),
            (("audit", "--most", "0"), "'0' is no whole number from 1 on"),
            (("audit", "--wa", "1s"), "unrecognized arguments: --wa 1s"),
            (("demo", "--days=-3"), "'-3' is no whole number from 1 on"),
        ],
    )
    def test_what_cannot_be_is_refused_before_anything_is_asked(
        self, candora: Candora, args: Sequence[str], said: str
    ) -> None:
        ran = candora(*args)
        assert (ran.code, ran.out) == (USAGE, "")
        assert said in ran.err
        assert len(ran.err.splitlines()) == 1


def test_a_command_whose_libraries_are_not_installed_names_the_extra(
    candora: Candora, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("streams.demo")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    ran = candora("demo")
    assert (ran.code, ran.out) == (USAGE, "")
    assert ran.err == "candora: `candora demo` needs rich: pip install 'candora[streams]'\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_output_that_is_full_is_told_of(tmp_path: Path) -> None:
    command = [*script_command("streams.cli", "candora"), "compute", write(tmp_path, *GOOD), *AT]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=packages_env())
    assert (ran.returncode, ran.stderr) == (USAGE, "candora: cannot write: No space left on device\n")


class TestSettings:
    @pytest.mark.parametrize(
        "args",
        [("worker",), ("topics", "check"), ("topics", "create")],
    )
    def test_a_setting_that_makes_no_sense_is_named(
        self, candora: Candora, monkeypatch: pytest.MonkeyPatch, args: Sequence[str]
    ) -> None:
        monkeypatch.setenv("CANDORA_LATENESS", "soon")
        ran = candora(*args)
        assert ran.code == USAGE
        assert "CANDORA_LATENESS" in ran.err
        assert "'soon' is not a duration" in ran.err

    def test_one_of_several_is_named_by_its_variable(self, candora: Candora, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CANDORA_WINDOWS", "7d,30")
        ran = candora("audit")
        assert ran.code == USAGE
        assert ran.err.startswith("candora: CANDORA_WINDOWS: '30' is not a duration: ")

    def test_one_that_is_misspelt_is_told_of(self, candora: Candora, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CANDORA_FAILURE_WINDOWS", "4h")
        monkeypatch.setenv("CANDORA_LATENESS", "soon")
        ran = candora("audit")
        meant = "CANDORA_FAILURE_WINDOWS is set and is no setting; did you mean CANDORA_FAILURE_WINDOW?"
        assert ran.err.splitlines()[0] == f"candora: warning: {meant}"

    @pytest.mark.parametrize("kind", [WorkerSettings, ServingSettings])
    def test_no_setting_of_another_process_is_taken_for_a_misspelt_one(
        self, monkeypatch: pytest.MonkeyPatch, kind: type[WorkerSettings | ServingSettings]
    ) -> None:
        """All that the pages and the help texts name."""
        root = Path(__file__).parents[3]
        texts = [*(root / "docs").rglob("*.md"), *(root / "producers").rglob("*.py"), *(root / "streams").rglob("*.py")]
        named = {name for text in texts for name in re.findall(r"\bCANDORA_[A-Z_]+[A-Z]\b", text.read_text("utf-8"))}
        assert "CANDORA_SPOOL" in named
        for name in named:
            monkeypatch.setenv(name, "")
        assert list(cli._misspelt(kind)) == []

    def test_an_address_that_is_taken_is_named(self, candora: Candora, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            monkeypatch.setenv("CANDORA_METRICS_PORT", str(taken.getsockname()[1]))
            ran = candora("serve-metrics")
        assert ran.code == 1
        assert "(CANDORA_METRICS_HOST, CANDORA_METRICS_PORT): Address already in use" in ran.err

    def test_the_serving_process_names_its_own(self, candora: Candora, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CANDORA_METRICS_PORT", "many")
        ran = candora("serve-metrics")
        assert ran.code == USAGE
        assert "CANDORA_METRICS_PORT" in ran.err

    def test_a_prefix_that_kafka_would_refuse_is_named(self, candora: Candora, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CANDORA_TOPIC_PREFIX", "our own ")
        ran = candora("topics", "check")
        assert ran.code == USAGE
        assert "our own " in ran.err

    @pytest.mark.parametrize("args", [("serve-metrics",), ("topics", "check"), ("topics", "create"), ("audit",)])
    def test_a_client_setting_that_kafka_does_not_know_is_named(
        self, candora: Candora, monkeypatch: pytest.MonkeyPatch, args: Sequence[str]
    ) -> None:
        monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "magic")
        ran = candora(*args)
        assert ran.code == USAGE
        assert 'Invalid value "magic" for configuration property "security.protocol"; look at the KAFKA_' in (
            ran.out + ran.err
        )


class TestHelp:
    @pytest.mark.parametrize(
        ("args", "words"),
        [
            ((), ("worker", "serve-metrics", "topics", "compute", "demo", "CANDORA_", "KAFKA_")),
            (("worker",), ("CANDORA_DATA_DIR", "exit codes:")),
            (("serve-metrics",), ("CANDORA_METRICS_PORT", "exit codes:")),
            (("topics",), ("create", "check")),
            (("topics", "create"), ("--partitions", "--replication")),
            (("topics", "check"), ("exit codes:",)),
            (("audit",), ("--wait DURATION", "2  could not be decided")),
            (("rebuild",), ("--switch-file FILE", "exit codes:")),
            (("doctor", "prometheus"), ("--job NAME", "exit codes:")),
            (("backfill", "metrics"), ("--step DURATION", "exit codes:")),
            (("report",), ("--last DURATION", "exit codes:")),
            (("trace",), ("WHAT", "--service GLOB", "1  nothing goes by this name")),
            (("compute",), ("EVENTS.jsonl", "--at", "--window", "--failure-window", "--failing-severities", "30d")),
            (("demo",), ("--once", "--seed", "--days")),
        ],
    )
    def test_every_command_explains_itself(
        self, candora: Candora, monkeypatch: pytest.MonkeyPatch, args: Sequence[str], words: Sequence[str]
    ) -> None:
        monkeypatch.setenv("COLUMNS", str(COLUMNS))
        ran = candora(*args, "--help")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(" ".join(("usage: candora", *args)))
        for word in words:
            assert word in ran.out
        assert max(map(len, ran.out.splitlines())) <= COLUMNS

    def test_it_needs_neither_faust_nor_a_kafka_client_to_compute(self) -> None:
        code = (
            "import sys; from streams.cli import main; "
            f"main(['compute', {HISTORY!r}, '--at', '2026-01-20T00:00:00Z']); "
            "print(sorted({'faust', 'aiokafka', 'confluent_kafka', 'aiohttp'} & {*sys.modules}))"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=packages_env()
        )
        assert ran.stdout.splitlines()[-1] == "[]"


def test_the_version_says_how_the_core_runs(candora: Candora) -> None:
    ran = candora("--version")
    form = "pure Python" if str(partition_state.__file__).endswith(".py") else "compiled"
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(rf"candora \S.*, core: {form}\n", ran.out)
