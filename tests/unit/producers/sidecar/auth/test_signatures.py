import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.errors import UsageError
from producers.sidecar.auth.access import AccessRefused, RefusalReason
from producers.sidecar.auth.gate import AuthGate, open_gate
from producers.sidecar.auth.replay_cache import ReplayCache
from producers.sidecar.auth.settings import AuthSettings
from tests.support.senders import KEY, OTHER_KEY, SENDERS, Headers, Sender, standard

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
BODY = b'{"event": {"id": "01", "title": "Kasse f\xc3\xa4llt aus"}}'
EVERY = pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
SIGNED = pytest.mark.parametrize("sender", [each for each in SENDERS.values() if each.signs], ids=lambda each: each[0])
TIMED = pytest.mark.parametrize("sender", [each for each in SENDERS.values() if each.timed], ids=lambda each: each[0])
PAGERDUTY_BODY = (
    b'{"event":{"id":"01BWDWL3NYY7LUFPZCC28QUCMK","event_type":"incident.priority_updated","resource_type":"incident",'
    b'"occurred_at":"2021-04-26T17:36:27.458Z","agent":{"html_url":"https://acme.pagerduty.com/users/PLH1HKV",'
    b'"id":"PLH1HKV","self":"https://api.pagerduty.com/users/PLH1HKV","summary":"Tenex Engineer",'
    b'"type":"user_reference"},"client":null,"data":{"id":"PGR0VU2","type":"incident",'
    b'"self":"https://api.pagerduty.com/incidents/PGR0VU2","html_url":"https://acme.pagerduty.com/incidents/PGR0VU2",'
    b'"number":2,"status":"triggered","title":"A little bump in the road","service":{"html_url":'
    b'"https://acme.pagerduty.com/services/PF9KMXH","id":"PF9KMXH","self":"https://api.pagerduty.com/services/PF9KMXH",'
    b'"summary":"API Service","type":"service_reference"},"assignees":[{"html_url":'
    b'"https://acme.pagerduty.com/users/PTUXL6G","id":"PTUXL6G","self":"https://api.pagerduty.com/users/PTUXL6G",'
    b'"summary":"User 123","type":"user_reference"}],"escalation_policy":{"html_url":'
    b'"https://acme.pagerduty.com/escalation_policies/PUS0KTE","id":"PUS0KTE",'
    b'"self":"https://api.pagerduty.com/escalation_policies/PUS0KTE","summary":"Default",'
    b'"type":"escalation_policy_reference"},"teams":[{"html_url":"https://acme.pagerduty.com/teams/PFCVPS0",'
    b'"id":"PFCVPS0","self":"https://api.pagerduty.com/teams/PFCVPS0","summary":"Engineering",'
    b'"type":"team_reference"}],"priority":{"html_url":"https://acme.pagerduty.com/account/incident_priorities",'
    b'"id":"PSO75BM","self":"https://api.pagerduty.com/priorities/PSO75BM","summary":"P1",'
    b'"type":"priority_reference"},"urgency":"high","conference_bridge":{"conference_number":1000,'
    b'"conference_url":"https://example.com"},"resolve_reason":null}}}'
)
"""The body of PagerDuty's own test (go-pagerduty, webhookv3)."""


def gate(sender: Sender, *secrets: str) -> AuthGate:
    """A gate that knows these secrets of one sender, in this order."""
    environ = {f"SECRET_{number}": secret for number, secret in enumerate(secrets)}
    return open_gate(_auth(sender.source, {**sender.settings, "secrets": [{"env": name} for name in environ]}), environ)


def _auth(source: str, entry: dict[str, Any]) -> AuthSettings:
    return AuthSettings.model_validate({"webhooks": {source: entry}})


def ask(at: AuthGate, source: str, headers: Headers, body: bytes = BODY, now: datetime = NOW) -> str | None:
    """None if the delivery passes, else the reason."""
    try:
        asyncio.run(at.webhook(source, headers, body, now))
    except AccessRefused as refusal:
        return str(refusal.reason)
    return None


