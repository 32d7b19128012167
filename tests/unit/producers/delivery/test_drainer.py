import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from producers import cli
from producers.config import ProducerConfig
from producers.delivery.drainer import Drainer
from producers.delivery.encoder import InstallationEncoder
from producers.delivery.publisher import DeliveryFailure, DeliveryReceipt, FailureCause, Message, Outcome, SpoolReceipt
from producers.delivery.spooling import SpoolingPublisher
from producers.events.event_builder import event_from
from producers.spool.message_file import DEAD_LETTERS, SpooledMessage
from producers.spool.spool import Spool, SpoolBusy, SpoolLimits, SpoolUnusable
from schemas.codec.codec import Encoder
from schemas.ids import pinned_decoder, pinned_encoder
from schemas.values import EventValue
from tests.support.fakes.sidecar import NOW
from tests.support.publishers import RecordingPublisher, Reports, message, publish
from tests.support.servers.processes import free_port

AWAY = DeliveryFailure(FailureCause.UNREACHABLE, "nobody answers")
TOO_LARGE = DeliveryFailure(FailureCause.MESSAGE, "too large")
REGISTRY = "http://127.0.0.1:1"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(str(tmp_path / "spool"), SpoolLimits(max_files=10)) as opened:
        yield opened


@pytest.fixture
def encoding() -> InstallationEncoder:
    return InstallationEncoder(ProducerConfig(None))


def event(name: str) -> EventValue:
    about = {"event_type": "canary_started", "occurred_at": "2026-11-23T11:00:00Z", "service": "shop", "env": "prod"}
    return event_from({**about, "deployment_id": name}, NOW).value


def ids(publisher: RecordingPublisher) -> list[str]:
    return [each.event_id for each in publisher.messages]


def put(spool: Spool, *names: str) -> None:
    spool.put_all([SpooledMessage(name, "shop", b"value") for name in names])


# --- the drain --------------------------------------------------------------------------------------------------------


def test_sends_the_oldest_first_and_removes_what_was_acknowledged(spool: Spool, encoding: InstallationEncoder) -> None:
    put(spool, "c", "a", "b")
    publisher = RecordingPublisher()

    drained = Drainer(spool, encoding).run(publisher)

    assert ids(publisher) == ["c", "a", "b"]
    assert [each.topic for each in publisher.messages] == ["deploy_events"] * 3
    assert dict(drained.sent) == {"deploy_events": 3}
    assert len(drained.waited) == 3
    assert spool.entries() == []


def test_keeps_what_was_not_acknowledged_and_says_why(spool: Spool, encoding: InstallationEncoder) -> None:
    put(spool, "a", "b", "c")

    drained = Drainer(spool, encoding).run(RecordingPublisher(fail=lambda each: AWAY if each.event_id != "a" else None))

    assert (drained.sent.total(), drained.failure, len(spool.entries())) == (1, AWAY, 2)


def test_a_bad_message_is_put_aside_and_the_others_go_on(spool: Spool, encoding: InstallationEncoder) -> None:
    put(spool, "large", "damaged", "good")
    spool.put(SpooledMessage("elsewhere", "shop", b"value", topic="nobody knows"))
    spool.put(SpooledMessage("invalid", "shop", b'{"event_type": "canary_started"}', "json"))
    spool.put(SpooledMessage("no json", "shop", b"{", "json"))
    Path(spool.folder, spool.entries()[1].name).write_bytes(b"CNDR half")
    publisher = RecordingPublisher(fail=lambda each: TOO_LARGE if each.event_id == "large" else None)

    drained = Drainer(spool, encoding).run(publisher)

    assert ids(publisher) == ["good"]
    assert {each.name.partition("-")[2]: each.why for each in drained.aside} == {
        "large": "refused",
        "damaged": "damaged",
        "elsewhere": "damaged",
        "invalid": "invalid",
        "no json": "invalid",
    }
    assert (spool.entries(), spool.quarantined().files) == ([], 5)


def test_what_waited_for_too_long_is_put_aside(tmp_path: Path, encoding: InstallationEncoder) -> None:
    now = [0.0]
    with Spool(str(tmp_path), SpoolLimits(max_age=60.0), clock=lambda: now[0]) as spool:
        put(spool, "old")
        now[0] = 61.0
        put(spool, "new")
        publisher = RecordingPublisher()

        [aside] = Drainer(spool, encoding).run(publisher).aside

        assert (aside.why, ids(publisher)) == ("too_old", ["new"])


