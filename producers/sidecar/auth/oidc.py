"""Tokens of CI systems (OpenID Connect): verified as PyPI verifies those of its trusted publishers.

RS256 and nothing else; the issuer out of our own list; an audience that is ours and the only one; every token once.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from producers.sidecar.auth import github, gitlab
from producers.sidecar.auth.access import AccessRefused, RefusalReason, SessionGrant
from producers.sidecar.auth.jwks import Fetch, KeySet
from producers.sidecar.auth.run import Claims, VerifiedRun, claim
from producers.sidecar.auth.secret import Secret
from producers.sidecar.auth.settings import GitHubIssuerSettings, GitLabIssuerSettings, OidcSettings
from producers.sidecar.auth.used_tokens import UsedTokens

LEEWAY: Final = 30.0
"""Seconds that two clocks may differ by: the issuer's and ours, or those of two replicas."""
REQUIRED: Final = ("iss", "iat", "exp", "aud", "jti")
SESSION_PREFIX: Final = "candora_session_"

_SESSION_ISSUER: Final = "candora"
_SESSION_ALGORITHM: Final = "HS256"

_REASONS: Final[tuple[tuple[type[jwt.PyJWTError], RefusalReason], ...]] = (
    (jwt.ExpiredSignatureError, RefusalReason.EXPIRED),
    (jwt.ImmatureSignatureError, RefusalReason.FUTURE),
    (jwt.InvalidAudienceError, RefusalReason.WRONG_AUDIENCE),
    (jwt.InvalidIssuerError, RefusalReason.WRONG_ISSUER),
    (jwt.InvalidAlgorithmError, RefusalReason.WRONG_ALGORITHM),
    (jwt.MissingRequiredClaimError, RefusalReason.MISSING_CLAIM),
    (jwt.InvalidSignatureError, RefusalReason.BAD_SIGNATURE),
)
"""The first that fits; what is not here is malformed."""


class Issuers:
    """The issuers of the settings: verifies their tokens, and gives sessions for them."""

    def __init__(self, settings: OidcSettings, session_key: Secret, used: UsedTokens, fetch: Fetch) -> None:
        self._settings: Final = settings
        self._key: Final = session_key
        self._used: Final = used
        issuers: tuple[GitHubIssuerSettings | GitLabIssuerSettings, ...] = (*settings.github, *settings.gitlab)
        self._issuers: Final = {each.issuer: each for each in issuers}
        self._keys: Final = {each.issuer: KeySet(each.keys, fetch) for each in issuers}

    async def exchange(self, token: str, now: datetime) -> SessionGrant:
        """A session for a token that is good. See `Access.exchange`."""
        claims = await self._verified(token, now)
        issuer = claim(claims, "iss")
        self._read(issuer, claims)
        self._used.use(f"{issuer} {claim(claims, 'jti')}", datetime.fromtimestamp(int(claims["exp"]), UTC), now)
        expires = now + timedelta(microseconds=self._settings.session)
        kept = {name: claims[name] for name in github.CLAIMS | gitlab.CLAIMS if name in claims}
        payload = {
            "iss": _SESSION_ISSUER,
            "aud": self._settings.audience,
            "iat": now,
            "exp": expires,
            "issuer": issuer,
            "claims": kept,
        }
        return SessionGrant(SESSION_PREFIX + jwt.encode(payload, self._key.reveal(), _SESSION_ALGORITHM), expires)

    def session(self, token: str) -> VerifiedRun:
        """Whose session it is. What the settings say of the repository now is what counts.

        Raises:
            Refused: it is not one of ours, or has expired.
        """
        payload = _decoded(
            token.removeprefix(SESSION_PREFIX),
            self._key.reveal(),
            _SESSION_ALGORITHM,
            issuer=_SESSION_ISSUER,
            audience=self._settings.audience,
            required=("iss", "iat", "exp", "aud", "issuer", "claims"),
        )
        return self._read(payload["issuer"], payload["claims"])

    async def _verified(self, token: str, now: datetime) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise AccessRefused(RefusalReason.MALFORMED, "the bearer token is no JSON Web Token") from None
        if header.get("alg") != "RS256":
            raise AccessRefused(RefusalReason.WRONG_ALGORITHM, "the token is not signed by RS256")
        issuer, key_id = unverified.get("iss"), header.get("kid")
        if not isinstance(issuer, str) or issuer not in self._issuers:
            raise AccessRefused(RefusalReason.WRONG_ISSUER, "the token's issuer is not in the settings")
        if not isinstance(key_id, str):
            raise AccessRefused(RefusalReason.UNKNOWN_KEY, "the token names no key")
        key = await self._keys[issuer].key(key_id, now)
        audience = self._settings.audience
        return _decoded(token, key, "RS256", issuer=issuer, audience=audience, required=REQUIRED)

    def _read(self, issuer: str, claims: Claims) -> VerifiedRun:
        match self._issuers.get(issuer):
            case GitHubIssuerSettings() as found:
                return github.read_run(claims, found)
            case GitLabIssuerSettings() as found:
                return gitlab.read_run(claims, found)
            case None:
                raise AccessRefused(RefusalReason.WRONG_ISSUER, "the session's issuer is no longer in the settings")


def _decoded(
    token: str,
    key: jwt.PyJWK | bytes,
    algorithm: str,
    *,
    issuer: str,
    audience: str,
    required: tuple[str, ...],
) -> Mapping[str, Any]:
    """The claims of a token whose signature, time, issuer and audience hold. The time is this machine's."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            audience=audience,
            leeway=LEEWAY,
            # Said one by one, though most are the library's defaults: this is what the whole gate rests on.
            options={
                "verify_signature": True,
                "verify_exp": True,
                "verify_iat": True,
                "verify_nbf": True,
                "verify_iss": True,
                "verify_aud": True,
                "strict_aud": True,
                "require": list(required),
            },
        )
    except jwt.PyJWTError as error:
        reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), RefusalReason.MALFORMED)
        raise AccessRefused(reason, f"the token is refused: {reason}") from None
    return claims
