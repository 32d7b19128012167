"""`POST /v1/webhooks/{source}`: from the raw bytes to the disk."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from producers.sidecar.settings import LimitSettings
from producers.spool.spool import SpoolLimits
from tests.support.fakes.sidecar import ALERTS, Sidecar


@pytest.mark.parametrize("name", ["alertmanager", "Alertmanager", "prometheus"])
async def test_an_authentic_delivery_is_on_the_disk_when_it_is_answered(tmp_path: Path, name: str) -> None:
    async with Sidecar(tmp_path) as sidecar:
        status, answer = await sidecar.webhook(name, ALERTS)

        assert (status, answer["dead_letters"], answer["ignored"]) == (202, 0, 0)
        [event] = sidecar.kept_events()
        assert (event["event_type"], event["service"], event["env"]) == ("incident_opened", "shop", "prod")
        assert event["event_id"] == answer["events"][0]


async def test_a_delivery_that_comes_twice_has_the_same_ids(tmp_path: Path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        assert await sidecar.webhook("alertmanager", ALERTS) == await sidecar.webhook("alertmanager", ALERTS)


@pytest.mark.parametrize("body", [{"alerts": [{"status": "firing"}]}, b"no json", b"[" * 5000, b"\xff"])
async def test_what_cannot_be_mapped_is_promised_too_and_becomes_a_dead_letter(tmp_path: Path, body: Any) -> None:
    async with Sidecar(tmp_path) as sidecar:
        status, answer = await sidecar.webhook("alertmanager", body)

        assert (status, answer["events"], answer["dead_letters"]) == (202, [], 1)
        [letter] = sidecar.kept_letters()
        assert letter["reason"] == "unmappable"
        assert letter["topic"] == "webhooks/alertmanager"
        assert letter["problem"]
        assert letter["value"] == (body if isinstance(body, bytes) else json.dumps(body).encode())
        assert "x-secret" not in letter["headers"]
        assert letter["headers"]["content-type"] == b"application/json"


async def test_the_rest_of_a_delivery_of_which_a_part_is_bad_is_kept(tmp_path: Path) -> None:
    bad = {**ALERTS["alerts"][0], "labels": {"alertname": "NoService"}}
    async with Sidecar(tmp_path) as sidecar:
        _, answer = await sidecar.webhook("alertmanager", {**ALERTS, "alerts": [*ALERTS["alerts"], bad]})

        assert (len(answer["events"]), answer["dead_letters"]) == (1, 1)


async def test_a_large_letter_holds_the_beginning(tmp_path: Path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.webhook("alertmanager", b"x" * 1_000_000)

        [letter] = sidecar.kept_letters()
        assert len(letter["value"] or b"") == 900_000
        assert "1000000 bytes" in letter["problem"]


async def test_github_may_send_a_form_and_a_ping_stands_for_nothing(tmp_path: Path) -> None:
    body = urlencode({"payload": json.dumps({"zen": "Keep it logically awesome.", "hook_id": 1})}).encode()
    headers = {"X-Secret": "good", "X-GitHub-Event": "ping"}
    async with Sidecar(tmp_path) as sidecar:
        kind = "application/x-www-form-urlencoded"
        status, answer = await sidecar.post("/v1/webhooks/github", body, kind, **headers)

        assert (status, answer) == (202, {"events": [], "dead_letters": 0, "ignored": 1})
        assert sidecar.spool.entries() == []


async def test_an_unknown_source_and_a_bad_signature_look_the_same(tmp_path: Path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        unknown = await sidecar.post("/v1/webhooks/nobody", ALERTS, "application/json")
        forged = await sidecar.post("/v1/webhooks/alertmanager", ALERTS, "application/json")

        assert unknown == forged == (401, {"error": "not authorized"})
        assert sidecar.rejected("unknown", "unknown_source") == 1
        assert sidecar.rejected("alertmanager", "bad_signature") == 1
        assert sidecar.spool.entries() == []


@pytest.mark.parametrize(("source", "status"), [("alertmanager", 413), ("github", 202)])
async def test_github_may_send_more_than_others(tmp_path: Path, source: str, status: int) -> None:
    async with Sidecar(tmp_path, LimitSettings(body=1000, github_body=100_000)) as sidecar:
        got, _ = await sidecar.webhook(source, b'{"zen": "%s"}' % (b"x" * 2000))
        assert got == status


@pytest.mark.parametrize(
    ("limits", "spool", "reason", "after"),
    [
        (LimitSettings(rate=0.001, burst=1), None, "source_rate", "1"),
        (LimitSettings(), SpoolLimits(max_files=1), "spool_full", "30"),
    ],
    ids=["rate", "full"],
)
async def test_overload_is_503_never_429(
    tmp_path: Path, limits: LimitSettings, spool: SpoolLimits | None, reason: str, after: str
) -> None:
    async with Sidecar(tmp_path, limits, spool) as sidecar:
        assert (await sidecar.webhook("alertmanager", ALERTS))[0] == 202
        headers = {"X-Secret": "good"}
        async with sidecar.client.post("/v1/webhooks/alertmanager", json=ALERTS, headers=headers) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == after
            assert (await answer.json())["reason"] == reason
        assert len(sidecar.spool.entries()) == 1


async def test_an_answer_does_not_say_what_runs_here(tmp_path: Path) -> None:
    async with Sidecar(tmp_path) as sidecar, sidecar.client.get("/healthz") as answer:
        assert answer.headers["Server"] == "candora"
