"""What the gate refuses, the sidecar answers without a word too many, counts by reason, and logs without a secret."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from producers.sidecar.auth.gate import AuthGate, open_gate
from producers.sidecar.auth.settings import AuthSettings
from producers.sidecar.auth.tokens import new_token, token_hash
from tests.support.fakes.sidecar import ALERTS, NOW, Sidecar
from tests.support.forges import GITHUB_CLAIMS, OIDC, Forge
from tests.support.senders import KEY, SENDERS, Headers, standard

SECRET = "hunter2-planted-secret-value"
TOKEN, EXPIRED = new_token(), new_token()
BODY = b"{}"
EVENT: dict[str, Any] = {"event_type": "commit_created", "service": "shop", "occurred_at": NOW.isoformat()}


def signed(name: str, secret: str = SECRET, body: bytes = BODY, age: int = 0) -> Headers:
    return SENDERS[name].send(secret, body, NOW - timedelta(seconds=age))


class Case(NamedTuple):
    path: str
    headers: Mapping[str, str]
    reason: str
    status: int = 401
    body: Any = BODY


CASES = {
    "a forged signature of PagerDuty": Case("webhooks/pagerduty", signed("pagerduty", "x"), "bad_signature"),
    "a forged signature of GitHub": Case("webhooks/github", signed("github", "x"), "bad_signature"),
    "a forged signature of Grafana": Case("webhooks/grafana", signed("grafana, timed", "x"), "bad_signature"),
    "an old copy of Grafana's": Case("webhooks/grafana", signed("grafana, timed", age=400), "stale"),
    "one of Grafana's from tomorrow": Case("webhooks/grafana", signed("grafana, timed", age=-400), "future"),
    "a copy of incident.io's with another body": Case(
        "webhooks/incident.io", standard(KEY, b'{"a":1}', NOW), "replayed", body=b'{"a":1}'
    ),
    "Alertmanager with another token": Case("webhooks/alertmanager", signed("alertmanager", "x"), "wrong_secret"),
    "Alertmanager with none": Case("webhooks/alertmanager", {}, "no_credentials", body=ALERTS),
    "a source without a secret here": Case("webhooks/flagger", signed("flagger"), "not_configured"),
    "nobody": Case("events", {}, "no_credentials", body=EVENT),
    "an unknown token": Case("events", {"Authorization": f"Bearer {SECRET}"}, "wrong_secret", body=EVENT),
    "an expired token": Case("events", {"Authorization": f"Bearer {EXPIRED}"}, "expired", body=EVENT),
    "another service": Case(
        "events", {"Authorization": f"Bearer {TOKEN}"}, "wrong_scope", 403, {**EVENT, "service": "cart"}
    ),
    "no token to exchange": Case("token", {}, "no_credentials"),
    "rubbish to exchange": Case("token", {"Authorization": f"Bearer {SECRET}"}, "malformed"),
}


@pytest.fixture
def forge() -> Forge:
    return Forge()


@pytest.fixture
def gate(forge: Forge) -> AuthGate:
    secrets = {"secrets": [{"env": "S"}]}
    token = {"name": "ci", "services": ["shop"], "sha256": token_hash(TOKEN)}
    expired = {"name": "old", "services": ["shop"], "sha256": token_hash(EXPIRED), "expires": NOW.isoformat()}
    settings = {
        "oidc": OIDC,
        "tokens": [token, expired],
        "webhooks": {
            "pagerduty": secrets,
            "github": secrets,
            "grafana": {**SENDERS["grafana, timed"].settings, **secrets},
            "alertmanager": {"scheme": "bearer", **secrets},
            "incident_io": {"secrets": [{"env": "KEY"}]},
        },
    }
    return open_gate(AuthSettings.model_validate(settings), {"S": SECRET, "KEY": KEY}, fetch=forge.fetch)


def counted(sidecar: Sidecar, source: str, reason: str) -> float | None:
    labels = {"source": source, "reason": reason}
    return sidecar.metrics.registry.get_sample_value("delivery_sidecar_rejected_total", labels)


def label(path: str) -> str:
    return path.removeprefix("webhooks/").replace(".", "_")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_refusal_is_counted_and_says_no_more_than_it_may(
    case: Case, gate: AuthGate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Sidecar(tmp_path / "spool", access=gate) as sidecar:
        await sidecar.post("/v1/webhooks/incident.io", BODY, "application/json", **standard(KEY, BODY, NOW))
        before = len(sidecar.kept())
        status, answer = await sidecar.post(f"/v1/{case.path}", case.body, "application/json", **case.headers)
        assert (status, counted(sidecar, label(case.path), case.reason)) == (case.status, 1.0)
        told = {} if case.path.startswith("webhooks/") else {"reason": case.reason}
        assert case.status == 403 or answer == {"error": "not authorized", **told}
        assert len(sidecar.kept()) == before
        written = caplog.text + sidecar.metrics.text().decode() + str(answer)
    assert case.reason in caplog.text
    for secret in (SECRET, TOKEN, EXPIRED, KEY, *(value for value in case.headers.values() if len(value) > 20)):
        assert secret not in written


async def test_what_a_token_contradicts_is_counted(gate: AuthGate, forge: Forge, tmp_path: Path) -> None:
    async with Sidecar(tmp_path / "spool", access=gate) as sidecar:
        sidecar.receiver.now = lambda: datetime.now(UTC)  # tokens are of now, as their library has it

        async def post(path: str, token: str, **fields: Any) -> tuple[int, Any]:
            body = {**EVENT, "occurred_at": datetime.now(UTC).isoformat(), **fields}
            status, answer = await sidecar.post(path, body, "application/json", Authorization=f"Bearer {token}")
            return status, answer.get("reason", answer.get("token"))

        token = forge.token(GITHUB_CLAIMS)
        assert await post("/v1/events", token) == (401, "not_exchanged")
        status, session = await post("/v1/token", token)
        assert status == 200
        assert await post("/v1/token", token) == (401, "replayed")
        assert await post("/v1/events", session, commit_sha="f" * 40) == (403, "claim_mismatch")
        job = {"event_type": "rollback_triggered", "env": "prod", "rollback": {"trigger": "manual"}}
        assert await post("/v1/events", session, **job, source={"run_id": "1"}) == (403, "claim_mismatch")
        assert (await post("/v1/events", session))[0] == 202
        (event,) = sidecar.kept_events()
        assert event["commit_sha"] == GITHUB_CLAIMS["sha"]
        assert counted(sidecar, "events", "not_exchanged") == counted(sidecar, "token", "replayed") == 1.0
        assert counted(sidecar, "events", "claim_mismatch") == 2.0
