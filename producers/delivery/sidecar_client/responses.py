"""Interpret responses of a sidecar. Pure."""

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from producers.delivery.publisher import FailureCause
from schemas.errors import one_line


class SidecarResponse(NamedTuple):
    """An answer over HTTP. Headers are by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Mapping[str, Any]:
        """Return the JSON object of the body; empty if it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class NextAction(Enum):
    """What to do after an answer."""

    DONE = auto()
    RETRY = auto()
    """The same request may be accepted later."""
    APART = auto()
    """The fault lies in one event of the request: the others may be accepted without it."""
    RENEW = auto()
    """The credentials are refused; others may be accepted."""
    STOP = auto()
    """No request of this kind will be accepted."""


class ResponseVerdict(NamedTuple):
    """What an answer means: what to do, and, if it is no success, why and whose fault it is."""

    then: NextAction
    cause: FailureCause = FailureCause.UNREACHABLE
    problem: str = ""
    retry_after: float | None = None
    """Seconds that the sidecar asks to wait."""


MAX_TEXT_SHOWN: Final = 500
"""Characters of what a server says that are repeated."""

_OF_ONE_EVENT: Final = frozenset({"wrong_scope", "claim_mismatch", "no_environment", "wrong_trigger"})
"""Reasons of a 403 that are about an event, and not about who sends it."""

_UNKNOWN: Final = 401
_NOT_ALLOWED: Final = frozenset({_UNKNOWN, 403})
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT: Final = frozenset({400, 413, 422})
_REDIRECTS: Final = range(300, 400)
_SUCCESS: Final = range(200, 300)

_HINTS: Final[Mapping[str, str]] = {
    "no_credentials": "set CANDORA_SIDECAR_TOKEN, or let the job have its CI system's token (GitHub: permissions: "
    "id-token: write; GitLab: id_tokens: CANDORA_ID_TOKEN)",
    "not_configured": "its settings (auth) do not have this way to prove who one is",
    "wrong_secret": "it does not know this token",
    "expired": "the token has expired",
    "replayed": "the job's token was exchanged before, and the session is lost; docs/security.md says how it is kept",
    "wrong_audience": "CANDORA_SIDECAR_AUDIENCE must be what auth.oidc.audience is there",
    "wrong_issuer": "auth.oidc does not have this CI system, or it is a session of another sidecar",
}


def judge(answer: SidecarResponse, ids: frozenset[str]) -> ResponseVerdict:
    """Interpret a response of `POST /v1/events` to events with these ids."""
    said = answer.json()
    if answer.status in _SUCCESS:
        names = said.get("events")
        if isinstance(names, list) and ids.issubset(map(str, names)):
            return ResponseVerdict(NextAction.DONE)
        return ResponseVerdict(
            NextAction.STOP, problem=f"answers {answer.status}, but not as a sidecar does; check the address"
        )
    return refusal(answer)


def refusal(answer: SidecarResponse) -> ResponseVerdict:
    """Interpret a response to any request that is no success."""
    said, status = answer.json(), answer.status
    reason = _text(said.get("reason"))
    answered = f"{status} {_text(said.get('error'))}".strip() + (f" ({reason})" if reason else "")
    if status in _NOT_ALLOWED:
        return _not_allowed(status, reason, answered)
    if status in _CONTENT:
        return ResponseVerdict(NextAction.APART, FailureCause.MESSAGE, f"does not take it: {answered}{_where(said)}")
    if status in _AGAIN:
        return ResponseVerdict(
            NextAction.RETRY, FailureCause.UNREACHABLE, f"does not take it now: {answered}", _seconds(answer)
        )
    if status in _REDIRECTS:
        problem = f"redirects ({status}), which is not followed; give the address that it redirects to"
        return ResponseVerdict(NextAction.STOP, FailureCause.UNREACHABLE, problem)
    return ResponseVerdict(
        NextAction.STOP, FailureCause.UNREACHABLE, f"answers {status}, as no sidecar does; check the address"
    )


def _not_allowed(status: int, reason: str, answered: str) -> ResponseVerdict:
    if status == _UNKNOWN:
        hint = _HINTS.get(reason, "check the credentials")
        return ResponseVerdict(
            NextAction.RENEW, FailureCause.CREDENTIALS, f"refuses the credentials: {answered}; {hint}"
        )
    if reason in _OF_ONE_EVENT:
        return ResponseVerdict(NextAction.APART, FailureCause.FORBIDDEN, f"does not let us report this: {answered}")
    return ResponseVerdict(NextAction.STOP, FailureCause.CREDENTIALS, f"does not let us in: {answered}")


def _where(said: Mapping[str, Any]) -> str:
    """Return the field, problem and hint that the error text does not contain already."""
    parts = [_text(said.get(name)) for name in ("path", "problem", "hint")]
    error = _text(said.get("error"))
    missing = [part for part in parts if part and part not in error]
    return f"; {': '.join(missing)}" if missing else ""


def _text(value: object) -> str:
    return one_line(value)[:MAX_TEXT_SHOWN] if isinstance(value, str) else ""


def _seconds(answer: SidecarResponse) -> float | None:
    """Parse `Retry-After`, seconds or a date; None if absent or invalid."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        then = parsedate_to_datetime(text)
        return max(0.0, (then - parsedate_to_datetime(answer.headers.get("date", ""))).total_seconds())
    except (ValueError, TypeError):  # TypeError: only one of the two has a time zone
        return None
