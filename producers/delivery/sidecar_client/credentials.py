"""Authenticate requests: by a bearer token of the sidecar, or a session obtained with the token of a CI job."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import quote

from producers.delivery.publisher import FailureCause
from producers.delivery.sidecar_client.http import HttpClient, NoResponse
from producers.delivery.sidecar_client.responses import NextAction, ResponseVerdict, SidecarResponse, refusal
from producers.delivery.sidecar_client.sessions import CachedSession, SessionFile, read_session
from producers.delivery.sidecar_client.settings import Endpoint

Left = Callable[[], float]
"""Returns the seconds left, at least a little."""

_TOKEN: Final = "/v1/token"  # noqa: S105 - a path


class CredentialUnavailable(Exception):
    """No credential can be obtained; `verdict` says why, and whether a retry may help."""

    def __init__(self, verdict: ResponseVerdict) -> None:
        super().__init__(verdict.problem)
        self.verdict: Final = verdict


class Credential(Protocol):
    """Authentication of requests to a sidecar."""

    def headers(self, left: Left) -> Mapping[str, str]:
        """Return the headers of a request. Raises CredentialUnavailable."""
        ...

    def renew(self) -> bool:
        """Drop a refused credential; return whether another one can be obtained."""
        ...


class TokenCredential:
    """A bearer token; "" for none, as on loopback or with a certificate."""

    def __init__(self, token: str) -> None:
        self._headers: Final = {"Authorization": f"Bearer {token}"} if token else {}

    def headers(self, left: Left) -> Mapping[str, str]:  # noqa: ARG002 - as Credential
        """See `Credential`."""
        return self._headers

    def renew(self) -> bool:
        """See `Credential`."""
        return False


class CiJobCredential:
    """A job of GitHub or GitLab, by the token that its CI system gives it: exchanged once, for a session."""

    def __init__(
        self,
        endpoint: Endpoint,
        http: HttpClient,
        session_file: SessionFile,
        *,
        github: HttpClient | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._endpoint = endpoint
        self._http = http
        self._github = github or HttpClient()
        self._session_file = session_file
        self._now = now
        self._session: CachedSession | None = None

    def headers(self, left: Left) -> Mapping[str, str]:
        """See `Credential`."""
        if self._session is None or not self._session.good(self._now()):
            self._session = self._session_file.read(self._now()) or self._exchange(left)
        return {"Authorization": f"Bearer {self._session.token}"}

    def renew(self) -> bool:
        """See `Credential`."""
        self._session = None
        self._session_file.forget()
        return True

    def _exchange(self, left: Left) -> CachedSession:
        headers = {"Authorization": f"Bearer {self._endpoint.id_token or self._of_github(left)}"}
        try:
            answer = self._http.ask("POST", self._endpoint.url + _TOKEN, headers, left(), b"")
        except NoResponse as error:
            raise _unavailable(error) from error
        session = read_session(answer.json()) if answer.status == 200 else None  # noqa: PLR2004 - HTTP
        if session is None:
            raise CredentialUnavailable(_no_session(answer))
        self._session_file.write(session)
        return session

    def _of_github(self, left: Left) -> str:
        """Request a token of GitHub for this job, with the sidecar as its audience."""
        url = self._endpoint.request_url
        url += f"{'&' if '?' in url else '?'}audience={quote(self._endpoint.audience, safe='')}"
        headers = {"Authorization": f"Bearer {self._endpoint.request_token}", "Accept": "application/json"}
        try:
            answer = self._github.ask("GET", url, headers, left())
        except NoResponse as error:
            raise CredentialUnavailable(
                ResponseVerdict(NextAction.RETRY, problem=f"GitHub gives this job no token: {error}")
            ) from error
        token = answer.json().get("value")
        if answer.status != 200 or not isinstance(token, str) or not token:  # noqa: PLR2004 - HTTP
            again = refusal(answer).then is NextAction.RETRY
            then, cause = (
                (NextAction.RETRY, FailureCause.UNREACHABLE) if again else (NextAction.STOP, FailureCause.CREDENTIALS)
            )
            raise CredentialUnavailable(
                ResponseVerdict(then, cause, f"GitHub gives this job no token: it answers {answer.status}")
            )
        return token


def _unavailable(error: NoResponse) -> CredentialUnavailable:
    then = NextAction.RETRY if error.cause is FailureCause.UNREACHABLE else NextAction.STOP
    return CredentialUnavailable(ResponseVerdict(then, error.cause, str(error)))


def _no_session(answer: SidecarResponse) -> ResponseVerdict:
    if answer.status == 200:  # noqa: PLR2004 - HTTP
        return ResponseVerdict(NextAction.STOP, problem="gives no session as a sidecar does; check the address")
    verdict = refusal(answer)
    if verdict.then is NextAction.RETRY or verdict.cause is FailureCause.UNREACHABLE:
        return verdict
    return ResponseVerdict(
        NextAction.STOP, FailureCause.CREDENTIALS, f"{verdict.problem} (the job's token, at {_TOKEN})"
    )


def proof_of(endpoint: Endpoint, http: HttpClient, environ: Mapping[str, str]) -> Credential:
    """Choose the credential of an endpoint. `environ` names the folder of temporary files, for a job's session."""
    if endpoint.token or not (endpoint.id_token or endpoint.request_token):
        return TokenCredential(endpoint.token)
    mark = (endpoint.url, endpoint.audience, endpoint.id_token or endpoint.request_token)
    folder = environ.get("RUNNER_TEMP") or environ.get("TMPDIR") or "/tmp"  # noqa: S108 - see `SessionFile`
    return CiJobCredential(endpoint, http, SessionFile(folder, mark))
