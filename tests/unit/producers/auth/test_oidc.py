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

from producers.errors import UsageError
from producers.receiver.access import Caller, Refused
from producers.receiver.auth.gate import Gate, open_gate
from producers.receiver.auth.settings import Auth
from schemas.errors import InvalidEvent
from tests.support.forges import AUDIENCE, GITHUB, GITHUB_CLAIMS, GITLAB_CLAIMS, OIDC, PULL_REQUEST, SHA, Forge

OTHER_SHA = "f" * 40


@pytest.fixture(scope="module")
def key_owner() -> Forge:
    return Forge()


@pytest.fixture
def forge(key_owner: Forge) -> Forge:
    """Keys cost time: one pair serves all tests, each with an issuer of its own."""
    return Forge(key=key_owner.key)


@pytest.fixture
def gate(forge: Forge) -> Gate:
    return open_gate(_auth(), {}, fetch=forge.fetch)


def _auth(**changes: Any) -> Auth:
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


# --- the token ------------------------------------------------------------------------------------------------------


def test_a_good_token_gives_a_session_that_may_be_used_often(gate: Gate, forge: Forge) -> None:
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
    gate: Gate, forge: Forge, changes: dict[str, Any], reason: str, status: int
) -> None:
    assert refusal(gate, forge.token(GITHUB_CLAIMS, **changes)) == (reason, status)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": datetime.now(UTC) - timedelta(seconds=5)},  # clocks differ by less than 30 s
        {"repository": "acme/SHOP", "job_workflow_ref": "acme/SHOP/.github/workflows/deploy.yml@refs/heads/main"},
        {"ref": "", "job_workflow_ref": f"acme/shop/.github/workflows/deploy.yml@{SHA}"},  # of a deployment
        {"job_workflow_ref": "acme/ci/.github/workflows/release.yml@refs/tags/v2"},
        {"a_claim_of_next_year": "whatever"},
    ],
)
def test_what_differs_without_a_meaning_is_let_in(gate: Gate, forge: Forge, changes: dict[str, Any]) -> None:
    assert exchange(gate, forge.token(GITHUB_CLAIMS, **changes)).startswith("candora_session_")


def test_only_rs256_is_taken(gate: Gate, forge: Forge) -> None:
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


def test_a_changed_or_foreign_token_is_refused(gate: Gate, forge: Forge) -> None:
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
    gate, token = open_gate(_auth(), {}, fetch=key_owner.fetch), key_owner.token(GITHUB_CLAIMS)
    at = data.draw(st.integers(0, len(token) - 2))  # the last one's lowest bits say nothing
    new = data.draw(st.text("abcXYZ019-_.=", max_size=2).filter(lambda text: text != token[at]))
    assert refusal(gate, token[:at] + new + token[at + 1 :])[1] == 401


def test_a_token_is_good_for_one_exchange(gate: Gate, forge: Forge) -> None:
    token = forge.token(GITHUB_CLAIMS)
    exchange(gate, token)
    assert refusal(gate, token) == ("replayed", 401)
    assert exchange(gate, forge.token(GITHUB_CLAIMS))


def test_used_tokens_are_remembered_over_a_restart_until_they_are_of_no_use(forge: Forge, tmp_path: Path) -> None:
    token = forge.token(GITHUB_CLAIMS)
    exchange(open_gate(_auth(), {}, state=tmp_path / "used", fetch=forge.fetch), token)
    again = open_gate(_auth(), {}, state=tmp_path / "used", fetch=forge.fetch)
    assert refusal(again, token) == ("replayed", 401)
    (mark,) = (tmp_path / "used").iterdir()
    os.utime(mark, (0, 0))
    exchange(open_gate(_auth(), {}, state=tmp_path / "used", fetch=forge.fetch), forge.token(GITHUB_CLAIMS))
    assert not mark.exists()


