"""The publisher to a sidecar: against a real one without Kafka, and against answers that are written down."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import pytest
from typing_extensions import override

from producers.delivery.publisher import DeliveryFailure, FailureCause, Message, Outcome, Publisher, SidecarReceipt
from producers.delivery.sidecar_client.credentials import TokenCredential
from producers.delivery.sidecar_client.http import HttpClient, NoResponse
from producers.delivery.sidecar_client.publisher import MOST, SidecarPublisher
from producers.delivery.sidecar_client.responses import SidecarResponse
from producers.events.event_builder import event_from
from producers.sidecar.settings import LimitSettings
from producers.spool.spool import SpoolLimits
from schemas.ids import pinned_encoder
from tests.support.fakes.sidecar import EVENT, Sidecar
from tests.support.publishers import PublisherSuite, publish
from tests.support.servers.in_thread import sidecar_at
from tests.support.servers.processes import free_port

URL: Final = "http://sidecar:8480"
EPOCH: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)


def event(name: str, **fields: Any) -> Message:
    """An event as `emit` has it, whose deployment is its name."""
    data = {**EVENT, "event_id": str(uuid5(NAMESPACE_URL, name)), "deployment_id": name, **fields}
    value = event_from(data, EPOCH).value
    return Message(value["event_id"], value["service"].encode(), pinned_encoder("deploy_event").encode(value))


class TestSidecarPublisher(PublisherSuite):
    @override
    def message(self, name: str, key: str = "shop") -> Message:
        return event(name, attributes={"key": key})

    @pytest.fixture
    def publisher(self, tmp_path: Path) -> Iterator[Publisher]:
        with sidecar_at(lambda: Sidecar(tmp_path / "spool", LimitSettings(body=4000, events=7))) as (url, _):
            yield SidecarPublisher(url, HttpClient(), TokenCredential("good"), timeout=10)

    @pytest.fixture
    def unreachable(self) -> Publisher:
        return SidecarPublisher(f"http://127.0.0.1:{free_port()}", HttpClient(), TokenCredential("good"), timeout=0.3)

    @pytest.fixture
    def too_large(self) -> Message:
        return event("large", attributes={f"note{number}": "x" * 200 for number in range(30)})


def test_what_is_acknowledged_is_on_its_disk_as_it_was_sent(tmp_path: Path) -> None:
    with sidecar_at(lambda: Sidecar(tmp_path / "spool")) as (url, sidecar):
        sent = event("run-1", occurred_at="2026-11-23T11:59:00.123456Z", attributes={"wörd": "🛒"})
        [(_, outcome)] = publish(SidecarPublisher(url, HttpClient(), TokenCredential("good"), timeout=5), [sent])

        assert outcome == SidecarReceipt(url)
        [kept] = sidecar.kept_events()
        assert (kept["event_id"], kept["occurred_at"]) == (sent.event_id, 1_795_435_140_123_456)
        assert kept["attributes"] == {"wörd": "🛒"}


def test_one_bad_event_does_not_keep_the_others(tmp_path: Path) -> None:
    foreign = event("run-3", service="cart")
    sent = [event("run-1"), event("run-2"), foreign, event("run-4")]
    with sidecar_at(lambda: Sidecar(tmp_path / "spool")) as (url, sidecar):
        reports = dict(publish(SidecarPublisher(url, HttpClient(), TokenCredential("good"), timeout=5), sent))

        refused = reports.pop(foreign)
        assert isinstance(refused, DeliveryFailure)
        assert refused.cause is FailureCause.FORBIDDEN
        assert "this token may not report for that service (wrong_scope)" in refused.problem
        assert set(reports.values()) == {SidecarReceipt(url)}
        assert {kept["event_id"] for kept in sidecar.kept_events()} == {each.event_id for each in reports}


@pytest.mark.parametrize(
    ("token", "cause", "problem"),
    [
        ("bad", FailureCause.CREDENTIALS, "refuses the credentials: 401 not authorized (wrong_secret)"),
        ("", FailureCause.CREDENTIALS, "401 not authorized (wrong_secret)"),
        ("later", FailureCause.UNREACHABLE, "asks to come back in 5 s"),
    ],
)
def test_credentials_that_are_not_taken_stop_it(token: str, cause: FailureCause, problem: str, tmp_path: Path) -> None:
    with sidecar_at(lambda: Sidecar(tmp_path / "spool")) as (url, sidecar):
        sent = [event(f"run-{number}") for number in range(MOST + 1)]
        reports = publish(SidecarPublisher(url, HttpClient(), TokenCredential(token), timeout=3), sent)

        assert len(reports) == MOST
        assert {outcome.cause for _, outcome in reports if isinstance(outcome, DeliveryFailure)} == {cause}
        [(_, first), *_] = reports
        assert isinstance(first, DeliveryFailure)
        assert problem in first.problem
        assert sidecar.kept() == []


def test_a_full_spool_says_when_to_come_back(tmp_path: Path) -> None:
    with sidecar_at(lambda: Sidecar(tmp_path / "spool", spool=SpoolLimits(max_files=1))) as (url, _):
        [(_, first)] = publish(
            SidecarPublisher(url, HttpClient(), TokenCredential("good"), timeout=3), [event("run-1")]
        )
        [(_, second)] = publish(
            SidecarPublisher(url, HttpClient(), TokenCredential("good"), timeout=3), [event("run-2")]
        )

        assert first == SidecarReceipt(url)
        assert second == DeliveryFailure(
            FailureCause.UNREACHABLE,
            f"the sidecar {url}: did not take it within 3 s: does not take it now: 503 the spool is full; Kafka does "
            "not take its messages (spool_full), and asks to come back in 30 s",
        )


# --- answers that are written down ------------------------------------------------------------------------------------

Reply = SidecarResponse | NoResponse | Callable[[Sequence[str]], SidecarResponse]


def taken(ids: Sequence[str]) -> SidecarResponse:
    return SidecarResponse(202, {}, json.dumps({"events": ids}).encode())


def says(status: int, reason: str, **headers: str) -> SidecarResponse:
    return SidecarResponse(status, headers, json.dumps({"error": "no", "reason": reason}).encode())


BUSY: Final = says(503, "busy", **{"retry-after": "3"})


class Script(HttpClient):
    """Answers as it is written, and then takes everything. Time goes by only when somebody waits."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__()
        self.replies = deque(replies)
        self.asked: list[list[str]] = []
        self.waited: list[float] = []
        self.limits: list[float] = []
        self.time = 1000.0

    @override
    def ask(
        self, method: str, url: str, headers: Mapping[str, str], seconds: float, body: bytes | None = None
    ) -> SidecarResponse:
        ids = [each["event_id"] for each in json.loads(body or b"")]
        self.asked.append(ids)
        self.limits.append(seconds)
        reply = self.replies.popleft() if self.replies else taken
        if isinstance(reply, NoResponse):
            raise reply
        return reply if isinstance(reply, SidecarResponse) else reply(ids)

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.time += seconds

    def send(self, *messages: Message, timeout: float = 10) -> list[Outcome]:
        publisher = SidecarPublisher(
            URL, self, TokenCredential("good"), timeout=timeout, clock=lambda: self.time, sleep=self.sleep
        )
        return [outcome for _, outcome in publish(publisher, messages)]


