"""What the tests of CI systems' tokens ask a gate."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from producers.receiver.access import Caller, Refused
from producers.receiver.auth.gate import Gate
from producers.receiver.auth.settings import Auth
from tests.support.forges import OIDC

OTHER_SHA = "f" * 40


def settings(**changes: Any) -> Auth:
    """Settings that let both forges in."""
    return Auth.model_validate({"oidc": {**OIDC, **changes}})


def exchange(gate: Gate, token: str) -> str:
    headers = {"authorization": f"Bearer {token}"}
    return asyncio.run(gate.exchange(headers, datetime.now(UTC))).token


def session(gate: Gate, token: str) -> Caller:
    headers = {"authorization": f"Bearer {exchange(gate, token)}"}
    return asyncio.run(gate.caller(headers, None, datetime.now(UTC)))


def refusal(gate: Gate, token: str) -> tuple[str, int]:
    with pytest.raises(Refused) as caught:
        exchange(gate, token)
    assert token not in str(caught.value)
    return str(caught.value.reason), caught.value.status


def event(kind: str = "canary_promoted", **fields: Any) -> dict[str, Any]:
    return {"event_type": kind, "service": "shop-api", "occurred_at": "2026-11-23T09:00:00Z", **fields}


def bind(gate: Gate, token: str, **fields: Any) -> dict[str, Any]:
    return session(gate, token).bind(event(**fields))