def test_nothing_is_let_in_while_used_tokens_cannot_be_remembered(forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    gate = open_gate(_auth(), {}, state=tmp_path / "file", fetch=forge.fetch)
    assert refusal(gate, forge.token(GITHUB_CLAIMS)) == ("unavailable", 503)


# --- the session ----------------------------------------------------------------------------------------------------


def test_a_ci_systems_own_token_reports_nothing(gate: Gate, forge: Forge) -> None:
    headers = {"authorization": f"Bearer {forge.token(GITHUB_CLAIMS)}"}
    with pytest.raises(Refused, match="/v1/token"):
        asyncio.run(gate.caller(headers, None, datetime.now(UTC)))


def test_a_session_ends(gate: Gate, forge: Forge) -> None:
    headers = {"authorization": f"Bearer {forge.token(GITHUB_CLAIMS)}"}
    now = datetime.now(UTC)
    made = asyncio.run(gate.exchange(headers, now - timedelta(minutes=14)))
    assert made.expires_at == now + MINUTE
    assert asyncio.run(gate.caller({"authorization": f"Bearer {made.token}"}, None, now)).name
    headers = {"authorization": f"Bearer {forge.token(GITHUB_CLAIMS)}"}
    late = asyncio.run(gate.exchange(headers, now - timedelta(minutes=16)))
    assert _refused_session(gate, late.token) == "expired"


def _refused_session(gate: Gate, token: str) -> str:
    with pytest.raises(Refused) as caught:
        asyncio.run(gate.caller({"authorization": f"Bearer {token}"}, None, datetime.now(UTC)))
    return str(caught.value.reason)


def test_sessions_are_of_one_key_and_follow_the_settings(forge: Forge) -> None:
    environ = {"KEY": "k" * 32, "SHORT": "k" * 31}
    shared = _auth(session_key={"env": "KEY"})
    token = exchange(open_gate(shared, environ, fetch=forge.fetch), forge.token(GITHUB_CLAIMS))
    other_replica = open_gate(shared, environ, fetch=forge.fetch)
    assert asyncio.run(other_replica.caller({"authorization": f"Bearer {token}"}, None, datetime.now(UTC))).name
    assert _refused_session(open_gate(_auth(), {}, fetch=forge.fetch), token) == "bad_signature"
    assert _refused_session(other_replica, token[:-4]) in {"bad_signature", "malformed"}
    assert _refused_session(other_replica, "candora_session_x") == "malformed"
    revoked = _auth(session_key={"env": "KEY"}, github=[])
    assert _refused_session(open_gate(revoked, environ, fetch=forge.fetch), token) == "wrong_issuer"
    with pytest.raises(UsageError, match="shorter than 32"):
        open_gate(_auth(session_key={"env": "SHORT"}), environ)


# --- what is bound --------------------------------------------------------------------------------------------------


def test_what_is_proven_is_written_over_the_event(gate: Gate, forge: Forge) -> None:
    said = event(source={"system": "cdevents"}, attributes={"team": "checkout"})
    bound = session(gate, forge.token(GITHUB_CLAIMS)).bind(said)
    assert bound == {
        **said,
        "env": "prod",
        "commit_sha": SHA,
        "source": {
            "system": "github",
            "run_id": "9001",
            "attempt": 2,
            "actor": "alice",
            "url": "https://github.com/acme/shop/actions/runs/9001/attempts/2",
        },
        "attributes": {"team": "checkout", "repository": "acme/shop", "ref": "refs/heads/main"},
    }
    assert said == event(source={"system": "cdevents"}, attributes={"team": "checkout"})


def test_a_pushed_commit_is_on_the_branch_of_the_run(gate: Gate, forge: Forge) -> None:
    bound = bind(gate, forge.token(GITHUB_CLAIMS), kind="commit_created", commit={"author": "carol"})
    assert (bound["commit_sha"], bound["commit"]) == (SHA, {"author": "carol", "branch": "main"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("commit_sha", OTHER_SHA),
        ("env", "staging"),
        ("change_id", "acme/cart#412"),
        ("change_id", "cart!412"),
        ("source", {"run_id": "9002"}),
        ("source", {"attempt": 1}),
        ("source", {"actor": "mallory"}),
        ("source", {"url": "https://github.com/acme/shop-api/actions/runs/9001"}),
        ("attributes", {"repository": "acme/cart"}),
        ("attributes", {"ref": "refs/heads/other"}),
    ],
)
def test_an_event_that_contradicts_the_token_is_refused(gate: Gate, forge: Forge, field: str, value: object) -> None:
    with pytest.raises(Refused, match=field) as caught:
        bind(gate, forge.token(GITHUB_CLAIMS), **{field: value})
    assert (caught.value.reason, caught.value.status) == ("claim_mismatch", 403)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"service": "cart"}, "wrong_scope"),
        ({"service": None}, "wrong_scope"),
        ({"service": ["shop"]}, "wrong_scope"),
        ({"kind": "clock_tick"}, "wrong_scope"),
        ({"kind": "incident_opened", "env": "dev"}, "wrong_scope"),
    ],
)
def test_a_repository_reports_within_its_scope(gate: Gate, forge: Forge, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as caught:
        bind(gate, forge.token(GITHUB_CLAIMS), **fields)
    assert caught.value.reason == reason


def test_what_is_not_of_the_contract_is_the_events_fault(gate: Gate, forge: Forge) -> None:
    with pytest.raises(InvalidEvent, match="source: is not an object"):
        bind(gate, forge.token(GITHUB_CLAIMS), source="github")


@pytest.mark.parametrize("kind", ["canary_started", "canary_promoted", "rollback_triggered"])
def test_a_rollout_needs_a_job_with_an_environment(gate: Gate, forge: Forge, kind: str) -> None:
    with pytest.raises(Refused) as caught:
        bind(gate, forge.token(GITHUB_CLAIMS, environment=None), kind=kind, env="prod")
    assert (caught.value.reason, caught.value.status) == ("no_environment", 403)
    assert bind(gate, forge.token(GITHUB_CLAIMS, environment="staging"), kind=kind)["env"] == "staging"


def test_a_rollback_and_an_incident_name_the_commit_at_fault(gate: Gate, forge: Forge) -> None:
    for kind in ("rollback_triggered", "incident_opened"):
        bound = bind(gate, forge.token(GITHUB_CLAIMS), kind=kind, env="prod", commit_sha=OTHER_SHA)
        assert bound["commit_sha"] == OTHER_SHA
        assert "commit_sha" not in bind(gate, forge.token(GITHUB_CLAIMS), kind=kind, env="prod")


def test_a_pull_request_reports_its_own_commits_and_nothing_else(gate: Gate, forge: Forge) -> None:
    def bound(kind: str, **fields: Any) -> dict[str, Any]:
        return bind(gate, forge.token(GITHUB_CLAIMS, **PULL_REQUEST), kind=kind, **fields)

    commit = bound("commit_created", commit_sha=OTHER_SHA, change_id="shop#412")
    assert (commit["commit_sha"], commit["commit"]) == (OTHER_SHA, {"branch": "cheaper-carts"})
    assert "commit_sha" not in bound("commit_created")  # never the throw-away merge
    for refused in (
        {"kind": "commit_created", "change_id": "shop#413"},
        {"kind": "tests_passed", "commit_sha": OTHER_SHA},
    ):
        with pytest.raises(Refused) as caught:
            bound(**refused)
        assert caught.value.reason == "claim_mismatch"
    with pytest.raises(Refused) as caught:
        bound("canary_promoted", env="prod")
    assert caught.value.reason == "no_environment"


def test_a_pipeline_that_deploys_other_commits_says_which(forge: Forge) -> None:
    repository = {**OIDC["github"][0]["repositories"][0], "commit": "event"}
    gate = open_gate(_auth(github=[{"repositories": [repository]}]), {}, fetch=forge.fetch)
    assert bind(gate, forge.token(GITHUB_CLAIMS), commit_sha=OTHER_SHA)["commit_sha"] == OTHER_SHA


# --- GitLab ---------------------------------------------------------------------------------------------------------


def test_a_gitlab_pipeline_is_bound_too(gate: Gate, forge: Forge) -> None:
    bound = bind(gate, forge.token(GITLAB_CLAIMS), service="cart", env="production", source={"attempt": 3})
    assert bound == event(
        service="cart",
        env="prod",
        commit_sha=SHA,
        source={
            "system": "gitlab",
            "run_id": "455",
            "attempt": 3,
            "actor": "bob",
            "url": "https://gitlab.acme.example/acme/web/cart/-/pipelines/455",
        },
        attributes={"repository": "acme/web/cart", "ref": "refs/heads/main"},
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"project_path": "mallory/web/cart"}, "wrong_repository"),
        ({"project_id": "29"}, "wrong_repository"),
        ({"ci_config_ref_uri": "gitlab.acme.example/acme/web/cart//other.yml@refs/heads/main"}, "wrong_workflow"),
        ({"ci_config_ref_uri": "gitlab.com/acme/web/cart//.gitlab-ci.yml@refs/heads/main"}, "wrong_workflow"),
        ({"ci_config_ref_uri": None}, "missing_claim"),
        ({"user_login": None}, "missing_claim"),
    ],
)
def test_a_gitlab_token_must_be_right_in_every_claim(
    gate: Gate, forge: Forge, changes: dict[str, Any], reason: str
) -> None:
    assert refusal(gate, forge.token(GITLAB_CLAIMS, **changes))[0] == reason


