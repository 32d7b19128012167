import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typing_extensions import override

from producers import cli, commands
from producers.config import ProducerConfig
from producers.delivery.publisher import DeliveryFailure, FailureCause, Message, Publisher
from schemas.codec.codec import split_frame
from schemas.ids import pinned_decoder
from schemas.values import EventValue
from tests.support.events import sha
from tests.support.publishers import RecordingPublisher

COMMIT = ["emit", "commit_created", "--service", "shop", "--sha", sha("c1"), "--occurred-at", "2026-01-05T09:00:00Z"]
LINE = {"event_type": "commit_created", "service": "shop", "occurred_at": "2026-01-05T09:00:00Z"}
Use = Callable[[RecordingPublisher], RecordingPublisher]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CANDORA_KAFKA_BOOTSTRAP_SERVERS", "CANDORA_STRICT", "CANDORA_ALLOW_FAILURE", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CANDORA_CI", "none")
    monkeypatch.setenv("GIT_DIR", "nowhere")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Make the command send to a publisher of the test."""

    def put(publisher: RecordingPublisher) -> RecordingPublisher:
        def open_publisher(config: ProducerConfig, *, bulk: bool) -> Publisher:
            return publisher

        monkeypatch.setenv("CANDORA_KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
        monkeypatch.setattr("producers.delivery.delivery.open_publisher", open_publisher)
        return publisher

    return put


def _failing(cause: FailureCause) -> RecordingPublisher:
    return RecordingPublisher(fail=lambda _: DeliveryFailure(cause, "the problem"))


def _decoded(message: Message) -> EventValue:
    value: EventValue = pinned_decoder("deploy_event").decode(message.value)
    return value


def _file(tmp_path: Path, *lines: dict[str, object] | str) -> str:
    path = tmp_path / "events.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts), encoding="utf-8")
    return str(path)


def _good(label: str) -> dict[str, object]:
    return {**LINE, "commit_sha": sha(label)}


def test_an_event_is_delivered_under_its_service_with_its_id_in_a_header(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher = use(RecordingPublisher())

    assert cli.main(COMMIT) == 0

    [message] = publisher.messages
    value = _decoded(message)
    assert message.key == b"shop"
    assert value["commit_sha"] == sha("c1")
    assert message.headers == [("event_id", value["event_id"].encode())]
    assert publisher.closed
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "delivered commit_created of shop" in shown.err


def test_programs_are_told_where_it_went(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    publisher = use(RecordingPublisher())

    assert cli.main([*COMMIT, "--json"]) == 0

    record = json.loads(capsys.readouterr().out)
    assert record == {
        "line": 1,
        "event_id": publisher.messages[0].event_id,
        "status": "delivered",
        "topic": "deploy_events",
        "partition": record["partition"],
        "offset": 0,
    }


@pytest.mark.parametrize(
    ("cause", "strict", "level"),
    [(FailureCause.UNREACHABLE, 5, "warning"), (FailureCause.CREDENTIALS, 4, "error")],
)
def test_a_failed_delivery_is_said_and_fails_only_a_strict_run(
    use: Use, capsys: pytest.CaptureFixture[str], cause: FailureCause, strict: int, level: str
) -> None:
    use(_failing(cause))

    assert cli.main(COMMIT) == 0
    assert f"{level}: not sent: commit_created of shop" in capsys.readouterr().err
    assert cli.main([*COMMIT, "--strict"]) == strict
    assert cli.main([*COMMIT, "--strict", "--allow-failure"]) == 0


def test_on_github_refused_credentials_are_an_error_that_does_not_block(
    use: Use, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(_failing(FailureCause.CREDENTIALS))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    assert cli.main(COMMIT) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("::error title=candora-ci::not sent: commit_created")


def test_a_message_that_the_broker_never_takes_is_a_mistake_to_mend(use: Use) -> None:
    use(_failing(FailureCause.MESSAGE))

    assert cli.main(COMMIT) == 2


def test_kafka_not_configured_is_one_warning_and_fails_only_a_strict_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*COMMIT, "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert "warning: not sent" in shown.err
    assert json.loads(shown.out)["status"] == "skipped"
    assert cli.main([*COMMIT, "--strict"]) == 3


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["emit"], "say what happened"),
        (["emit", "commit_create", "--service", "shop"], "did you mean commit_created?"),
        (["emit", "clock_tick", "--service", "shop"], "unknown event type"),
        (["emit", "commit_created", "--service", "shop"], "commit_sha"),
        (["emit", "commit_created", "--sha", sha("c1")], "give --service"),
        ([*COMMIT, "--sha", "abc"], "given by --sha"),
        ([*COMMIT, "--set", "commit.parents=abc"], "commit.parents[0]"),
        ([*COMMIT, "--severity", "high"], "incident.severity"),
        ([*COMMIT, "--attempt", "9" * 30], "source.attempt"),
        ([*COMMIT, "--bogus"], "--bogus"),
        ([*COMMIT, "--skip-invalid"], "--file"),
        ([*COMMIT, "--timeout", "soon"], "--timeout"),
        (["emit", "--file", "-", "--service", "shop", "--set", "a=b"], "leave out --service, --set"),
        (["emit", "--file", "-", "--base", "main", "--fetch-history"], "leave out --base, --fetch-history"),
        ([*COMMIT, "--since", "main"], "--since goes with canary_promoted, canary_started"),
        (["emit", "rollback_triggered", "--base", "main"], "--base goes with artifact_built, "),
        ([*COMMIT, "--services", "nowhere.yaml"], "--services nowhere.yaml: there is no such file"),
        ([*COMMIT, "--services", "."], "--services .: "),
        (["emit", "--file", "nowhere.jsonl"], "nowhere.jsonl"),
        (["emit", "--file", "."], "--file ."),
    ],
)
def test_wrong_usage_and_refused_events_fail_even_when_nothing_is_configured(
    capsys: pytest.CaptureFixture[str], argv: list[str], says: str
) -> None:
    assert cli.main(argv) == 2
    assert says in capsys.readouterr().err
    assert cli.main([*argv, "--allow-failure"]) == 0


def test_a_flag_that_is_off_by_a_letter_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--verson"]) == 2
    assert "unrecognized argument --verson, did you mean --version" in capsys.readouterr().err


def test_allow_failure_holds_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDORA_ALLOW_FAILURE", "1")

    assert cli.main(["emit", "--bogus"]) == 0


def test_a_prefix_that_makes_no_topic_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*COMMIT, "--bootstrap-servers", "kafka:9092", "--topic-prefix", "a b"]) == 2
    assert "--topic-prefix" in capsys.readouterr().err


def test_a_dry_run_prints_the_event_and_sends_nothing(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    publisher = use(RecordingPublisher())

    assert cli.main([*COMMIT, "--dry-run", "--explain"]) == 0

    shown = capsys.readouterr()
    assert json.loads(shown.out)["commit_sha"] == sha("c1")
    assert f'commit_sha = "{sha("c1")}"  (--sha)' in shown.err
    assert not publisher.messages


def test_what_a_dry_run_prints_can_be_sent_as_a_file(
    use: Use, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    publisher = use(RecordingPublisher())
    cli.main([*COMMIT, "--dry-run"])
    printed = json.loads(capsys.readouterr().out)

    assert cli.main(["emit", "--file", _file(tmp_path, printed)]) == 0
    assert publisher.messages[0].event_id == printed["event_id"]


def test_a_file_is_sent_whole(use: Use, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    publisher = use(RecordingPublisher())

    assert cli.main(["emit", "--json", "--file", _file(tmp_path, _good("c1"), "", _good("c2"))]) == 0

    assert {_decoded(message)["commit_sha"] for message in publisher.messages} == {sha("c1"), sha("c2")}
    shown = capsys.readouterr()
    assert [json.loads(line)["line"] for line in shown.out.splitlines()] == [1, 3]
    assert "delivered 2 events" in shown.err


def test_a_file_without_events_is_told_of(use: Use, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    publisher = use(RecordingPublisher())
    assert cli.main(["emit", "--file", _file(tmp_path, "", "")]) == 0
    assert capsys.readouterr().err == "candora-ci: warning: the file holds no event: nothing is sent\n"
    assert not publisher.messages


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("candora-ci ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_output_that_is_full_is_told_of(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that could not be written stays in the stream, so the stream's own end fails as well."""
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closed below, where it fails
    monkeypatch.setattr("sys.stdout", full)
    assert cli.main([*COMMIT, "--dry-run"]) == 2
    monkeypatch.undo()
    assert "candora-ci: error: cannot write: No space left on device" in capsys.readouterr().err
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_standard_input_is_a_file_too(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = use(RecordingPublisher())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(_good("c1")).encode())))

    assert cli.main(["emit", "--file", "-"]) == 0
    assert len(publisher.messages) == 1


