"""The gate of the sidecar, put together from its settings."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from producers.errors import UsageError
from producers.receiver.access import Caller, PeerCertificate, Reason, Refused, Session
from producers.receiver.auth import signatures
from producers.receiver.auth.certificates import certificate_names
from producers.receiver.auth.jwks import Fetch, fetch
from producers.receiver.auth.oidc import SESSION_PREFIX, Issuers
from producers.receiver.auth.proofs import Proofs
from producers.receiver.auth.replay import Deliveries
from producers.receiver.auth.scope import Anyone, Known, Scope
from producers.receiver.auth.secret import Secret, read_secret
from producers.receiver.auth.settings import Auth, Oidc
from producers.receiver.auth.signatures import Request, authorization
from producers.receiver.auth.tokens import known_token
from producers.receiver.auth.used_tokens import InFolder, InMemory

_SHORTEST_KEY: Final = 32
_JWT_PARTS: Final = 3


class Gate:
    """An `Access` as the settings have it."""

    def __init__(self, auth: Auth, proofs: Proofs, issuers: Issuers | None) -> None:
        self._auth: Final = auth
        self._proofs: Final = proofs
        self._issuers: Final = issuers
        self._deliveries: Final = Deliveries(signatures.WINDOW)
        # On loopback with nothing configured, or by `open`; `check_exposure` sees to the rest.
        self._anyone: Final = auth.open or not auth.configured

    def refresh(self) -> bool:
        """Take up the secrets of webhooks whose files changed, see `Proofs`."""
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
            raise Refused(Reason.NOT_CONFIGURED, f"auth.webhooks.{source} is not in the settings")
        identity = proof.check(Request(headers, body, now, peer_certificate))
        if identity is not None:
            self._deliveries.check(source, identity, body, now)

    async def caller(
        self, headers: Mapping[str, str], peer_certificate: PeerCertificate | None, now: datetime
    ) -> Caller:
        """See `Access`."""
        self._check_certificate(peer_certificate)
        if not self._auth.proves_callers:
            if self._anyone:
                return Anyone()
            raise Refused(Reason.NOT_CONFIGURED, "the settings have no tokens, certificates or oidc under `auth`")
        if "authorization" not in headers and peer_certificate is not None:
            return self._by_certificate(peer_certificate)
        token = self._bearer(headers)
        if self._issuers is not None and token.startswith(SESSION_PREFIX):
            return self._issuers.session(token)
        if self._issuers is not None and token.count(".") == _JWT_PARTS - 1:
            raise Refused(Reason.NOT_EXCHANGED, "a CI system's token is exchanged at /v1/token first")
        return known_token(token, self._auth.tokens, now)

    async def exchange(self, headers: Mapping[str, str], now: datetime) -> Session:
        """See `Access`."""
        if self._issuers is None:
            raise Refused(Reason.NOT_CONFIGURED, "auth.oidc is not in the settings")
        return await self._issuers.exchange(self._bearer(headers), now)

    @staticmethod
    def _bearer(headers: Mapping[str, str]) -> str:
        if "authorization" not in headers:
            raise Refused(Reason.NO_CREDENTIALS, "no header Authorization")
        return authorization(headers["authorization"].strip(), "Bearer")

    def _check_certificate(self, certificate: PeerCertificate | None) -> None:
        """Where the settings name the clients, a certificate of the same authority is not enough."""
        wanted = self._auth.tls.client_names if self._auth.tls else ()
        if wanted and certificate is not None and certificate_names(certificate).isdisjoint(wanted):
            raise Refused(Reason.UNKNOWN_CERTIFICATE, "the client certificate has no name of auth.tls.client_names")

    def _by_certificate(self, certificate: PeerCertificate) -> Caller:
        names = certificate_names(certificate)
        for each in self._auth.certificates:
            if not names.isdisjoint(each.names):
                return Known(f"certificate {each.name}", Scope.of(each))
        raise Refused(Reason.UNKNOWN_CERTIFICATE, "the client certificate has no name of auth.certificates")


def open_gate(auth: Auth, environ: Mapping[str, str], *, state: Path | None = None, fetch: Fetch = fetch) -> Gate:
    """The gate of these settings, its secrets read.

    `state` is a folder of the sidecar's own that outlives it: used tokens are remembered there, else in memory.

    Raises:
        UsageError: a secret that the settings name is not there, or is none.
    """
    issuers = None
    if auth.oidc is not None:
        used = InMemory() if state is None else InFolder(state)
        issuers = Issuers(auth.oidc, _session_key(auth.oidc, environ), used, fetch)
    return Gate(auth, Proofs(auth.webhooks, environ), issuers)


def _session_key(oidc: Oidc, environ: Mapping[str, str]) -> Secret:
    if oidc.session_key is None:
        return Secret(secrets.token_bytes(_SHORTEST_KEY))
    key = read_secret(oidc.session_key, environ)
    if len(key.reveal()) < _SHORTEST_KEY:
        raise UsageError(f"auth.oidc.session_key: the secret is shorter than {_SHORTEST_KEY} bytes")
    return key
