"""How the sources of webhooks prove who they are. Pure: the body is the bytes of the wire, the time is an argument.

What is demanded stands in the settings. Which headers a request happens to have never decides it: GitLab sends an id
and a time also when it does not sign, and a forger sends what suits them.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from producers.sidecar.auth.access import AccessRefused, PeerCertificate, RefusalReason
from producers.sidecar.auth.certificates import certificate_names
from producers.sidecar.auth.secret import Secret, wire

WINDOW: Final = timedelta(seconds=300)
"""How far a signed time may be from ours, either way: as Standard Webhooks has it."""

MOST_SIGNATURES: Final = 16
"""More than any rotation needs."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature can be about."""

    headers: Mapping[str, str]
    body: bytes
    now: datetime
    peer_certificate: PeerCertificate | None = None

    def header(self, name: str) -> str:
        """The value of a header.

        Raises:
            Refused: there is none.
        """
        value = self.headers.get(name.lower(), "").strip()
        if not value:
            raise AccessRefused(RefusalReason.NO_CREDENTIALS, f"no header {name}")
        return value


class Verifier(Protocol):
    """One way to prove who one is."""

    def check(self, request: SignedRequest) -> str | None:
        """Let an authentic request pass. What it returns is the delivery's id, if the signature covers one.

        Raises:
            Refused: it is not authentic.
        """
        ...


@dataclass(frozen=True, slots=True)
class PagerDutyVerifier:
    """`X-PagerDuty-Signature: v1=<hex>,v1=<hex>`, one for each secret that PagerDuty knows. No time is signed."""

    secrets: tuple[Secret, ...]

    def check(self, request: SignedRequest) -> str | None:
        """See `Verifier`."""
        given = [each.strip() for each in request.header("X-PagerDuty-Signature").split(",")]
        _match(_versioned(given, "v1="), (secret.sign(request.body).hex() for secret in self.secrets))
        return None


@dataclass(frozen=True, slots=True)
class GitHubVerifier:
    """`X-Hub-Signature-256: sha256=<hex>`. Its older sibling in SHA-1 is not looked at."""

    secrets: tuple[Secret, ...]

    def check(self, request: SignedRequest) -> str | None:
        """See `Verifier`."""
        given = [request.header("X-Hub-Signature-256")]
        _match(_versioned(given, "sha256="), (secret.sign(request.body).hex() for secret in self.secrets))
        return None


@dataclass(frozen=True, slots=True)
class StandardWebhooksVerifier:
    """`webhook-signature: v1,<base64> v1,<base64>` over id, time and body; Svix calls the same headers `svix-…`."""

    secrets: tuple[Secret, ...]
    """The keys themselves, see `signing_key`."""

    def check(self, request: SignedRequest) -> str | None:
        """See `Verifier`."""
        family = "svix" if "webhook-id" not in request.headers and "svix-id" in request.headers else "webhook"
        identity, time = request.header(f"{family}-id"), request.header(f"{family}-timestamp")
        given = request.header(f"{family}-signature").split()
        signed = wire(f"{identity}.{time}.") + request.body
        _match(_versioned(given, "v1,"), (base64.b64encode(key.sign(signed)).decode() for key in self.secrets))
        _check_time(time, request.now)
        return identity


@dataclass(frozen=True, slots=True)
class GrafanaVerifier:
    """Hexadecimal HMAC-SHA256 of the body, or of `<seconds>:` and the body where the time has a header."""

    secrets: tuple[Secret, ...]
    signature: str
    timestamp: str | None = None

    def check(self, request: SignedRequest) -> str | None:
        """See `Verifier`."""
        given, time = request.header(self.signature), None
        signed = request.body
        if self.timestamp is not None:
            time = request.header(self.timestamp)
            signed = wire(f"{time}:") + signed
        _match([given], (secret.sign(signed).hex() for secret in self.secrets))
        if time is not None:
            _check_time(time, request.now)
        return None


@dataclass(frozen=True, slots=True)
class HeaderSecretVerifier:
    """A header whose whole value is the secret, such as GitLab's `X-Gitlab-Token`."""

    secrets: tuple[Secret, ...]
    name: str

    def check(self, request: SignedRequest) -> str | None:
        """See `Verifier`."""
        _any_is(self.secrets, request.header(self.name))
        return None