def test_one_bad_line_keeps_the_whole_file_back(use: Use, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    publisher = use(RecordingPublisher())
    file = _file(tmp_path, _good("c1"), _good("c2") | {"commit_sha": "abc"}, "{", _good("c3"))

    assert cli.main(["emit", "--file", file]) == 2

    shown = capsys.readouterr().err
    assert not publisher.messages
    assert "line 2: commit_sha: " in shown
    assert "line 3: the line is not JSON" in shown
    assert "nothing sent" in shown


def test_skip_invalid_sends_the_good_lines_and_still_fails(
    use: Use, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    publisher = use(RecordingPublisher())
    file = _file(tmp_path, _good("c1"), "{", _good("c2"))

    assert cli.main(["emit", "--skip-invalid", "--file", file]) == 2

    shown = capsys.readouterr().err
    assert len(publisher.messages) == 2
    assert "line 2: " in shown
    assert "delivered 2 events" in shown


def test_of_very_many_bad_lines_the_first_are_shown_and_the_rest_counted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["emit", "--file", _file(tmp_path, *["{"] * 50)]) == 2

    shown = capsys.readouterr().err
    assert "line 20: " in shown
    assert "line 21: " not in shown
    assert "30 bad lines more" in shown


def test_after_a_failure_the_events_not_tried_are_reported_as_not_sent(
    use: Use, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail_from_the_second(message: Message) -> DeliveryFailure | None:
        return DeliveryFailure(FailureCause.UNREACHABLE, "the problem") if message.line > 1 else None

    use(RecordingPublisher(fail=fail_from_the_second))

    assert cli.main(["emit", "--strict", "--json", "--file", _file(tmp_path, *map(_good, "abcd"))]) == 5

    shown = capsys.readouterr()
    assert [json.loads(line)["status"] for line in shown.out.splitlines()] == ["delivered", *["not_sent"] * 3]
    assert "not sent: 3 of 4 events: the problem" in shown.err


def test_a_registry_that_is_no_address_is_wrong_usage(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(RecordingPublisher())

    assert cli.main([*COMMIT, "--schema-registry", "registry:8081"]) == 2
    assert "--schema-registry: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "answer", "strict"), [(200, {"id": 7}, 0), (401, {"message": "who?"}, 4), (404, {"message": "no"}, 5)]
)
def test_schema_ids_come_from_the_registry_when_there_is_one(
    use: Use, monkeypatch: pytest.MonkeyPatch, status: int, answer: dict[str, object], strict: int
) -> None:
    publisher = use(RecordingPublisher())
    asked: list[tuple[str, str | None]] = []

    class Registry(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("CANDORA_SCHEMA_REGISTRY_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("CANDORA_SCHEMA_REGISTRY_TOKEN", "token")
    try:
        code = cli.main([*COMMIT, "--strict"])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    assert code == strict
    assert asked == [("/subjects/deploy_events-value", "Bearer token")]
    assert [split_frame(message.value)[0] for message in publisher.messages] == [7] * (status == 200)


def test_a_registry_that_does_not_answer_is_a_failed_delivery(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    publisher = use(RecordingPublisher())
    argv = [*COMMIT, "--schema-registry", "http://127.0.0.1:1"]

    assert cli.main(argv) == 0
    assert "no schema id for deploy_events-value" in capsys.readouterr().err
    assert cli.main([*argv, "--strict"]) == 5
    assert cli.main([*argv, "--sha", "abc"]) == 2
    assert not publisher.messages


def test_help_has_a_line_for_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for name in commands.NAMES:
        assert [name, *commands.load(name).HELP.split()[:2]] in [line[:3] for line in lines]


@pytest.mark.parametrize("name", commands.NAMES)
def test_each_command_tells_how_it_is_used(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])

    assert ended.value.code == 0
    assert f"usage: candora-ci {name}" in capsys.readouterr().out


LOADED = """
import sys
from producers.cli import main
try:
    main(sys.argv[2:])
except SystemExit:
    pass
print("loaded", *(name for name in sys.argv[1].split(",") if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("argv", "unwanted"),
    [
        (["--help"], "pydantic,fastavro,confluent_kafka,faust,aiokafka,streams,rich"),
        (["emit", "--help"], "pydantic,fastavro,confluent_kafka,faust,aiokafka,streams,rich"),
        ([*COMMIT, "--dry-run"], "confluent_kafka,faust,aiokafka,streams,rich,urllib.request"),
        (
            [*COMMIT, "--bootstrap-servers", "127.0.0.1:1", "--timeout", "2s"],
            "faust,aiokafka,streams,rich,urllib.request",
        ),
    ],
)
def test_nothing_is_loaded_that_a_command_does_not_need(argv: list[str], unwanted: str) -> None:
    run = subprocess.run([sys.executable, "-c", LOADED, unwanted, *argv], capture_output=True, text=True, check=True)

    assert run.stderr.splitlines()[-1] == "loaded"
