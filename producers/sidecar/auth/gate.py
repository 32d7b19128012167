"""The gate of the sidecar, put together from its settings."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from producers.errors import UsageError
from producers.sidecar.auth import signatures
from producers.sidecar.auth.access import AccessRefused, Caller, PeerCertificate, RefusalReason, SessionGrant
from producers.sidecar.auth.certificates import certificate_names
from producers.sidecar.auth.jwks import Fetch, fetch
from producers.sidecar.auth.oidc import SESSION_PREFIX, Issuers
from producers.sidecar.auth.replay_cache import DeliveryReplayGuard
from producers.sidecar.auth.scope import AnonymousCaller, KnownCaller, Scope
from producers.sidecar.auth.secret import Secret, read_secret
from producers.sidecar.auth.settings import AuthSettings, OidcSettings
from producers.sidecar.auth.signatures import SignedRequest, authorization
from producers.sidecar.auth.tokens import known_token
from producers.sidecar.auth.used_tokens import InFolder, InMemory
from producers.sidecar.auth.verifiers import WebhookVerifiers

_SHORTEST_KEY: Final = 32
_JWT_PARTS: Final = 3


class AuthGate:
    """An `Access` as the settings have it."""

    def __init__(self, auth: AuthSettings, proofs: WebhookVerifiers, issuers: Issuers | None) -> None:
        self._auth: Final = auth
        self._proofs: Final = proofs
        self._issuers: Final = issuers
        self._deliveries: Final = DeliveryReplayGuard(signatures.WINDOW)
        # On loopback with nothing configured, or by `open`; `check_exposure` sees to the rest.
        self._anyone: Final = auth.open or not auth.configured

    def refresh(self) -> bool:
        """Take up the secrets of webhooks whose files changed, see `WebhookVerifiers`."""
        return self._proofs.refresh()

    async def webhook(
        self,
        source: str,
        headers: Mapping[str, str],
        body: bytes,
        now: datetime,
        peer_certificate: PeerCertificate | None = None,
    ) -> None:
        """See `Access`."""
        self._check_certificate(peer_certificate)
        proof = self._proofs.get(source)
        if proof is None:
            if self._anyone:
                return
            raise AccessRefused(RefusalReason.NOT_CONFIGURED, f"auth.webhooks.{source} is not in the settings")
        identity = proof.check(SignedRequest(headers, body, now, peer_certificate))
        if identity is not None:
            self._deliveries.check(source, identity, body, now)

    async def caller(
        self, headers: Mapping[str, str], peer_certificate: PeerCertificate | None, now: datetime
    ) -> Caller:
        """See `Access`."""
        self._check_certificate(peer_certificate)
        if not self._auth.proves_callers:
            if self._anyone:
                return AnonymousCaller()
            raise AccessRefused(
                RefusalReason.NOT_CONFIGURED, "the settings have no tokens, certificates or oidc under `auth`"
            )
        if "authorization" not in headers and peer_certificate is not None:
            return self._by_certificate(peer_certificate)
        token = self._bearer(headers)
        if self._issuers is not None and token.startswith(SESSION_PREFIX):
            return self._issuers.session(token)
        if self._issuers is not None and token.count(".") == _JWT_PARTS - 1:
            raise AccessRefused(RefusalReason.NOT_EXCHANGED, "a CI system's token is exchanged at /v1/token first")
        return known_token(token, self._auth.tokens, now)

    async def exchange(self, headers: Mapping[str, str], now: datetime) -> SessionGrant:
        """See `Access`."""
        if self._issuers is None:
            raise AccessRefused(RefusalReason.NOT_CONFIGURED, "auth.oidc is not in the settings")
        return await self._issuers.exchange(self._bearer(headers), now)

    @staticmethod
    def _bearer(headers: Mapping[str, str]) -> str:
        if "authorization" not in headers:
            raise AccessRefused(RefusalReason.NO_CREDENTIALS, "no header Authorization")
        return authorization(headers["authorization"].strip(), "Bearer")

    def _check_certificate(self, certificate: PeerCertificate | None) -> None:
        """Where the settings name the clients, a certificate of the same authority is not enough."""
        wanted = self._auth.tls.client_names if self._auth.tls else ()
        if wanted and certificate is not None and certificate_names(certificate).isdisjoint(wanted):
            raise AccessRefused(
                RefusalReason.UNKNOWN_CERTIFICATE, "the client certificate has no name of auth.tls.client_names"
            )

    def _by_certificate(self, certificate: PeerCertificate) -> Caller:
        names = certificate_names(certificate)
        for each in self._auth.certificates:
            if not names.isdisjoint(each.names):
                return KnownCaller(f"certificate {each.name}", Scope.of(each))
        raise AccessRefused(
            RefusalReason.UNKNOWN_CERTIFICATE, "the client certificate has no name of auth.certificates"
        )


def open_gate(
    auth: AuthSettings, environ: Mapping[str, str], *, state: Path | None = None, fetch: Fetch = fetch
) -> AuthGate:
    """The gate of these settings, its secrets read.

    `state` is a folder of the sidecar's own that outlives it: used tokens are remembered there, else in memory.

    Raises:
        UsageError: a secret that the settings name is not there, or is none.
    """
    issuers = None
    if auth.oidc is not None:
        used = InMemory() if state is None else InFolder(state)
        issuers = Issuers(auth.oidc, _session_key(auth.oidc, environ), used, fetch)
    return AuthGate(auth, WebhookVerifiers(auth.webhooks, environ), issuers)


def _session_key(oidc: OidcSettings, environ: Mapping[str, str]) -> Secret:
    if oidc.session_key is None:
        return Secret(secrets.token_bytes(_SHORTEST_KEY))
    key = read_secret(oidc.session_key, environ)
    if len(key.reveal()) < _SHORTEST_KEY:
        raise UsageError(f"auth.oidc.session_key: the secret is shorter than {_SHORTEST_KEY} bytes")
    return key
