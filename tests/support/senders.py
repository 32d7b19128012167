"""Senders of webhooks as the sidecar meets them: each signs a body, or names a secret, in its own way."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

Headers = dict[str, str]
Send = Callable[[str, bytes, datetime], Headers]
"""The headers that go with a body, from the secret, the body and the time. Names are in lower case."""

KEY: Final = "whsec_" + base64.b64encode(b"the first key of a webhook sender").decode()
OTHER_KEY: Final = "whsec_" + base64.b64encode(b"the other key of a webhook sender").decode()


def _hex(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def pagerduty(secret: str, body: bytes, now: datetime) -> Headers:
    """As PagerDuty signs while two secrets are known to it."""
    return {"x-pagerduty-signature": f"v1={_hex('an older secret', body)},v1={_hex(secret, body)}"}


def github(secret: str, body: bytes, now: datetime) -> Headers:
    """With the old signature beside the one that counts."""
    sha1 = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
    return {"x-hub-signature": f"sha1={sha1}", "x-hub-signature-256": f"sha256={_hex(secret, body)}"}


def standard(secret: str, body: bytes, now: datetime, family: str = "webhook", identity: str = "msg_1") -> Headers:
    """As Standard Webhooks has it."""
    time = str(int(now.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{identity}.{time}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {f"{family}-id": identity, f"{family}-timestamp": time, f"{family}-signature": signature}


def svix(secret: str, body: bytes, now: datetime) -> Headers:
    """The same under the names of its first author, as incident.io sends it."""
    return standard(secret, body, now, "svix")


def grafana(secret: str, body: bytes, now: datetime) -> Headers:
    """Without a time."""
    return {"x-grafana-alerting-signature": _hex(secret, body)}


def grafana_timed(secret: str, body: bytes, now: datetime) -> Headers:
    """With a time, under names of the operator's choice."""
    time = str(int(now.timestamp()))
    return {"x-signature": _hex(secret, f"{time}:".encode() + body), "x-time": time}


def gitlab_token(secret: str, body: bytes, now: datetime) -> Headers:
    """GitLab's plain token; an id and a time come too, though nothing is signed."""
    return {"x-gitlab-token": secret, "webhook-id": "8f3c", "webhook-timestamp": str(int(now.timestamp()))}


def bearer(secret: str, body: bytes, now: datetime) -> Headers:
    """As Alertmanager sends its credentials."""
    return {"authorization": f"Bearer {secret}"}


def genie_key(secret: str, body: bytes, now: datetime) -> Headers:
    """A word of its own in front."""
    return {"authorization": f"GenieKey {secret}"}


def basic(secret: str, body: bytes, now: datetime) -> Headers:
    """A name and a password."""
    return {"authorization": "Basic " + base64.b64encode(f"candora:{secret}".encode()).decode()}


def header(secret: str, body: bytes, now: datetime) -> Headers:
    """A header of the operator's choice."""
    return {"x-candora-token": secret}


class Sender(NamedTuple):
    """A sender, and what `auth.webhooks` says of it, without its secrets."""

    source: str
    settings: Mapping[str, Any]
    send: Send
    proof: str
    """The header that proves it."""
    signs: bool = False
    timed: bool = False
    secrets: tuple[str, str] = ("the first secret", "the other secret")


SENDERS: Final[Mapping[str, Sender]] = {
    "pagerduty": Sender("pagerduty", {}, pagerduty, "x-pagerduty-signature", signs=True),
    "github": Sender("github", {}, github, "x-hub-signature-256", signs=True),
    "incident.io": Sender("incident_io", {}, svix, "svix-signature", signs=True, timed=True, secrets=(KEY, OTHER_KEY)),
    "gitlab, signed": Sender(
        "gitlab",
        {"scheme": "standard-webhooks"},
        standard,
        "webhook-signature",
        signs=True,
        timed=True,
        secrets=(KEY, OTHER_KEY),
    ),
    "gitlab, token": Sender("gitlab", {}, gitlab_token, "x-gitlab-token"),
    "grafana": Sender("grafana", {}, grafana, "x-grafana-alerting-signature", signs=True),
    "grafana, timed": Sender(
        "grafana",
        {"header": "X-Signature", "timestamp_header": "X-Time"},
        grafana_timed,
        "x-signature",
        signs=True,
        timed=True,
    ),
    "alertmanager": Sender("alertmanager", {"scheme": "bearer"}, bearer, "authorization"),
    "opsgenie": Sender("opsgenie", {"scheme": "bearer", "word": "GenieKey"}, genie_key, "authorization"),
    "flagger": Sender("flagger", {"scheme": "basic", "username": "candora"}, basic, "authorization"),
    "argo": Sender("argo_rollouts", {"scheme": "header", "header": "X-Candora-Token"}, header, "x-candora-token"),
}
"""Every way of proving oneself by a secret."""
