import asyncio
import base64
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from producers.sidecar.auth.gate import AuthGate, open_gate
from tests.support.forges import AUDIENCE, GITHUB, GITHUB_CLAIMS, SHA, Forge
from tests.unit.producers.sidecar.auth.asking import exchange, refusal, settings


def test_a_good_token_gives_a_session_that_may_be_used_often(gate: AuthGate, forge: Forge) -> None:
    token = exchange(gate, forge.token(GITHUB_CLAIMS))
    for _ in range(2):
        caller = asyncio.run(gate.caller({"authorization": f"bearer {token}"}, None, datetime.now(UTC)))
        assert caller.name == "github acme/shop"
    assert forge.asked == [f"{GITHUB}/.well-known/jwks"]


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("changes", "reason", "status"),
    [
        ({"iss": "https://token.actions.githubusercontent.com.evil.example"}, "wrong_issuer", 401),
        ({"iss": "https://gitlab.acme.example"}, "missing_claim", 401),
        ({"iss": None}, "wrong_issuer", 401),
        ({"aud": "pypi"}, "wrong_audience", 401),
        ({"aud": [AUDIENCE]}, "wrong_audience", 401),
        ({"aud": [AUDIENCE, "pypi"]}, "wrong_audience", 401),
        ({"aud": None}, "missing_claim", 401),
        ({"exp": datetime.now(UTC) - MINUTE}, "expired", 401),
        ({"exp": None}, "missing_claim", 401),
        ({"iat": None}, "missing_claim", 401),
        ({"iat": datetime.now(UTC) + 60 * MINUTE}, "future", 401),
        ({"nbf": datetime.now(UTC) + 60 * MINUTE}, "future", 401),
        ({"jti": None}, "missing_claim", 401),
        ({"sha": None}, "missing_claim", 401),
        ({"repository": True}, "missing_claim", 401),
        ({"repository": "acme/shop-api"}, "wrong_repository", 403),
        ({"repository": "mallory/shop"}, "wrong_repository", 403),
        ({"repository_owner_id": "666"}, "wrong_repository", 403),
        (
            {"job_workflow_ref": "acme/shop/.github/workflows/test.yml@refs/heads/main"},
            "wrong_workflow",
            403,
        ),
        (
            {"job_workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/heads/other"},
            "wrong_workflow",
            403,
        ),
        (
            {"job_workflow_ref": "mallory/shop/.github/workflows/deploy.yml@refs/heads/main"},
            "wrong_workflow",
            403,
        ),
        (
            {"job_workflow_ref": "acme/ci/.github/workflows/release.yml@refs/tags/v3"},
            "wrong_workflow",
            403,
        ),
        ({"event_name": "pull_request_target"}, "wrong_trigger", 403),
    ],
)
def test_a_token_that_is_not_right_in_every_claim_is_refused(
    gate: AuthGate, forge: Forge, changes: dict[str, Any], reason: str, status: int
) -> None:
    assert refusal(gate, forge.token(GITHUB_CLAIMS, **changes)) == (reason, status)


@pytest.mark.parametrize(
    "changes",
    [
        {"repository": "acme/SHOP", "job_workflow_ref": "acme/SHOP/.github/workflows/deploy.yml@refs/heads/main"},
        {"ref": "", "job_workflow_ref": f"acme/shop/.github/workflows/deploy.yml@{SHA}"},  # of a deployment
        {"job_workflow_ref": "acme/ci/.github/workflows/release.yml@refs/tags/v2"},
        {"a_claim_of_next_year": "whatever"},
    ],
)
def test_what_differs_without_a_meaning_is_let_in(gate: AuthGate, forge: Forge, changes: dict[str, Any]) -> None:
    assert exchange(gate, forge.token(GITHUB_CLAIMS, **changes)).startswith("candora_session_")


def test_clocks_may_differ_by_less_than_half_a_minute(gate: AuthGate, forge: Forge) -> None:
    """The time is that of the test: another one may have run for minutes since the tests were collected."""
    token = forge.token(GITHUB_CLAIMS, exp=datetime.now(UTC) - timedelta(seconds=5))
    assert exchange(gate, token).startswith("candora_session_")


