"""Whether a sidecar answers, has room, and takes our credentials; and what time it has."""

import time
from collections.abc import Callable, Generator
from email.utils import parsedate_to_datetime
from typing import Final

from producers.config import ProducerConfig
from producers.delivery.outcomes import EXIT_CODES
from producers.delivery.publisher import DeliveryFailure, FailureCause, Message, Outcome, SidecarReceipt
from producers.delivery.sidecar_client.credentials import CredentialUnavailable, proof_of
from producers.delivery.sidecar_client.http import HttpClient, NoResponse
from producers.delivery.sidecar_client.publisher import open_sidecar, post_events
from producers.delivery.sidecar_client.responses import NextAction, SidecarResponse, judge
from producers.delivery.sidecar_client.settings import Endpoint, read_endpoint
from producers.doctor.finding import CheckResult, CheckStatus, ok, problem, unknown, warning
from producers.errors import ExitCode, UsageError
from schemas.errors import one_line

NAME: Final = "sidecar"
_LOOPBACK: Final = ("http://localhost", "http://127.", "http://[::1]")
_OK: Final = 200
_UNAVAILABLE: Final = 503
_REACH: Final = "check the address, the firewall between here and there, the proxy variables, and that it runs"


def check_sidecar(
    url: str, config: ProducerConfig, limit: float, clock: Callable[[], float] = time.time
) -> Generator[CheckResult, None, tuple[bool, float | None]]:
    """Ask the sidecar, `limit` seconds at most for each of two questions.

    Yields the findings; gives whether it takes our credentials, and by how many seconds its clock is ahead of ours,
    None if unknown.
    """
    try:
        endpoint = read_endpoint(url, config.sidecar_environ)
    except UsageError as error:
        yield problem("settings", str(error), "fix it", ExitCode.USAGE)
        return False, None
    yield ok("settings", f"the sidecar {endpoint.url}, waiting {config.timeout:g} s at most")
    yield _means(endpoint)
    http = HttpClient(endpoint.tls)
    before = clock()
    try:
        answer = http.ask("GET", f"{endpoint.url}/readyz", {}, limit)
    except NoResponse as error:
        yield problem(NAME, f"{endpoint.url}: {error}", _REACH, EXIT_CODES[error.cause])
        return False, None
    ahead = _ahead(answer, (before + clock()) / 2)
    yield _readiness(endpoint.url, answer)
    credentials = _credentials(endpoint, http, config, limit)
    yield credentials
    return credentials.status is CheckStatus.OK, ahead


def _means(endpoint: Endpoint) -> CheckResult:
    """Check which credentials are sent, and whether they are encrypted on the way."""
    if endpoint.token:
        means = "a bearer token"
    elif endpoint.id_token:
        means = f"the job's own token (CANDORA_ID_TOKEN), made out to {endpoint.audience}"
    elif endpoint.request_token:
        means = f"the job's own token of GitHub, made out to {endpoint.audience}"
    else:
        means = "no credentials" if not endpoint.certificate else ""
    means = " and ".join(part for part in (means, "a client certificate" if endpoint.certificate else "") if part)
    if endpoint.tls is None and means != "no credentials" and not endpoint.url.startswith(_LOOPBACK):
        return warning("security", f"{means}, over http", "use https: what is sent can be read on the way")
    return ok("security", f"{means}, over {'http' if endpoint.tls is None else 'https'}")


def _readiness(url: str, answer: SidecarResponse) -> CheckResult:
    if answer.status == _OK:
        return ok(NAME, f"{url} answers and has room")
    if answer.status == _UNAVAILABLE:
        text = f"{url} does not take events now: {_said(answer)}"
        return problem(NAME, text, "its operator has to fix it", ExitCode.NOT_DELIVERED)
    return unknown(NAME, f"{url} answers {answer.status} for /readyz; something may stand in front of it")


def _said(answer: SidecarResponse) -> str:
    """Return the body of a response on one line."""
    return one_line(answer.body.decode("utf-8", "replace").strip())[:200]


def _credentials(endpoint: Endpoint, http: HttpClient, config: ProducerConfig, limit: float) -> CheckResult:
    """Check the credentials with an empty list of events, which is authenticated like any other."""
    proof = proof_of(endpoint, http, config.sidecar_environ)
    end = time.monotonic() + limit
    try:
        answer = post_events(endpoint.url, http, proof, b"[]", lambda: max(0.1, end - time.monotonic()))
        verdict = judge(answer, frozenset())
    except CredentialUnavailable as error:
        verdict = error.verdict
    except NoResponse as error:
        return problem("credentials", str(error), _REACH, EXIT_CODES[error.cause])
    if verdict.then is NextAction.DONE:
        return ok("credentials", "it takes events from us; of which services it says to each event only")
    advice = "see docs/security.md" if verdict.cause is FailureCause.CREDENTIALS else _REACH
    return problem("credentials", verdict.problem, advice, EXIT_CODES[verdict.cause])


def send_trial(url: str, config: ProducerConfig, event_id: str, value: bytes, limit: float) -> CheckResult:
    """Send one synthetic event."""
    found: list[Outcome] = []
    publisher = open_sidecar(url, config.sidecar_environ, timeout=limit)
    publisher.publish([Message(event_id, b"", value)], lambda _, outcome: found.append(outcome))
    match found:
        case [SidecarReceipt()]:
            return ok("send", "the sidecar has it on its disk")
        case [DeliveryFailure() as failure]:
            advice = "let these credentials report for the service candora-doctor"
            advice = advice if failure.cause is FailureCause.FORBIDDEN else "see what is said above"
            return problem("send", failure.problem, advice, EXIT_CODES[failure.cause])
    return problem("send", "nothing came of it", "see what is said above", ExitCode.NOT_DELIVERED)


def _ahead(answer: SidecarResponse, here: float) -> float | None:
    """Return how many seconds the sidecar's clock is ahead, to about a second."""
    try:
        # The header has whole seconds: on average it is half of one late.
        return parsedate_to_datetime(answer.headers["date"]).timestamp() + 0.5 - here
    except (KeyError, ValueError):
        return None
