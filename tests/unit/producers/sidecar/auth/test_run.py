from typing import Any

import pytest

from producers.sidecar.auth.access import AccessRefused
from producers.sidecar.auth.gate import AuthGate, open_gate
from schemas.errors import InvalidEvent
from tests.support.forges import GITHUB_CLAIMS, GITLAB_CLAIMS, OIDC, PULL_REQUEST, SHA, Forge
from tests.unit.producers.sidecar.auth.asking import OTHER_SHA, bind, event, refusal, session, settings


def test_what_is_proven_is_written_over_the_event(gate: AuthGate, forge: Forge) -> None:
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


def test_a_pushed_commit_is_on_the_branch_of_the_run(gate: AuthGate, forge: Forge) -> None:
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
def test_an_event_that_contradicts_the_token_is_refused(
    gate: AuthGate, forge: Forge, field: str, value: object
) -> None:
    with pytest.raises(AccessRefused, match=field) as caught:
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
def test_a_repository_reports_within_its_scope(
    gate: AuthGate, forge: Forge, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(AccessRefused) as caught:
        bind(gate, forge.token(GITHUB_CLAIMS), **fields)
    assert caught.value.reason == reason


def test_what_is_not_of_the_contract_is_the_events_fault(gate: AuthGate, forge: Forge) -> None:
    with pytest.raises(InvalidEvent, match="source: is not an object"):
        bind(gate, forge.token(GITHUB_CLAIMS), source="github")


@pytest.mark.parametrize("kind", ["canary_started", "canary_promoted", "rollback_triggered"])
def test_a_rollout_needs_a_job_with_an_environment(gate: AuthGate, forge: Forge, kind: str) -> None:
    with pytest.raises(AccessRefused) as caught:
        bind(gate, forge.token(GITHUB_CLAIMS, environment=None), kind=kind, env="prod")
    assert (caught.value.reason, caught.value.status) == ("no_environment", 403)
    assert bind(gate, forge.token(GITHUB_CLAIMS, environment="staging"), kind=kind)["env"] == "staging"


def test_a_rollback_and_an_incident_name_the_commit_at_fault(gate: AuthGate, forge: Forge) -> None:
    for kind in ("rollback_triggered", "incident_opened"):
        bound = bind(gate, forge.token(GITHUB_CLAIMS), kind=kind, env="prod", commit_sha=OTHER_SHA)
        assert bound["commit_sha"] == OTHER_SHA
        assert "commit_sha" not in bind(gate, forge.token(GITHUB_CLAIMS), kind=kind, env="prod")


def test_a_pull_request_reports_its_own_commits_and_nothing_else(gate: AuthGate, forge: Forge) -> None:
    def bound(kind: str, **fields: Any) -> dict[str, Any]:
        return bind(gate, forge.token(GITHUB_CLAIMS, **PULL_REQUEST), kind=kind, **fields)

    commit = bound("commit_created", commit_sha=OTHER_SHA, change_id="shop#412")
    assert (commit["commit_sha"], commit["commit"]) == (OTHER_SHA, {"branch": "cheaper-carts"})
    assert "commit_sha" not in bound("commit_created")  # never the throw-away merge
    for refused in (
        {"kind": "commit_created", "change_id": "shop#413"},
        {"kind": "tests_passed", "commit_sha": OTHER_SHA},
    ):
        with pytest.raises(AccessRefused) as caught:
            bound(**refused)
        assert caught.value.reason == "claim_mismatch"
    with pytest.raises(AccessRefused) as caught:
        bound("canary_promoted", env="prod")
    assert caught.value.reason == "no_environment"


def test_a_pipeline_that_deploys_other_commits_says_which(forge: Forge) -> None:
    repository = {**OIDC["github"][0]["repositories"][0], "commit": "event"}
    gate = open_gate(settings(github=[{"repositories": [repository]}]), {}, fetch=forge.fetch)
    assert bind(gate, forge.token(GITHUB_CLAIMS), commit_sha=OTHER_SHA)["commit_sha"] == OTHER_SHA


def test_a_gitlab_pipeline_is_bound_too(gate: AuthGate, forge: Forge) -> None:
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
    gate: AuthGate, forge: Forge, changes: dict[str, Any], reason: str
) -> None:
    assert refusal(gate, forge.token(GITLAB_CLAIMS, **changes))[0] == reason


def test_a_gitlab_rollout_needs_a_protected_branch(gate: AuthGate, forge: Forge) -> None:
    with pytest.raises(AccessRefused, match="protected") as caught:
        bind(gate, forge.token(GITLAB_CLAIMS, ref_protected="false"), service="cart")
    assert caught.value.reason == "wrong_trigger"


def test_a_gitlab_merge_request_reports_its_own_commits(gate: AuthGate, forge: Forge) -> None:
    path = "refs/merge-requests/7/merge"
    config = f"gitlab.acme.example/acme/web/cart//.gitlab-ci.yml@{path}"
    changes: dict[str, Any] = {"pipeline_source": "merge_request_event", "ref_path": path, "ci_config_ref_uri": config}
    token = forge.token(GITLAB_CLAIMS, **changes, environment=None)
    own = session(gate, token)
    said = event("commit_created", service="cart", commit_sha=OTHER_SHA, change_id="acme/web/cart!7")
    assert own.bind(said)["commit_sha"] == OTHER_SHA
    with pytest.raises(AccessRefused, match="change_id"):
        own.bind({**said, "change_id": "cart!8"})
