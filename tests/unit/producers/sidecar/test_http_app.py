"""`POST /v1/events`: what is taken, in which form, and what is not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from producers.sidecar.settings import LimitSettings
from producers.spool.spool import SpoolLimits
from tests.support.fakes.sidecar import EVENT, Sidecar

OTHER = {**EVENT, "deployment_id": "run-1818"}
CLOUD = {"specversion": "1.0", "id": "1", "source": "/ci", "type": "com.example.deploy"}
BINARY = {f"ce-{name}": value for name, value in CLOUD.items()}
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


@pytest.mark.parametrize(
    ("body", "kind", "headers", "number"),
    [
        (EVENT, "application/json", {}, 1),
        ([EVENT, OTHER], "application/json; charset=utf-8", {}, 2),
        (b"\n".join(json.dumps(each).encode() for each in (EVENT, OTHER)), "application/x-ndjson", {}, 2),
        (EVENT, "application/json", BINARY, 1),
        ({**CLOUD, "data": EVENT}, STRUCTURED, {}, 1),
        ([{**CLOUD, "data": EVENT}, {**CLOUD, "data": OTHER}], BATCH, {}, 2),
        ([], BATCH, {}, 0),
    ],
    ids=["one", "array", "lines", "binary", "structured", "batch", "empty batch"],
)
async def test_takes_events_in_each_form(
    tmp_path: Path, body: Any, kind: str, headers: dict[str, str], number: int
) -> None:
    async with Sidecar(tmp_path) as sidecar:
        status, answer = await sidecar.events(body, kind, **headers)

        assert status == 202
        assert [event["event_id"] for event in sidecar.kept_events()] == answer["events"]
        assert len(answer["events"]) == number
        assert sidecar.news == (1 if number else 0)


async def test_an_event_says_what_its_caller_proved_and_has_the_id_of_that(tmp_path: Path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        first = await sidecar.events(EVENT)
        again = await sidecar.events(EVENT)

        assert first == again
        assert [event["source"] and event["source"]["run_id"] for event in sidecar.kept_events()] == ["7"] * 2


async def test_the_time_of_a_cloudevent_stands_in_for_a_missing_one(tmp_path: Path) -> None:
    event = {name: value for name, value in EVENT.items() if name != "occurred_at"}
    async with Sidecar(tmp_path) as sidecar:
        status, _ = await sidecar.events({**CLOUD, "time": "2026-11-23T11:00:00Z", "data": event}, STRUCTURED)

        assert status == 202
        [kept] = sidecar.kept_events()
        assert kept["occurred_at"] == 1_795_431_600_000_000


@pytest.mark.parametrize(
    ("body", "kind", "headers", "status", "reason"),
    [
        (b"{", "application/json", {}, 400, "not_json"),
        (b'{"a": NaN}', "application/json", {}, 400, "not_json"),
        (b'{"a": "\xff"}', "application/json", {}, 400, "not_json"),
        (b"3", "application/json", {}, 400, "not_json"),
        (b"[" * 66 + b"]" * 66, "application/json", {}, 400, "too_deep"),
        (b"[" * 100_000, "application/json", {}, 400, "too_deep"),
        (EVENT, "application/x-www-form-urlencoded", {}, 415, "media_type"),
        (EVENT, "text/xml", BINARY, 415, "media_type"),
        (EVENT, "application/json", {"Content-Encoding": "gzip"}, 415, "encoded"),
        (EVENT, STRUCTURED, {}, 400, "not_cloudevents"),
        ({**CLOUD, "specversion": "0.3", "data": EVENT}, STRUCTURED, {}, 400, "not_cloudevents"),
        ({**CLOUD, "data_base64": "AAAA"}, STRUCTURED, {}, 400, "not_cloudevents"),
        ({**CLOUD, "data": EVENT}, BATCH, {}, 400, "not_cloudevents"),
        ([EVENT] * 4, "application/json", {}, 413, "too_many_events"),
        (b" " * 5000, "application/json", {}, 413, "too_large"),
        ({**EVENT, "env": None}, "application/json", {}, 422, "invalid"),
        ({**EVENT, "colour": "red"}, "application/json", {}, 422, "invalid"),
        ({**EVENT, "occurred_at": "2026-11-24T00:00:00Z"}, "application/json", {}, 422, "invalid"),
        ({**EVENT, "event_type": "clock_tick"}, "application/json", {}, 422, "invalid"),
        ({**EVENT, "service": "cart"}, "application/json", {}, 403, "wrong_scope"),
        (EVENT, "application/json", {"Authorization": "Bearer bad"}, 401, "wrong_secret"),
        (EVENT, "application/json", {"Authorization": "Bearer later"}, 503, "unavailable"),
    ],
)
async def test_refuses_with_a_reason_and_keeps_nothing(
    tmp_path: Path, body: Any, kind: str, headers: dict[str, str], status: int, reason: str
) -> None:
    async with Sidecar(tmp_path, LimitSettings(events=3, body=4000)) as sidecar:
        body = b"[" * 3000 if body == b"[" * 100_000 else body
        credentials = {"Authorization": "Bearer good", **headers}
        got, answer = await sidecar.post("/v1/events", body, kind, **credentials)

        assert got == status
        assert answer["reason"] == reason
        assert status != 401 or answer["error"] == "not authorized"
        assert sidecar.rejected("events", reason) == 1
        assert sidecar.spool.entries() == []


async def test_one_bad_event_refuses_all_and_is_named(tmp_path: Path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        status, answer = await sidecar.events([EVENT, {**EVENT, "commit_sha": "secret-looking"}])

        assert status == 422
        assert answer["path"] == "commit_sha"
        assert "event 2 of 2" in answer["error"]
        assert "secret-looking" not in json.dumps(answer)
        assert sidecar.spool.entries() == []


async def test_a_body_without_a_length_is_counted_while_it_is_read(tmp_path: Path) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 1000

    async with Sidecar(tmp_path, LimitSettings(body=10_000)) as sidecar:
        headers = {"Authorization": "Bearer good", "Content-Type": "application/json"}
        async with sidecar.client.post("/v1/events", data=endless(), headers=headers) as answer:
            assert answer.status == 413
            assert (await answer.json())["reason"] == "too_large"


async def test_a_body_that_does_not_arrive_in_time_is_given_up(tmp_path: Path) -> None:
    async def never() -> Any:
        yield b"{"
        await asyncio.Event().wait()

    async with Sidecar(tmp_path, LimitSettings(body_timeout=0.05)) as sidecar:
        headers = {"Authorization": "Bearer good", "Content-Type": "application/json"}
        async with sidecar.client.post("/v1/events", data=never(), headers=headers) as answer:
            assert answer.status == 408
            assert (await answer.json())["reason"] == "slow_body"


async def test_a_caller_who_sends_too_much_is_told_to_wait(tmp_path: Path) -> None:
    async with Sidecar(tmp_path, LimitSettings(rate=0.001, burst=1)) as sidecar:
        assert (await sidecar.events(EVENT))[0] == 202
        headers = {"Authorization": "Bearer good"}
        async with sidecar.client.post("/v1/events", json=EVENT, headers=headers) as answer:
            assert answer.status == 429
            assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    "limits", [LimitSettings(in_flight=1), LimitSettings(buffered=1000, body=2000)], ids=["requests", "bytes"]
)
async def test_more_at_a_time_than_there_is_room_for_come_back_later(tmp_path: Path, limits: LimitSettings) -> None:
    arrived = asyncio.Event()

    async def slow() -> Any:
        yield b"["
        yield b" " * 900
        await arrived.wait()
        yield b"]"

    async with Sidecar(tmp_path, limits) as sidecar:
        headers = {"Authorization": "Bearer good", "Content-Type": "application/json"}
        first = asyncio.create_task(sidecar.post_stream(slow(), headers))
        await anext(_until(lambda: sidecar.receiver.requests.used > 0 and sidecar.receiver.buffered.used > 900))
        async with sidecar.client.post("/v1/events", data=b" " * 200, headers=headers) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "1"
            assert (await answer.json())["reason"] == "busy"
        arrived.set()
        assert await first == 202
        assert sidecar.receiver.requests.used == sidecar.receiver.buffered.used == 0


async def _until(holds: Callable[[], bool]) -> AsyncIterator[None]:
    for _ in range(10_000):
        if holds():
            yield
        await asyncio.sleep(0)


async def test_a_full_spool_sends_callers_away_and_keeps_what_it_has(tmp_path: Path) -> None:
    async with Sidecar(tmp_path, spool=SpoolLimits(max_files=1)) as sidecar:
        assert (await sidecar.events(EVENT))[0] == 202
        headers = {"Authorization": "Bearer good"}
        async with sidecar.client.post("/v1/events", json=OTHER, headers=headers) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "30"
        async with sidecar.client.get("/readyz") as answer:
            assert answer.status == 503
        async with sidecar.client.get("/healthz") as answer:
            assert answer.status == 200
        assert len(sidecar.spool.entries()) == 1


async def test_a_disk_that_does_not_take_it_is_no_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    async with Sidecar(tmp_path) as sidecar:
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", full)
            status, answer = await sidecar.events(EVENT)
            async with sidecar.client.get("/readyz") as ready:
                assert ready.status == 503

        assert (status, answer["reason"]) == (503, "spool_unusable")
        assert str(tmp_path) not in json.dumps(answer)
        async with sidecar.client.get("/readyz") as ready:
            assert ready.status == 200


async def test_a_session_is_given_for_a_token(tmp_path: Path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        status, answer = await sidecar.post("/v1/token", b"", "application/json", Authorization="Bearer good")
        assert (status, answer) == (200, {"token": "session", "expires_at": "2026-11-23T12:00:00+00:00"})
        status, answer = await sidecar.post("/v1/token", b"", "application/json", Authorization="Bearer bad")
        assert (status, answer) == (401, {"error": "not authorized", "reason": "wrong_secret"})


async def test_a_sender_of_cloudevents_may_ask_first(tmp_path: Path) -> None:
    async with Sidecar(tmp_path, LimitSettings(rate=2.0)) as sidecar:
        headers = {"WebHook-Request-Origin": "events.example"}
        async with sidecar.client.options("/v1/events", headers=headers) as answer:
            assert answer.status == 200
            assert answer.headers["WebHook-Allowed-Origin"] == "*"
            assert answer.headers["WebHook-Allowed-Rate"] == "120"


async def test_while_stopping_nothing_more_is_taken(tmp_path: Path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        sidecar.receiver.stopping = True
        status, answer = await sidecar.events(EVENT)
        assert (status, answer["reason"]) == (503, "stopping")
        async with sidecar.client.get("/readyz") as ready:
            assert ready.status == 503


async def test_a_fault_of_ours_says_nothing_of_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sidecar(tmp_path) as sidecar:
        monkeypatch.setattr("producers.sidecar.http_app.items_of", lambda *_: 1 / 0)
        status, answer = await sidecar.events(EVENT)

        assert (status, answer) == (500, {"error": "a fault of the sidecar; its log says more"})
        assert sidecar.rejected("events", "internal") == 1
