import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from producers.errors import UsageError
from producers.sidecar.auth.access import AccessRefused
from producers.sidecar.auth.gate import AuthGate, open_gate
from tests.support.forges import GITHUB_CLAIMS, Forge
from tests.unit.producers.sidecar.auth.asking import exchange, settings

MINUTE = timedelta(minutes=1)


def test_a_ci_systems_own_token_reports_nothing(gate: AuthGate, forge: Forge) -> None:
    headers = {"authorization": f"Bearer {forge.token(GITHUB_CLAIMS)}"}
    with pytest.raises(AccessRefused, match="/v1/token"):
        asyncio.run(gate.caller(headers, None, datetime.now(UTC)))


def test_a_session_ends(gate: AuthGate, forge: Forge) -> None:
    headers = {"authorization": f"Bearer {forge.token(GITHUB_CLAIMS)}"}
    now = datetime.now(UTC)
    made = asyncio.run(gate.exchange(headers, now - timedelta(minutes=14)))
    assert made.expires_at == now + MINUTE
    assert asyncio.run(gate.caller({"authorization": f"Bearer {made.token}"}, None, now)).name
    headers = {"authorization": f"Bearer {forge.token(GITHUB_CLAIMS)}"}
    late = asyncio.run(gate.exchange(headers, now - timedelta(minutes=16)))
    assert _refused_session(gate, late.token) == "expired"


def _refused_session(gate: AuthGate, token: str) -> str:
    with pytest.raises(AccessRefused) as caught:
        asyncio.run(gate.caller({"authorization": f"Bearer {token}"}, None, datetime.now(UTC)))
    return str(caught.value.reason)


def test_sessions_are_of_one_key_and_follow_the_settings(forge: Forge) -> None:
    environ = {"KEY": "k" * 32, "SHORT": "k" * 31}
    shared = settings(session_key={"env": "KEY"})
    token = exchange(open_gate(shared, environ, fetch=forge.fetch), forge.token(GITHUB_CLAIMS))
    other_replica = open_gate(shared, environ, fetch=forge.fetch)
    assert asyncio.run(other_replica.caller({"authorization": f"Bearer {token}"}, None, datetime.now(UTC))).name
    assert _refused_session(open_gate(settings(), {}, fetch=forge.fetch), token) == "bad_signature"
    assert _refused_session(other_replica, token[:-4]) in {"bad_signature", "malformed"}
    assert _refused_session(other_replica, "candora_session_x") == "malformed"
    revoked = settings(session_key={"env": "KEY"}, github=[])
    assert _refused_session(open_gate(revoked, environ, fetch=forge.fetch), token) == "wrong_issuer"
    with pytest.raises(UsageError, match="shorter than 32"):
        open_gate(settings(session_key={"env": "SHORT"}), environ)
