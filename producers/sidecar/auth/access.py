"""Who may speak to the sidecar: what the web application asks, and how it is refused. `auth` answers."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

PeerCertificate = Mapping[str, Any]
"""A client's certificate, its chain verified by TLS, as `ssl.SSLSocket.getpeercert()` gives it."""


class RefusalReason(StrEnum):
    """Why a request is refused: a closed set, for a label of a metric and a word in the log."""

    NO_CREDENTIALS = "no_credentials"
    """None were sent, or not of the kind that is configured."""
    NOT_CONFIGURED = "not_configured"
    """Nobody has said how this source or kind of caller proves itself."""
    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    WRONG_SECRET = "wrong_secret"  # noqa: S105 - a label
    STALE = "stale"
    FUTURE = "future"
    REPLAYED = "replayed"
    EXPIRED = "expired"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_ALGORITHM = "wrong_algorithm"
    UNKNOWN_KEY = "unknown_key"
    MISSING_CLAIM = "missing_claim"
    NOT_EXCHANGED = "not_exchanged"
    """A CI system's own token where a session is asked for: `POST /v1/token` gives one for it."""
    UNKNOWN_CERTIFICATE = "unknown_certificate"
    WRONG_REPOSITORY = "wrong_repository"
    WRONG_WORKFLOW = "wrong_workflow"
    WRONG_TRIGGER = "wrong_trigger"
    WRONG_SCOPE = "wrong_scope"
    CLAIM_MISMATCH = "claim_mismatch"
    NO_ENVIRONMENT = "no_environment"
    UNAVAILABLE = "unavailable"
    """Not the caller's fault: the issuer's keys, or the memory of used tokens, cannot be read now. Try again."""


_FORBIDDEN: Final = frozenset(
    {
        RefusalReason.WRONG_REPOSITORY,
        RefusalReason.WRONG_WORKFLOW,
        RefusalReason.WRONG_TRIGGER,
        RefusalReason.WRONG_SCOPE,
        RefusalReason.CLAIM_MISMATCH,
        RefusalReason.NO_ENVIRONMENT,
    }
)


class AccessRefused(Exception):
    """A request that may not be acted on.

    The message is for the log, and for the caller if the status is 403 or 503: it says what to do and holds no secret.
    With 401 a caller of events or tokens is told the reason alone, and a webhook nothing: an unknown source and a
    wrong signature look the same.
    """

    def __init__(self, reason: RefusalReason, message: str) -> None:
        super().__init__(message)
        self.reason: Final = reason

    @property
    def status(self) -> int:
        """HTTP: 401 not who they say they are, 403 known but not allowed, 503 not to be found out at the moment."""
        if self.reason is RefusalReason.UNAVAILABLE:
            return 503
        return 403 if self.reason in _FORBIDDEN else 401


class Caller(Protocol):
    """Somebody who proved who they are."""

    @property
    def name(self) -> str:
        """For the log and the rate limit, such as "token shop-ci" or "github acme/shop"."""
        ...

    def bind(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The event, as JSON has it, with what the credentials prove written over what it says. `event` stays.

        To be called before an `event_id` is derived: the run that the credentials name may be part of it.

        Raises:
            Refused: the caller may not report this (`wrong_scope`, `no_environment`), or the event contradicts the
                credentials (`claim_mismatch`).
            InvalidEvent: a part of the event that is looked at is not of the contract's shape.
        """
        ...


class SessionGrant(NamedTuple):
    """What a CI system's token is exchanged for: a bearer token bound to that run."""

    token: str
    expires_at: datetime


class Access(Protocol):
    """The gate. Headers are by lower-case name; `now` is aware."""

    async def webhook(
        self,
        source: str,
        headers: Mapping[str, str],
        body: bytes,
        now: datetime,
        peer_certificate: PeerCertificate | None = None,
    ) -> None:
        """Let a delivery of this source (canonical name) pass; `body` as it came over the wire.

        Raises:
            Refused: it is not authentic.
        """
        ...

    async def caller(
        self, headers: Mapping[str, str], peer_certificate: PeerCertificate | None, now: datetime
    ) -> Caller:
        """Who calls `POST /v1/events`.

        Raises:
            Refused: nobody we know.
        """
        ...

    async def exchange(self, headers: Mapping[str, str], now: datetime) -> SessionGrant:
        """A session for the CI system's token in `Authorization: Bearer …`, for `POST /v1/token`. Once per token.

        Raises:
            Refused: the token is not good, not for us, used before, or of a run that may report nothing.
        """
        ...