@EVERY
def test_an_authentic_delivery_passes(sender: Sender) -> None:
    assert ask(gate(sender, sender.secrets[0]), sender.source, sender.send(sender.secrets[0], BODY, NOW)) is None


@EVERY
def test_during_a_rotation_both_secrets_are_good(sender: Sender) -> None:
    at = gate(sender, *reversed(sender.secrets))
    for secret in sender.secrets:
        assert ask(at, sender.source, sender.send(secret, BODY, NOW)) is None


@EVERY
def test_a_secret_that_is_not_ours_is_refused(sender: Sender) -> None:
    forged = sender.send(sender.secrets[1], BODY, NOW)
    reason = "bad_signature" if sender.signs else "wrong_secret"
    assert ask(gate(sender, sender.secrets[0]), sender.source, forged) == reason


@EVERY
def test_without_its_header_nothing_passes_whatever_else_is_there(sender: Sender) -> None:
    headers = {name: value for name, value in sender.send(sender.secrets[0], BODY, NOW).items() if name != sender.proof}
    at = gate(sender, sender.secrets[0])
    assert ask(at, sender.source, headers) == "no_credentials"
    assert ask(at, sender.source, {**headers, sender.proof: " "}) == "no_credentials"


@SIGNED
def test_another_body_is_refused(sender: Sender) -> None:
    headers = sender.send(sender.secrets[0], BODY, NOW)
    assert ask(gate(sender, sender.secrets[0]), sender.source, headers, BODY + b" ") == "bad_signature"


@EVERY
def test_a_truncated_proof_is_refused(sender: Sender) -> None:
    headers = sender.send(sender.secrets[0], BODY, NOW)
    at = gate(sender, sender.secrets[0])
    for cut in (1, 4, len(headers[sender.proof]) - 8):
        assert ask(at, sender.source, {**headers, sender.proof: headers[sender.proof][:-cut]}) is not None


@TIMED
@pytest.mark.parametrize(
    ("age", "reason"), [(301, "stale"), (300, None), (-300, None), (-301, "future"), (86_400, "stale")]
)
def test_a_signed_time_must_be_within_five_minutes(sender: Sender, age: int, reason: str | None) -> None:
    headers = sender.send(sender.secrets[0], BODY, NOW - timedelta(seconds=age))
    assert ask(gate(sender, sender.secrets[0]), sender.source, headers) == reason


@TIMED
def test_a_time_cannot_be_made_fresh(sender: Sender) -> None:
    old = sender.send(sender.secrets[0], BODY, NOW - timedelta(hours=1))
    new = sender.send(sender.secrets[0], BODY, NOW)
    time = next(name for name in new if "time" in name)
    assert ask(gate(sender, sender.secrets[0]), sender.source, {**old, time: new[time]}) == "bad_signature"


@EVERY
@given(data=st.data())
def test_no_mutation_of_a_proof_passes(sender: Sender, data: st.DataObject) -> None:
    """Whatever single change is made to the body, or to a signature, a secret or a time, it is refused."""
    headers = sender.send(sender.secrets[0], BODY, NOW)
    at = gate(sender, sender.secrets[0])
    if sender.signs and data.draw(st.booleans(), label="the body"):
        assert ask(at, sender.source, headers, _mutated(BODY, data)) is not None
        return
    name = sender.proof if not sender.timed else data.draw(st.sampled_from(sorted(headers)))
    before, mark, last = _proper(headers[name])
    text = _mutated(last.encode(), data).decode(errors="surrogateescape").strip(", \t\r\n\v\f\x1c\x1d\x1e\x1f")
    if text != last:
        assert ask(at, sender.source, {**headers, name: before + mark + text}) is not None


def _proper(header: str) -> tuple[str, str, str]:
    """What goes before a proof (an older signature, a scheme's word), what divides them, and the proof itself."""
    return header.rpartition(",v1=") if ",v1=" in header else header.rpartition(" ")


def _mutated(content: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(content) - 1))
    new = data.draw(st.binary(max_size=2).filter(lambda each: each != content[at : at + 1]))
    return content[:at] + new + content[at + 1 :]


