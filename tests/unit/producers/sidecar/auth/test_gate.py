import asyncio
import pickle
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from pydantic import ValidationError

from producers.errors import UsageError
from producers.sidecar.auth.access import Access, AccessRefused, Caller
from producers.sidecar.auth.exposure import check_exposure, is_loopback
from producers.sidecar.auth.gate import AuthGate, open_gate
from producers.sidecar.auth.secret import Secret, read_secret
from producers.sidecar.auth.settings import AuthSettings, SecretSource
from producers.sidecar.auth.tokens import new_token, token_hash
from tests.support.forges import GITHUB_CLAIMS, OIDC, Forge
from tests.support.senders import SENDERS

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PLANTED = "hunter2-planted-secret-value"
CA = {"certificate": "tls.crt", "key": "tls.key", "client_ca": "ca.pem"}
CERTIFICATE = {"subject": ((("commonName", "ci.acme.example"),),), "subjectAltName": (("URI", "spiffe://acme/ci"),)}


def opened(settings: dict[str, Any], **environ: str) -> AuthGate:
    return open_gate(AuthSettings.model_validate(settings), environ)


def caller(gate: Access, token: str | None = None, certificate: dict[str, Any] | None = None) -> Caller:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return asyncio.run(gate.caller(headers, certificate, NOW))


def refused(gate: Access, token: str | None = None, certificate: dict[str, Any] | None = None) -> str:
    with pytest.raises(AccessRefused) as caught:
        caller(gate, token, certificate)
    assert caught.value.status == 401
    return str(caught.value.reason)


def passes(gate: Access, secret: str) -> bool:
    """Whether a webhook of GitHub that is signed with this secret is let in."""
    try:
        asyncio.run(gate.webhook("github", SENDERS["github"].send(secret, b"{}", NOW), b"{}", NOW))
    except AccessRefused:
        return False
    return True


def swap(file: Path, text: str) -> None:
    """Put another file in its place, as a mounted secret is changed."""
    (file.parent / "coming").write_text(text)
    (file.parent / "coming").replace(file)


def token_entry(token: str, name: str = "ci", **more: Any) -> dict[str, Any]:
    return {"name": name, "sha256": token_hash(token), "services": ["shop*", "team/*"], **more}


class TestTokens:
    def test_each_of_several_is_known_by_its_hash(self) -> None:
        first, second = new_token(), new_token()
        gate = opened({"tokens": [token_entry(first), token_entry(second, "cd")]})
        assert [caller(gate, token).name for token in (first, second)] == ["token ci", "token cd"]

    @pytest.mark.parametrize("token", ["x", "candora_", "a.b.c", f"candora_{'A' * 43}", "ü"])
    def test_a_token_that_is_nobodys_is_refused(self, token: str) -> None:
        assert refused(opened({"tokens": [token_entry(new_token())]}), token) == "wrong_secret"

    def test_the_hash_is_not_the_token_and_a_part_is_not_the_whole(self) -> None:
        token = new_token()
        gate = opened({"tokens": [token_entry(token)]})
        assert {refused(gate, given) for given in (token_hash(token), token[:-1], token + "A")} == {"wrong_secret"}
        assert refused(gate) == "no_credentials"
        with pytest.raises(AccessRefused) as caught:
            asyncio.run(gate.caller({"authorization": f"Basic {token}"}, None, NOW))
        assert caught.value.reason == "no_credentials"

    def test_a_token_expires(self) -> None:
        token = new_token()
        gate = opened({"tokens": [token_entry(token, expires=(NOW + timedelta(seconds=1)).isoformat())]})
        assert caller(gate, token).name == "token ci"
        gate = opened({"tokens": [token_entry(token, expires=NOW.isoformat())]})
        assert refused(gate, token) == "expired"

    @pytest.mark.parametrize(
        ("event", "part"),
        [
            ({"service": "shop"}, None),
            ({"service": "shop-api", "env": "prod"}, None),
            ({"service": "team/shop", "env": "prod-eu"}, None),
            ({"service": "workshop"}, "service"),
            ({"service": "Shop"}, "service"),
            ({"service": "cart"}, "service"),
            ({}, "service"),
            ({"service": 7}, "service"),
            ({"service": "shop", "env": "staging"}, "env"),
            ({"service": "shop", "env": ["prod"]}, "env"),
            ({"service": "shop", "event_type": "rollback_triggered"}, "event_type"),
            ({"service": "shop", "event_type": None}, "event_type"),
            ({"service": "shop", "event_type": "clock_tick"}, "event_type"),
        ],
    )
    def test_a_token_reports_within_its_scope(self, event: dict[str, Any], part: str | None) -> None:
        token = new_token()
        scope: dict[str, Any] = {"events": ["canary_promoted", "commit_created"], "environments": ["prod*"]}
        known = caller(opened({"tokens": [token_entry(token, **scope)]}), token)
        event = {"event_type": "commit_created", **event}
        if part is None:
            assert known.bind(event) == event
            return
        with pytest.raises(AccessRefused, match=f"^{part}") as caught:
            known.bind(event)
        assert (caught.value.reason, caught.value.status) == ("wrong_scope", 403)