def test_dead_letters_do_not_hold_events_up(spool: Spool, encoding: InstallationEncoder) -> None:
    spool.put(SpooledMessage("letter", "github", b"value", topic=DEAD_LETTERS))
    put(spool, "event")
    no_topic = RecordingPublisher(fail=lambda each: AWAY if each.topic == DEAD_LETTERS else None)

    drained = Drainer(spool, encoding).run(no_topic)

    assert (ids(no_topic), drained.failure, len(spool.entries())) == (["event"], AWAY, 1)
    assert dict(Drainer(spool, encoding).run(RecordingPublisher()).sent) == {DEAD_LETTERS: 1}


def test_what_the_disk_does_not_forget_is_not_sent_again(
    spool: Spool, encoding: InstallationEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(_: object) -> None:
        raise SpoolUnusable("Read-only file system")

    put(spool, "a")
    drainer, publisher = Drainer(spool, encoding), RecordingPublisher()
    with monkeypatch.context() as patch:
        patch.setattr(spool, "remove", read_only)
        assert drainer.run(publisher).trouble == "Read-only file system"
        drainer.run(publisher)
    drainer.run(publisher)

    assert ids(publisher) == ["a"]
    assert spool.entries() == []


def test_json_waits_for_the_schema_id_and_is_encoded_with_it(
    spool: Spool, encoding: InstallationEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = InstallationEncoder(ProducerConfig(None, registry_url=REGISTRY))
    spool.put(registered.event(event("run-1")))
    put(spool, "framed")
    publisher = RecordingPublisher()

    drained = Drainer(spool, registered).run(publisher)

    assert ids(publisher) == ["framed"]
    assert drained.failure is not None
    assert "no schema id for deploy_events-value" in drained.failure.problem

    schema = pinned_encoder("deploy_event")._schema
    monkeypatch.setattr(registered, "_ask", lambda _: Encoder(schema, 7))
    Drainer(spool, registered).run(publisher)

    [sent] = [each for each in publisher.messages if each.event_id != "framed"]
    assert sent.value[:5] == b"\x00\x00\x00\x00\x07"
    assert sent.value[5:] == pinned_encoder("deploy_event").encode(event("run-1"))[5:]


def test_a_dead_letter_survives_as_json_too(spool: Spool, encoding: InstallationEncoder) -> None:
    letter: Any = {"reason": "unmappable", "path": None, "problem": "no", "topic": "webhooks/github", "key": None}
    letter |= {"partition": -1, "offset": -1, "append_time": 1, "value": b"\x00\xff", "headers": {"a": b"\xff"}}
    spool.put(InstallationEncoder(ProducerConfig(None, registry_url=REGISTRY)).dead_letter("letter", "github", letter))
    publisher = RecordingPublisher()

    Drainer(spool, encoding).run(publisher)

    [sent] = publisher.messages
    assert pinned_decoder("dead_letter").decode(sent.value) == letter


# --- emit -------------------------------------------------------------------------------------------------------------


def test_older_messages_go_first(spool: Spool, encoding: InstallationEncoder) -> None:
    put(spool, "older")
    publisher, told = RecordingPublisher(), list[str]()

    reports = publish(SpoolingPublisher(publisher, spool, encoding, info=told.append), [message("mine")])

    assert ids(publisher) == ["older", "mine"]
    assert [each.event_id for each, _ in reports] == ["mine"]
    assert told == [f"sent 1 older messages from the spool {spool.folder}"]


def test_what_cannot_be_delivered_is_kept(spool: Spool, encoding: InstallationEncoder) -> None:
    publisher = RecordingPublisher(fail=lambda each: AWAY if each.event_id == "b" else None)

    reports = publish(SpoolingPublisher(publisher, spool, encoding), [message(name) for name in "abc"])

    assert outcomes(reports) == {"a": DeliveryReceipt, "b": SpoolReceipt, "c": SpoolReceipt}
    assert [each.name.partition("-")[2] for each in spool.entries()] == ["b", "c"]


def test_what_the_broker_will_never_take_is_not_kept(spool: Spool, encoding: InstallationEncoder) -> None:
    publisher = RecordingPublisher(fail=lambda _: TOO_LARGE)

    [(_, outcome)] = publish(SpoolingPublisher(publisher, spool, encoding), [message("a")])

    assert (outcome, spool.entries()) == (TOO_LARGE, [])


def test_a_broker_that_takes_no_older_message_is_not_asked_again(spool: Spool, encoding: InstallationEncoder) -> None:
    put(spool, "older")
    asked: list[Message] = []

    def away(each: Message) -> DeliveryFailure:
        asked.append(each)
        return AWAY

    reports = publish(SpoolingPublisher(RecordingPublisher(fail=away), spool, encoding), [message("mine")])

    assert outcomes(reports) == {"mine": SpoolReceipt}
    assert [each.event_id for each in asked] == ["older"]


def test_a_full_spool_is_told_with_what_went_wrong_before(spool: Spool, encoding: InstallationEncoder) -> None:
    put(spool, *(str(number) for number in range(10)))

    [(_, outcome)] = publish(SpoolingPublisher(None, spool, encoding, missing=AWAY), [message("mine")])

    assert isinstance(outcome, DeliveryFailure)
    assert outcome.problem.startswith("nobody answers; and it is not kept: the spool")


def test_while_another_drains_ones_own_goes_at_once(spool: Spool, encoding: InstallationEncoder) -> None:
    put(spool, "older")
    publisher = RecordingPublisher()
    with Spool(spool.folder) as other, other.draining():
        publish(SpoolingPublisher(publisher, spool, encoding), [message("mine")])
        with pytest.raises(SpoolBusy):
            Drainer(spool, encoding).run(publisher)

    assert ids(publisher) == ["mine"]


def outcomes(reports: Reports) -> dict[str, type[Outcome]]:
    return {each.event_id: type(outcome) for each, outcome in reports}


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A pipeline with a spool, whose broker is down."""
    monkeypatch.setenv("CANDORA_KAFKA_BOOTSTRAP_SERVERS", f"localhost:{free_port()}")
    monkeypatch.setenv("CANDORA_TIMEOUT", "2s")
    monkeypatch.setenv("CANDORA_SPOOL", str(tmp_path / "spool"))
    return str(tmp_path / "spool")


EMIT = ["emit", "canary_started", "--service", "shop", "--env", "prod", "--deployment", "run-1"]


def test_emit_keeps_the_event_and_says_how_to_send_it(nobody: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*EMIT, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["status"] == "spooled"
    assert f"kept for the next run, or for `candora-ci drain --spool {nobody}`" in err

    assert cli.main(["drain", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"sent": 0, "left": 1, "quarantined": []}
    assert "not all was sent" in err
    assert cli.main(["drain", "--strict"]) == 5


def test_emit_without_kafka_keeps_it_and_strict_says_3(
    nobody: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CANDORA_KAFKA_BOOTSTRAP_SERVERS")
    assert cli.main([*EMIT, "--strict"]) == 3
    assert "kept for the next run" in capsys.readouterr().err
    assert cli.main(["drain", "--strict"]) == 3


def test_a_registry_that_is_away_loses_no_event(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDORA_SCHEMA_REGISTRY_URL", REGISTRY)
    assert cli.main(EMIT) == 0
    with Spool(nobody) as spool:
        [parcel] = [spool.read(entry) for entry in spool.entries()]
    assert parcel is not None
    assert (parcel.body, json.loads(parcel.content)["deployment_id"]) == ("json", "run-1")


def test_a_spool_that_cannot_be_used_is_told_and_the_event_is_tried(
    nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CANDORA_SPOOL", str(tmp_path / "file"))
    assert cli.main([*EMIT, "--strict"]) == 5
    assert f"the spool {tmp_path}/file cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["drain"], "--spool DIR or CANDORA_SPOOL"),
        (["drain", "--spool", "x", "--for", "soon"], "--for: 'soon' is not a duration"),
    ],
)
def test_drain_says_what_is_missing(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CANDORA_SPOOL", raising=False)
    assert cli.main(arguments) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--strict"]])
def test_a_spool_that_was_never_made_is_said_and_no_fault(
    nobody: str, tmp_path: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A last step that drains must not fail where no step had anything to keep."""
    missing = tmp_path / "missing"
    assert cli.main(["drain", "--spool", str(missing), "--json", *more]) == 0
    told = capsys.readouterr()
    assert f"there is no folder {missing}" in told.err
    assert json.loads(told.out) == {"sent": 0, "left": 0, "quarantined": []}
    assert not missing.exists()


def test_an_empty_spool_is_drained_at_once(nobody: str, capsys: pytest.CaptureFixture[str]) -> None:
    Spool(nobody).close()
    assert cli.main(["drain", "--strict"]) == 0
    assert f"sent 0, 0 left in {nobody}" in capsys.readouterr().err