ONE: Final = event("run-1")
TWO: Final = event("run-2")


@pytest.mark.parametrize(
    ("replies", "waited"),
    [
        ([BUSY], [3.0]),
        ([says(500, "internal")], [0.25]),
        ([NoResponse("no answer: Connection refused")] * 5, [0.25, 0.5, 1.0, 2.0, 2.0]),
        ([BUSY, NoResponse("no answer: Connection reset by peer")], [3.0, 0.5]),
    ],
)
def test_it_comes_back_when_it_may(replies: list[Reply], waited: list[float]) -> None:
    script = Script(*replies)
    assert script.send(ONE) == [SidecarReceipt(URL)]
    assert script.waited == waited
    assert all(ids == [ONE.event_id] for ids in script.asked)


def test_it_gives_up_in_time() -> None:
    script = Script(*[NoResponse("no answer: Connection refused")] * 100)
    [outcome] = script.send(ONE)
    assert outcome == DeliveryFailure(
        FailureCause.UNREACHABLE, f"the sidecar {URL}: did not take it within 10 s: no answer: Connection refused"
    )
    assert sum(script.waited) <= 10
    assert all(later < earlier for earlier, later in zip(script.limits, script.limits[1:], strict=False))


def test_every_acknowledgement_gives_new_time() -> None:
    script = Script(BUSY, BUSY, BUSY, taken, BUSY, BUSY, BUSY)
    assert script.send(*[event(f"run-{number}") for number in range(MOST + 1)]) == [SidecarReceipt(URL)] * (MOST + 1)
    assert sum(script.waited) == 18


def test_a_certificate_that_is_not_trusted_is_final() -> None:
    script = Script(NoResponse("its certificate is not trusted", FailureCause.CREDENTIALS))
    assert script.send(ONE) == [
        DeliveryFailure(FailureCause.CREDENTIALS, f"the sidecar {URL}: its certificate is not trusted")
    ]
    assert script.waited == []


def test_after_the_halves_of_a_request_nothing_is_unreported() -> None:
    script = Script(says(422, "invalid"), taken, says(401, "expired"))
    outcomes = script.send(ONE, TWO)
    assert outcomes[0] == SidecarReceipt(URL)
    assert isinstance(outcomes[1], DeliveryFailure)
    assert outcomes[1].cause is FailureCause.CREDENTIALS
    assert script.asked == [[ONE.event_id, TWO.event_id], [ONE.event_id], [TWO.event_id]]

    script = Script(says(422, "invalid"), says(401, "expired"))
    assert [each.cause for each in script.send(ONE, TWO) if isinstance(each, DeliveryFailure)] == [
        FailureCause.CREDENTIALS
    ] * 2
    assert len(script.asked) == 2


def test_a_request_does_not_grow_without_end() -> None:
    script = Script()
    large = [event(f"run-{number}", attributes={f"a{n}": "x" * 500 for n in range(30)}) for number in range(40)]
    assert script.send(*large) == [SidecarReceipt(URL)] * 40
    assert len(script.asked) == 3


@pytest.mark.parametrize(
    ("message", "cause", "problem"),
    [
        (ONE._replace(topic="deploy_events_dead"), FailureCause.NOT_CONFIGURED, "goes to Kafka itself"),
        (
            ONE._replace(value=b"\x00\x00\x00\x00\x63rest"),
            FailureCause.MESSAGE,
            "cannot be read, so that it cannot be sent",
        ),
    ],
)
def test_what_cannot_be_sent_this_way_holds_nothing_up(message: Message, cause: FailureCause, problem: str) -> None:
    refused, other = Script().send(message, TWO)
    assert isinstance(refused, DeliveryFailure)
    assert refused.cause is cause
    assert problem in refused.problem
    assert other == SidecarReceipt(URL)