class TestCertificates:
    SETTINGS: ClassVar[dict[str, Any]] = {
        "tls": CA,
        "certificates": [{"name": "ci", "names": ["spiffe://acme/ci"], "services": ["shop"]}],
        "webhooks": {"pagerduty": {"scheme": "certificate", "names": ["webhooks.pagerduty.com"]}},
    }

    def test_a_certificate_is_known_by_its_alternative_names(self) -> None:
        gate = opened(self.SETTINGS)
        assert caller(gate, certificate=CERTIFICATE).name == "certificate ci"
        with pytest.raises(AccessRefused, match="service"):
            caller(gate, certificate=CERTIFICATE).bind({"event_type": "commit_created", "service": "cart"})
        for other in ({"subject": CERTIFICATE["subject"]}, {"subjectAltName": (("URI", "spiffe://acme/ci/2"),)}):
            assert refused(gate, certificate=other) == "unknown_certificate"
        assert refused(gate) == "no_credentials"

    def test_a_token_that_is_sent_is_looked_at_even_with_a_good_certificate(self) -> None:
        assert refused(opened(self.SETTINGS), "x", CERTIFICATE) == "wrong_secret"

    def test_a_webhook_may_prove_itself_by_one(self) -> None:
        gate = opened(self.SETTINGS)
        sender = {"subjectAltName": (("DNS", "webhooks.pagerduty.com"),)}
        asyncio.run(gate.webhook("pagerduty", {}, b"{}", NOW, sender))
        for certificate, reason in ((None, "no_credentials"), (CERTIFICATE, "unknown_certificate")):
            with pytest.raises(AccessRefused) as caught:
                asyncio.run(gate.webhook("pagerduty", {}, b"{}", NOW, certificate))
            assert caught.value.reason == reason

    def test_only_clients_that_are_named_are_let_in(self) -> None:
        token = new_token()
        settings = {"tls": {**CA, "client_names": ["spiffe://acme/ci"]}, "tokens": [token_entry(token)]}
        gate = opened(settings)
        assert caller(gate, token, CERTIFICATE).name == "token ci"
        assert refused(gate, token, {"subjectAltName": (("URI", "spiffe://acme/cd"),)}) == "unknown_certificate"