@dataclass(frozen=True, slots=True)
class BearerVerifier:
    """`Authorization: <word> <secret>`."""

    secrets: tuple[Secret, ...]
    word: str = "Bearer"

    def check(self, request: SignedRequest) -> str | None:
        """See `Verifier`."""
        _any_is(self.secrets, authorization(request.header("Authorization"), self.word))
        return None


@dataclass(frozen=True, slots=True)
class BasicAuthVerifier:
    """`Authorization: Basic …`."""

    secrets: tuple[Secret, ...]
    username: str

    def check(self, request: SignedRequest) -> str | None:
        """See `Verifier`."""
        text = authorization(request.header("Authorization"), "Basic")
        try:
            given = base64.b64decode(wire(text), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise AccessRefused(
                RefusalReason.MALFORMED, "Authorization is not the base64 of a name and a password"
            ) from None
        _any_is(tuple(Secret(wire(f"{self.username}:") + each.reveal()) for each in self.secrets), given)
        return None


@dataclass(frozen=True, slots=True)
class CertificateVerifier:
    """A client certificate, its chain checked by TLS, with one of these names."""

    names: frozenset[str]

    def check(self, request: SignedRequest) -> str | None:
        """See `Verifier`."""
        if request.peer_certificate is None:
            raise AccessRefused(RefusalReason.NO_CREDENTIALS, "no client certificate")
        if self.names.isdisjoint(certificate_names(request.peer_certificate)):
            raise AccessRefused(
                RefusalReason.UNKNOWN_CERTIFICATE, "the client certificate has none of the names that are let in"
            )
        return None


@dataclass(frozen=True, slots=True)
class NoVerifier:
    """No proof at all."""

    def check(self, request: SignedRequest) -> str | None:  # noqa: ARG002 - anybody passes
        """See `Verifier`."""
        return None


def signing_key(secret: Secret) -> Secret:
    """The key of a Standard Webhooks secret, which is written `whsec_` and base64.

    Raises:
        ValueError: it is not base64, or shorter than 16 bytes.
    """
    try:
        key = base64.b64decode(secret.reveal().removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("is not written as `whsec_` and base64") from None
    if len(key) < 16:  # noqa: PLR2004 - a truncated copy; the standard has 24 to 64
        raise ValueError("is shorter than 16 bytes once decoded")
    return Secret(key)


def authorization(value: str, word: str) -> str:
    """What stands behind the word in an Authorization header.

    Raises:
        Refused: there is another word, or nothing behind it.
    """
    found, _, rest = value.partition(" ")
    if found.lower() != word.lower() or not rest.strip():
        raise AccessRefused(RefusalReason.NO_CREDENTIALS, f"Authorization does not begin with {word}")
    return rest.strip()


def _versioned(given: Iterable[str], version: str) -> list[str]:
    """The signatures of the version we know; a sender may add others."""
    known = [each.removeprefix(version) for each in given if each.startswith(version)]
    if not known:
        raise AccessRefused(RefusalReason.MALFORMED, f"no signature begins with {version}")
    if len(known) > MOST_SIGNATURES:
        raise AccessRefused(RefusalReason.MALFORMED, f"more than {MOST_SIGNATURES} signatures")
    return known


def _match(given: Iterable[str], expected: Iterable[str]) -> None:
    """Compare all with all, as text: base64 has several texts for the same bytes, and only one of them is sent."""
    wanted = [each.encode() for each in expected]
    if not any([hmac.compare_digest(wire(each), one) for each in given for one in wanted]):  # noqa: C419 - all of them
        raise AccessRefused(RefusalReason.BAD_SIGNATURE, "the signature is of another secret or another body")


def _any_is(secrets: Iterable[Secret], given: str) -> None:
    if not any([secret.is_(given) for secret in secrets]):  # noqa: C419 - as in _match
        raise AccessRefused(RefusalReason.WRONG_SECRET, "the secret is another one")


def _check_time(text: str, now: datetime) -> None:
    if not re.fullmatch(r"[0-9]{1,11}", text):
        raise AccessRefused(RefusalReason.MALFORMED, "the signed time is not a number of seconds")
    age = now - datetime.fromtimestamp(int(text), UTC)
    if age > WINDOW:
        raise AccessRefused(
            RefusalReason.STALE, f"signed {age.total_seconds():.0f} s ago, more than {WINDOW.seconds} s"
        )
    if age < -WINDOW:
        raise AccessRefused(RefusalReason.FUTURE, f"signed {-age.total_seconds():.0f} s ahead of our clock")
