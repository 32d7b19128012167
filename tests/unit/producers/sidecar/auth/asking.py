"""What the tests of CI systems' tokens ask a gate."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from producers.sidecar.auth.access import AccessRefused, Caller
from producers.sidecar.auth.gate import AuthGate
from producers.sidecar.auth.settings import AuthSettings
from tests.support.forges import OIDC

OTHER_SHA = "f" * 40


def settings(**changes: Any) -> AuthSettings:
    """Settings that let both forges in."""
    return AuthSettings.model_validate({"oidc": {**OIDC, **changes}})


def exchange(gate: AuthGate, token: str) -> str:
    headers = {"authorization": f"Bearer {token}"}
    return asyncio.run(gate.exchange(headers, datetime.now(UTC))).token


def session(gate: AuthGate, token: str) -> Caller:
    headers = {"authorization": f"Bearer {exchange(gate, token)}"}
    return asyncio.run(gate.caller(headers, None, datetime.now(UTC)))


def refusal(gate: AuthGate, token: str) -> tuple[str, int]:
    with pytest.raises(AccessRefused) as caught:
        exchange(gate, token)
    assert token not in str(caught.value)
    return str(caught.value.reason), caught.value.status


def event(kind: str = "canary_promoted", **fields: Any) -> dict[str, Any]:
    return {"event_type": kind, "service": "shop-api", "occurred_at": "2026-11-23T09:00:00Z", **fields}


def bind(gate: AuthGate, token: str, **fields: Any) -> dict[str, Any]:
    return session(gate, token).bind(event(**fields))