class TestNothingConfigured:
    def test_anyone_is_let_in_on_loopback(self) -> None:
        gate = opened({})
        asyncio.run(gate.webhook("pagerduty", {}, b"{}", NOW))
        assert caller(gate).bind({"service": "any"}) == {"service": "any"}
        with pytest.raises(AccessRefused, match=r"auth\.oidc"):
            asyncio.run(gate.exchange({}, NOW))

    def test_what_is_configured_for_some_closes_the_gate_for_others(self) -> None:
        gate = opened({"webhooks": {"pagerduty": {"secrets": [{"env": "S"}]}}}, S="s")
        assert refused(gate) == "not_configured"
        with pytest.raises(AccessRefused, match=r"auth\.webhooks\.grafana"):
            asyncio.run(gate.webhook("grafana", {}, b"{}", NOW))

    def test_an_open_gate_still_checks_what_is_configured(self) -> None:
        gate = opened({"open": True, "webhooks": {"pagerduty": {"secrets": [{"env": "S"}]}}}, S="s")
        asyncio.run(gate.webhook("grafana", {}, b"{}", NOW))
        assert caller(gate).name == "anyone"
        with pytest.raises(AccessRefused):
            asyncio.run(gate.webhook("pagerduty", {}, b"{}", NOW))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - a name
        ("::", False),
        ("", False),
        ("10.0.0.7", False),
        ("::ffff:10.0.0.7", False),
        ("localhost.evil.example", False),
        ("sidecar", False),
    ],
)
def test_which_addresses_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "no authentication is configured"),
        ({"tls": {"certificate": "a", "key": "b"}}, "no authentication is configured"),
        ({"tls": {**CA, "client_certificate": "optional"}}, "no authentication is configured"),
        ({"webhooks": {"argo": {"scheme": "none"}}}, r"`scheme: none` at auth\.webhooks\.argo_rollouts"),
        ({"webhooks": {"argo": {"scheme": "none"}}, "open": True}, None),
        ({"open": True}, None),
        ({"tls": CA}, None),
        ({"tokens": [token_entry("x")]}, None),
        ({"oidc": OIDC}, None),
    ],
)
def test_nothing_listens_beyond_loopback_where_nobody_proves_who_they_are(
    settings: dict[str, Any], problem: str | None
) -> None:
    auth = AuthSettings.model_validate(settings)
    check_exposure("127.0.0.1", auth)
    if problem is None:
        check_exposure("0.0.0.0", auth)  # noqa: S104 - what is tested
        return
    with pytest.raises(UsageError, match=problem):
        check_exposure("0.0.0.0", auth)  # noqa: S104 - what is tested


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("webhooks: {opsgenie: {secrets: [{env: A}]}}", "opsgenie signs nothing by itself: say by `scheme`"),
        ("webhooks: {pagerdutty: {secrets: [{env: A}]}}", "did you mean pagerduty"),
        ("webhooks: {pagerduty: {secrets: []}}", "at least 1 item"),
        ("webhooks: {pager-duty: {secrets: [{env: A}]}, PagerDuty: {secrets: [{env: A}]}}", "pagerduty is named twice"),
        ("webhooks: {pagerduty: {secrets: [{env: A, file: b}]}}", "either env"),
        (f"webhooks: {{pagerduty: {{secrets: [{PLANTED}]}}}}", "a secret is named here, not written"),
        (f"webhooks: {{pagerduty: {{secrets: {PLANTED}}}}}", "valid tuple"),
        (f"webhooks: {{pagerduty: {{secrets: [{{value: {PLANTED}}}]}}}}", "Extra inputs"),
        (f"tokens: [{{name: a, services: [b], token: {PLANTED}}}]", "Extra inputs"),
        (f"tokens: [{{name: a, services: [b], sha256: {PLANTED}}}]", "match pattern"),
        ("tokens: [{name: a, services: [], sha256: " + "0" * 64 + "}]", "at least 1 item"),
        ("tokens: [{name: a, services: [b], events: [promoted], sha256: " + "0" * 64 + "}]", "no such event type"),
        (yaml.safe_dump({"tokens": [token_entry("a"), token_entry("b")]}), "two have one name"),
        ("certificates: [{name: a, names: [b], services: [c]}]", "tls.client_ca"),
        ("tls: {certificate: a, key: b, client_names: [c]}", "need a client_ca"),
        ("oidc: {audience: a}", "at least one issuer"),
        (yaml.safe_dump({"oidc": {**OIDC, "session": "2h"}}), "from 1m to 1h"),
        (yaml.safe_dump({"oidc": {**OIDC, "github": [*OIDC["github"] * 2]}}), "named twice"),
        ("oidc: {audience: a, gitlab: [{issuer: http://gitlab, projects: []}]}", "not an https:// address"),
    ],
)
def test_settings_that_are_wrong_say_what_to_change(text: str, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AuthSettings.model_validate(yaml.safe_load(text))
    assert problem in str(caught.value)
    assert PLANTED not in str(caught.value)


class TestSecrets:
    """Nothing that a person or a log can read has a secret in it."""

    def test_a_secret_comes_from_a_variable_or_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(f"{PLANTED}\r\n")
        (tmp_path / "empty").write_text("\n")
        assert read_secret(SecretSource(file=tmp_path / "secret"), {}).is_(PLANTED)
        assert read_secret(SecretSource(env="S"), {"S": PLANTED}).is_(PLANTED)
        for source, problem in (
            (SecretSource(env="S"), "the variable S is not set"),
            (SecretSource(file=tmp_path / "empty"), "empty is empty"),
            (SecretSource(file=tmp_path), "cannot be read: Is a directory"),
        ):
            with pytest.raises(UsageError, match=problem):
                read_secret(source, {})

    def test_a_secret_in_a_file_is_rotated_without_a_restart(self, tmp_path: Path) -> None:
        new, old = tmp_path / "github", tmp_path / "github-old"
        for file in (new, old):
            file.write_text("first")
        gate = opened({"webhooks": {"github": {"secrets": [{"file": str(new)}, {"file": str(old)}]}}})

        def good() -> list[str]:
            return [secret for secret in ("first", "second", "third") if passes(gate, secret)]

        assert (gate.refresh(), good()) == (False, ["first"])
        swap(new, "second")
        assert good() == ["first"]
        assert (gate.refresh(), good()) == (True, ["first", "second"])
        swap(old, "second")
        assert (gate.refresh(), gate.refresh(), good()) == (True, False, ["second"])

        for damage, problem in ((partial(swap, new, "\n"), "github is empty"), (new.unlink, "github cannot be read")):
            damage()
            for _ in range(2):  # and it is said again, until it is mended
                with pytest.raises(UsageError, match=problem):
                    gate.refresh()
            assert good() == ["second"]
        swap(new, "third")
        assert (gate.refresh(), good()) == (True, ["second", "third"])

    def test_a_secret_is_not_shown_and_not_written(self) -> None:
        secret = Secret(PLANTED.encode())
        assert {f"{secret}", f"{secret!r}", str([secret])} == {"Secret(***)", "[Secret(***)]"}
        with pytest.raises(TypeError):
            pickle.dumps(secret)

    def test_nothing_shows_what_the_gate_knows(self) -> None:
        """Every scheme, each with the planted secret: neither what is held, nor what is refused, has it."""
        for sender in SENDERS.values():
            key = sender.secrets[0] if "whsec_" in sender.secrets[0] else PLANTED
            settings = {**sender.settings, "secrets": [{"env": "S"}]}
            auth = AuthSettings.model_validate({"webhooks": {sender.source: settings}})
            gate = open_gate(auth, {"S": key})
            shown = [repr(gate), repr(vars(gate)), repr(auth), auth.model_dump_json(), repr(gate._proofs)]
            for proof in ("", "x", "Bearer x", "v1=x", "v1,x", "Basic eDp5"):
                headers = {**sender.send(key, b"{}", NOW), sender.proof: proof}
                with pytest.raises(AccessRefused) as caught:
                    asyncio.run(gate.webhook(sender.source, headers, b"{}", NOW))
                shown += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
            assert key not in "\n".join(shown)
            assert key.removeprefix("whsec_") not in "\n".join(shown)

    def test_what_a_caller_sends_is_not_shown_either(self) -> None:
        forge = Forge()
        settings = AuthSettings.model_validate(
            {"oidc": {**OIDC, "session_key": {"env": "K"}}, "tokens": [token_entry("t")]}
        )
        gate = open_gate(settings, {"K": PLANTED * 2}, fetch=forge.fetch)
        wrong = forge.token(GITHUB_CLAIMS, aud="other")
        shown = [repr(vars(gate)), repr(vars(gate._issuers)) if gate._issuers else ""]
        for given in (PLANTED, wrong, f"candora_session_{PLANTED}", f"{PLANTED}.b.c"):
            for ask in (gate.exchange({"authorization": f"Bearer {given}"}, datetime.now(UTC)), _caller(gate, given)):
                with pytest.raises(AccessRefused) as caught:
                    asyncio.run(ask)
                shown += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
        assert PLANTED not in "\n".join(shown)
        assert wrong not in "\n".join(shown)


async def _caller(gate: AuthGate, token: str) -> None:
    await gate.caller({"authorization": f"Bearer {token}"}, None, NOW)