def test_a_sender_that_is_configured_to_sign_cannot_choose_not_to() -> None:
    """GitLab sends an id and a time with its plain token too; only the settings say what is demanded."""
    signed, plain = SENDERS["gitlab, signed"], SENDERS["gitlab, token"]
    assert ask(gate(signed, KEY), "gitlab", plain.send("the first secret", BODY, NOW)) == "no_credentials"
    assert ask(gate(plain, "the first secret"), "gitlab", signed.send(KEY, BODY, NOW)) == "no_credentials"


def test_another_source_and_another_secret_look_the_same_from_outside() -> None:
    at = gate(SENDERS["pagerduty"], "a")
    assert ask(at, "grafana", {}) == "not_configured"
    assert {
        AccessRefused(reason, "").status for reason in (RefusalReason.NOT_CONFIGURED, RefusalReason.BAD_SIGNATURE)
    } == {401}


@pytest.mark.parametrize(
    ("source", "header", "text", "reason"),
    [
        ("pagerduty", "x-pagerduty-signature", "v2=00", "malformed"),
        ("pagerduty", "x-pagerduty-signature", ",".join(["v1=00"] * 17), "malformed"),
        ("github", "x-hub-signature-256", "sha1=00", "malformed"),
        ("incident.io", "svix-signature", "v1a,AAAA", "malformed"),
        ("incident.io", "svix-signature", "v1,", "bad_signature"),
        ("alertmanager", "authorization", "Basic QQ==", "no_credentials"),
        ("alertmanager", "authorization", "Bearer", "no_credentials"),
        ("flagger", "authorization", "Basic !", "malformed"),
        ("flagger", "authorization", "Basic /////w==", "malformed"),
    ],
)
def test_what_cannot_be_read_is_refused(source: str, header: str, text: str, reason: str) -> None:
    sender = SENDERS[source]
    headers = {**sender.send(sender.secrets[0], BODY, NOW), header: text}
    assert ask(gate(sender, sender.secrets[0]), sender.source, headers) == reason


class TestPublicVectors:
    """What the senders themselves publish, or their libraries test."""

    def test_pagerduty(self) -> None:
        at = gate(SENDERS["pagerduty"], "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK")
        good = "v1=0c0b9495b893a39e70d1fea2fe11fbe0a825f88b9f67846f6cc07dd2bc5476cd"
        other = "v1=7020c8a7ec668a9b7012bc3dd82e483394b038f4230acc6785efbf2a7d8bcaf5"
        assert ask(at, "pagerduty", {"x-pagerduty-signature": good}, PAGERDUTY_BODY) is None
        assert ask(at, "pagerduty", {"x-pagerduty-signature": f"{other},{good}"}, PAGERDUTY_BODY) is None
        assert ask(at, "pagerduty", {"x-pagerduty-signature": other}, PAGERDUTY_BODY) == "bad_signature"
        assert ask(at, "pagerduty", {"x-pagerduty-signature": good}, b"") == "bad_signature"
        assert ask(at, "pagerduty", {"x-pagerduty-signature": ""}, PAGERDUTY_BODY) == "no_credentials"

    def test_github(self) -> None:
        at = gate(SENDERS["github"], "It's a Secret to Everybody")
        good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        assert ask(at, "github", {"x-hub-signature-256": good}, b"Hello, World!") is None
        assert ask(at, "github", {"x-hub-signature-256": good}, b"Hello, World?") == "bad_signature"
        assert ask(at, "github", {"x-hub-signature-256": good[:-1] + "8"}, b"Hello, World!") == "bad_signature"

    @pytest.mark.parametrize("family", ["webhook", "svix"])
    @pytest.mark.parametrize("written", ["whsec_", ""])
    def test_standard_webhooks(self, family: str, written: str) -> None:
        at = gate(SENDERS["incident.io"], f"{written}MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        headers = {
            f"{family}-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            f"{family}-timestamp": "1614265330",
            f"{family}-signature": good,
        }
        body, sent = b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC)

        def verdict(now: datetime = sent, **changes: str) -> str | None:
            changed = {f"{family}-{name}": value for name, value in changes.items()}
            return ask(at, "incident_io", {**headers, **changed}, body, now)

        assert verdict() is None
        assert verdict(signature=f"v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,AAAA {good} v1,AAAA") is None
        assert verdict(signature="v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=") == "bad_signature"
        assert verdict(signature=good.replace("v1,", "v2,")) == "malformed"
        assert verdict(id="") == verdict(timestamp="") == verdict(signature="") == "no_credentials"
        assert verdict(timestamp="hello") == "bad_signature"
        assert verdict(sent + timedelta(seconds=301)) == "stale"
        assert verdict(sent - timedelta(seconds=301)) == "future"

    @pytest.mark.parametrize("sender", ["grafana", "grafana, timed"])
    def test_grafana(self, sender: str) -> None:
        """Its test signs at 1970-01-01 with a secret of `secret`; a body may be empty."""
        start = datetime.fromtimestamp(0, UTC)
        for body in (b"test message", b""):
            headers = SENDERS[sender].send("secret", body, start)
            assert ask(gate(SENDERS[sender], "secret"), "grafana", headers, body, start) is None


