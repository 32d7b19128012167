"""How a request proves who sends it: a token of the sidecar's own, or a session for the token of a CI job."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import quote

from producers.publisher import Cause
from producers.sidecar.answers import Answer, Then, Verdict, refusal
from producers.sidecar.http import Http, Unanswered
from producers.sidecar.sessions import Session, SessionFile, read_session
from producers.sidecar.settings import Endpoint

Left = Callable[[], float]
"""Tells how many seconds are left, at least a little."""

_TOKEN: Final = "/v1/token"  # noqa: S105 - a path


class Unproven(Exception):
    """There is nothing to prove it by; `verdict` says why, and whether trying again may help."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.problem)
        self.verdict: Final = verdict


class Proof(Protocol):
    """Who we are to a sidecar."""

    def headers(self, left: Left) -> Mapping[str, str]:
        """What a request carries. Raises Unproven."""
        ...

    def renew(self) -> bool:
        """The sidecar did not take it: whether there may be something better."""
        ...


class Token:
    """A bearer token; "" for none, as on loopback or with a certificate."""

    def __init__(self, token: str) -> None:
        self._headers: Final = {"Authorization": f"Bearer {token}"} if token else {}

    def headers(self, left: Left) -> Mapping[str, str]:  # noqa: ARG002 - as Proof
        """See `Proof`."""
        return self._headers

    def renew(self) -> bool:
        """See `Proof`."""
        return False


class Job:
    """A job of GitHub or GitLab, by the token that its CI system gives it: exchanged once, for a session."""

    def __init__(
        self,
        endpoint: Endpoint,
        http: Http,
        kept: SessionFile,
        *,
        github: Http | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._endpoint = endpoint
        self._http = http
        self._github = github or Http()
        self._kept = kept
        self._now = now
        self._session: Session | None = None

    def headers(self, left: Left) -> Mapping[str, str]:
        """See `Proof`."""
        if self._session is None or not self._session.good(self._now()):
            self._session = self._kept.read(self._now()) or self._exchange(left)
        return {"Authorization": f"Bearer {self._session.token}"}

    def renew(self) -> bool:
        """See `Proof`."""
        self._session = None
        self._kept.forget()
        return True

    def _exchange(self, left: Left) -> Session:
        headers = {"Authorization": f"Bearer {self._endpoint.id_token or self._of_github(left)}"}
        try:
            answer = self._http.ask("POST", self._endpoint.url + _TOKEN, headers, left(), b"")
        except Unanswered as error:
            raise _unproven(error) from error
        session = read_session(answer.json()) if answer.status == 200 else None  # noqa: PLR2004 - HTTP
        if session is None:
            raise Unproven(_no_session(answer))
        self._kept.write(session)
        return session

    def _of_github(self, left: Left) -> str:
        """A token for this job, made out to the sidecar."""
        url = self._endpoint.request_url
        url += f"{'&' if '?' in url else '?'}audience={quote(self._endpoint.audience, safe='')}"
        headers = {"Authorization": f"Bearer {self._endpoint.request_token}", "Accept": "application/json"}
        try:
            answer = self._github.ask("GET", url, headers, left())
        except Unanswered as error:
            raise Unproven(Verdict(Then.RETRY, problem=f"GitHub gives this job no token: {error}")) from error
        token = answer.json().get("value")
        if answer.status != 200 or not isinstance(token, str) or not token:  # noqa: PLR2004 - HTTP
            again = refusal(answer).then is Then.RETRY
            then, cause = (Then.RETRY, Cause.UNREACHABLE) if again else (Then.STOP, Cause.CREDENTIALS)
            raise Unproven(Verdict(then, cause, f"GitHub gives this job no token: it answers {answer.status}"))
        return token


def _unproven(error: Unanswered) -> Unproven:
    then = Then.RETRY if error.cause is Cause.UNREACHABLE else Then.STOP
    return Unproven(Verdict(then, error.cause, str(error)))


def _no_session(answer: Answer) -> Verdict:
    if answer.status == 200:  # noqa: PLR2004 - HTTP
        return Verdict(Then.STOP, problem="gives no session as a sidecar does; check the address")
    verdict = refusal(answer)
    if verdict.then is Then.RETRY or verdict.cause is Cause.UNREACHABLE:
        return verdict
    return Verdict(Then.STOP, Cause.CREDENTIALS, f"{verdict.problem} (the job's token, at {_TOKEN})")


def proof_of(endpoint: Endpoint, http: Http, environ: Mapping[str, str]) -> Proof:
    """Who we are, by what the environment had; it also says where temporary files go, such as a job's session."""
    if endpoint.token or not (endpoint.id_token or endpoint.request_token):
        return Token(endpoint.token)
    mark = (endpoint.url, endpoint.audience, endpoint.id_token or endpoint.request_token)
    folder = environ.get("RUNNER_TEMP") or environ.get("TMPDIR") or "/tmp"  # noqa: S108 - see `SessionFile`
    return Job(endpoint, http, SessionFile(folder, mark))