def test_only_rs256_is_taken(gate: AuthGate, forge: Forge) -> None:
    """No token without a signature, and none whose "secret" is our idea of the public key."""
    good = forge.token(GITHUB_CLAIMS)
    payload = jwt.decode(good, options={"verify_signature": False})
    none = jwt.encode(payload, "", "none", headers={"kid": forge.key_id})
    assert refusal(gate, none) == ("wrong_algorithm", 401)

    pem = forge.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing_input = good.rsplit(".", 1)[0].replace(
        good.split(".", 1)[0], _segment({"alg": "HS256", "kid": forge.key_id})
    )
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signing_input.encode(), pem)
    confused = f"{signing_input}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    assert refusal(gate, confused) == ("wrong_algorithm", 401)
    # Signed by HS256, but said to be RS256: the key decides.
    lying = confused.replace(confused.split(".", 1)[0], _segment({"alg": "RS256", "kid": forge.key_id}))
    assert refusal(gate, lying) == ("bad_signature", 401)
    assert refusal(gate, forge.token(GITHUB_CLAIMS, headers={"alg": "RS512"})) == ("wrong_algorithm", 401)


def _segment(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_changed_or_foreign_token_is_refused(gate: AuthGate, forge: Forge) -> None:
    head, payload, signature = forge.token(GITHUB_CLAIMS).split(".")
    claims = {**jwt.decode(f"{head}.{payload}.{signature}", options={"verify_signature": False}), "actor": "mallory"}
    assert refusal(gate, f"{head}.{_segment(claims)}.{signature}") == ("bad_signature", 401)
    assert refusal(gate, f"{head}.{payload}.{signature[:-20]}")[0] in {"bad_signature", "malformed"}
    assert refusal(gate, f"{head}.{_segment({'iss': [GITHUB]})}.{signature}") == ("wrong_issuer", 401)
    assert refusal(gate, Forge().token(GITHUB_CLAIMS)) == ("bad_signature", 401)
    for broken in ("a.b.c", f"{head}.{payload}", "candora_x", f"{head}.{payload}.{signature}.x"):
        assert refusal(gate, broken) == ("malformed", 401)


@given(data=st.data())
def test_no_mutation_of_a_token_passes(key_owner: Forge, data: st.DataObject) -> None:
    gate, token = open_gate(settings(), {}, fetch=key_owner.fetch), key_owner.token(GITHUB_CLAIMS)
    at = data.draw(st.integers(0, len(token) - 2))  # the last one's lowest bits say nothing
    new = data.draw(st.text("abcXYZ019-_.=", max_size=2).filter(lambda text: text != token[at]))
    assert refusal(gate, token[:at] + new + token[at + 1 :])[1] == 401


def test_a_token_is_good_for_one_exchange(gate: AuthGate, forge: Forge) -> None:
    token = forge.token(GITHUB_CLAIMS)
    exchange(gate, token)
    assert refusal(gate, token) == ("replayed", 401)
    assert exchange(gate, forge.token(GITHUB_CLAIMS))


def test_used_tokens_are_remembered_over_a_restart_until_they_are_of_no_use(forge: Forge, tmp_path: Path) -> None:
    token = forge.token(GITHUB_CLAIMS)
    exchange(open_gate(settings(), {}, state=tmp_path / "used", fetch=forge.fetch), token)
    again = open_gate(settings(), {}, state=tmp_path / "used", fetch=forge.fetch)
    assert refusal(again, token) == ("replayed", 401)
    (mark,) = (tmp_path / "used").iterdir()
    os.utime(mark, (0, 0))
    exchange(open_gate(settings(), {}, state=tmp_path / "used", fetch=forge.fetch), forge.token(GITHUB_CLAIMS))
    assert not mark.exists()


def test_nothing_is_let_in_while_used_tokens_cannot_be_remembered(forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    gate = open_gate(settings(), {}, state=tmp_path / "file", fetch=forge.fetch)
    assert refusal(gate, forge.token(GITHUB_CLAIMS)) == ("unavailable", 503)