def test_a_signed_time_that_is_no_number_is_refused_though_its_signature_is_good() -> None:
    sender = SENDERS["grafana, timed"]
    late = NOW.replace(year=2000)
    headers = sender.send("s", b"", late)
    forged = {**headers, "x-time": headers["x-time"] + ":"}
    signed = sender.send("s", b":", late)  # "<time>:" + ":" is also "<time>::" + ""
    assert ask(gate(sender, "s"), "grafana", {**forged, "x-signature": signed["x-signature"]}, b"") == "malformed"


class TestRepeats:
    """An honest sender repeats what we did not answer; nobody else can make two deliveries of one."""

    def test_a_repeat_passes_with_the_old_time_and_with_a_new_one(self) -> None:
        at = gate(SENDERS["incident.io"], KEY)
        first = standard(KEY, BODY, NOW)
        assert ask(at, "incident_io", first) is None
        assert ask(at, "incident_io", first, now=NOW + timedelta(seconds=200)) is None
        later = NOW + timedelta(minutes=20)
        assert ask(at, "incident_io", standard(KEY, BODY, later), now=later) is None

    def test_another_body_under_the_same_id_is_refused(self) -> None:
        at = gate(SENDERS["incident.io"], KEY, OTHER_KEY)
        assert ask(at, "incident_io", standard(KEY, BODY, NOW)) is None
        assert ask(at, "incident_io", standard(OTHER_KEY, b"{}", NOW), b"{}") == "replayed"

    def test_a_copy_sent_later_is_stale(self) -> None:
        at = gate(SENDERS["incident.io"], KEY)
        headers = standard(KEY, BODY, NOW)
        assert ask(at, "incident_io", headers, now=NOW + timedelta(seconds=301)) == "stale"

    def test_what_is_remembered_is_bounded_and_ends(self) -> None:
        seen, until = ReplayCache(most=2), NOW + timedelta(seconds=10)
        assert seen.first("a", b"1", until, NOW) == b"1"
        assert seen.first("a", b"2", until, NOW) == b"1"
        assert seen.first("a", b"2", until, NOW + timedelta(seconds=11)) == b"2"
        for key in ("b", "c", "d"):
            seen.first(key, b"1", until, NOW)
        assert seen.first("a", b"3", until, NOW) == b"3"


@pytest.mark.parametrize("secret", ["whsec_not base64!", "whsec_c2hvcnQ=", "pagerduty-secret"])
def test_a_signing_secret_that_is_none_ends_the_start(secret: str) -> None:
    with pytest.raises(UsageError, match=r"auth\.webhooks\.incident_io: a secret is (not|shorter)") as caught:
        gate(SENDERS["incident.io"], secret)
    assert secret not in str(caught.value)


def test_every_reason_is_of_the_closed_set() -> None:
    assert {reason for reason in RefusalReason if AccessRefused(reason, "").status == 403} == {
        "wrong_repository",
        "wrong_workflow",
        "wrong_trigger",
        "wrong_scope",
        "claim_mismatch",
        "no_environment",
    }
    assert AccessRefused(RefusalReason.UNAVAILABLE, "").status == 503