def test_a_gitlab_rollout_needs_a_protected_branch(gate: Gate, forge: Forge) -> None:
    with pytest.raises(Refused, match="protected") as caught:
        bind(gate, forge.token(GITLAB_CLAIMS, ref_protected="false"), service="cart")
    assert caught.value.reason == "wrong_trigger"


def test_a_gitlab_merge_request_reports_its_own_commits(gate: Gate, forge: Forge) -> None:
    path = "refs/merge-requests/7/merge"
    config = f"gitlab.acme.example/acme/web/cart//.gitlab-ci.yml@{path}"
    changes: dict[str, Any] = {"pipeline_source": "merge_request_event", "ref_path": path, "ci_config_ref_uri": config}
    token = forge.token(GITLAB_CLAIMS, **changes, environment=None)
    own = session(gate, token)
    said = event("commit_created", service="cart", commit_sha=OTHER_SHA, change_id="acme/web/cart!7")
    assert own.bind(said)["commit_sha"] == OTHER_SHA
    with pytest.raises(Refused, match="change_id"):
        own.bind({**said, "change_id": "cart!8"})


# --- the keys -------------------------------------------------------------------------------------------------------


class TestKeys:
    START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def asking(self, gate: Gate, token: str, after: float) -> str:
        """What becomes of a token, so many seconds after the start."""
        headers = {"authorization": f"Bearer {token}"}
        try:
            asyncio.run(gate.exchange(headers, self.START + timedelta(seconds=after)))
        except Refused as refusal:
            return str(refusal.reason)
        return "let in"

    def test_an_unknown_key_is_asked_for_once_a_minute_at_most(self, gate: Gate, forge: Forge) -> None:
        invented = forge.token(GITHUB_CLAIMS, headers={"kid": "invented"})
        assert [self.asking(gate, invented, after) for after in (0, 1, 59)] == ["unknown_key"] * 3
        assert len(forge.asked) == 1
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 59) == "let in"
        assert self.asking(gate, invented, 60) == "unknown_key"
        assert len(forge.asked) == 2

    def test_a_new_key_is_found(self, gate: Gate, forge: Forge) -> None:
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 0) == "let in"
        forge.key_id = "key-2"
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 61) == "let in"

    def test_a_key_that_was_taken_back_is_forgotten_within_the_hour(self, gate: Gate, forge: Forge) -> None:
        old = [forge.token(GITHUB_CLAIMS) for _ in range(2)]
        assert self.asking(gate, old[0], 0) == "let in"
        forge.key_id = "key-2"
        assert self.asking(gate, old[1], 3600) == "unknown_key"

    def test_known_keys_stay_while_the_issuer_is_away(self, gate: Gate, forge: Forge) -> None:
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 0) == "let in"
        forge.away = True
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 7200) == "let in"
        assert self.asking(gate, forge.token(GITHUB_CLAIMS, headers={"kid": "key-2"}), 7300) == "unavailable"

    def test_without_any_key_it_is_not_the_callers_fault(self, gate: Gate, forge: Forge) -> None:
        forge.away = True
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 0) == "unavailable"
        forge.away = False
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 30) == "unavailable"
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 60) == "let in"

    @pytest.mark.parametrize("document", [b"", b"[]", b'{"keys": []}', b'{"keys": [{"kty": "RSA", "kid": "key-1"}]}'])
    def test_what_is_no_key_set_replaces_none(self, forge: Forge, document: bytes) -> None:
        answers = [forge.jwks(), document]

        async def fetch(url: str) -> bytes:
            return answers.pop(0)

        gate = open_gate(_auth(), {}, fetch=fetch)
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 0) == "let in"
        assert self.asking(gate, forge.token(GITHUB_CLAIMS, headers={"kid": "x"}), 100) == "unavailable"
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 101) == "let in"
