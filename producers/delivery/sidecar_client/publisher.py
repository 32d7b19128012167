"""A sidecar behind the publisher port: events leave as the contract's JSON, several in a request."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from producers.delivery.publisher import DeliveryFailure, FailureCause, Message, Outcome, SidecarReceipt
from producers.delivery.sidecar_client.credentials import Credential, CredentialUnavailable, Left, proof_of
from producers.delivery.sidecar_client.http import HttpClient, NoResponse
from producers.delivery.sidecar_client.responses import NextAction, ResponseVerdict, SidecarResponse, judge
from producers.delivery.sidecar_client.settings import read_endpoint
from producers.events.event_json import event_json
from producers.spool.message_file import EVENTS
from schemas.errors import ContractError
from schemas.ids import pinned_decoder

MOST: Final = 200
"""Events in a request: what a disk syncs well within the two seconds that a sidecar gives it."""
MOST_BYTES: Final = 256 * 1024
"""Of a request; a sidecar takes four times as much unless its settings say less."""
FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 2.0
"""Seconds between two attempts, unless the sidecar says how long."""

_LEAST: Final = 0.1
_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "candora-ci"}

Report = Callable[[Message, Outcome], None]


class _Item(NamedTuple):
    """A message, and its event as JSON."""

    message: Message
    text: bytes


class SidecarPublisher:
    """A `Publisher` to one sidecar. What it acknowledges is on its disk.

    A request that is refused for what is in it is sent again in halves, until the event at fault stands alone: the
    others are accepted. Sending again is harmless, for an event's identity is in it.
    """

    def __init__(
        self,
        url: str,
        http: HttpClient,
        proof: Credential,
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url
        self._http = http
        self._proof = proof
        self._timeout = timeout
        self._clock = clock
        self._sleep = sleep
        self._deadline = 0.0
        self._failure: DeliveryFailure | None = None

    def publish(self, messages: Iterable[Message], report: Report) -> None:
        """Send the messages and report the outcome of each, see `Publisher`."""
        self._failure = None
        self._extend()
        for batch in _batches(messages, report):
            if not self._send(batch, report):
                return

    def close(self) -> None:
        """Do nothing: no connection is kept between requests."""

    def _send(self, batch: list[_Item], report: Report) -> bool:
        """Send a batch and report each message; return whether more can be sent."""
        verdict = self._ask(batch) if self._failure is None else None
        if verdict is not None and verdict.then is NextAction.APART and len(batch) > 1:
            middle = len(batch) // 2
            self._send(batch[:middle], report)
            return self._send(batch[middle:], report)
        outcome = self._outcome(verdict)
        for item in batch:
            report(item.message, outcome)
        return self._failure is None

    def _outcome(self, verdict: ResponseVerdict | None) -> Outcome:
        if self._failure is not None or verdict is None:
            return self._failure or DeliveryFailure(FailureCause.UNREACHABLE, "not tried")
        if verdict.then is NextAction.DONE:
            self._extend()
            return SidecarReceipt(self._url)
        failure = DeliveryFailure(verdict.cause, f"the sidecar {self._url}: {verdict.problem}")
        if verdict.then is not NextAction.APART:
            self._failure = failure
        return failure

    def _ask(self, batch: list[_Item]) -> ResponseVerdict:
        """Retry until the batch is accepted or refused, or time is up."""
        body = b"[" + b",".join(item.text for item in batch) + b"]"
        ids = frozenset(item.message.event_id for item in batch)
        pause, renewed = FIRST_PAUSE, False
        while True:
            verdict = self._attempt(body, ids)
            if verdict.then is NextAction.RENEW and not renewed and self._proof.renew():
                renewed = True
                continue
            if verdict.then is not NextAction.RETRY:
                return verdict
            wait = max(pause, verdict.retry_after or 0.0)
            if self._clock() + wait >= self._deadline:
                return self._given_up(verdict)
            self._sleep(wait)
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _given_up(self, verdict: ResponseVerdict) -> ResponseVerdict:
        later = verdict.retry_after
        pause = f", and asks to come back in {later:g} s" if later else ""
        return verdict._replace(problem=f"did not take it within {self._timeout:g} s: {verdict.problem}{pause}")

    def _attempt(self, body: bytes, ids: frozenset[str]) -> ResponseVerdict:
        try:
            return judge(post_events(self._url, self._http, self._proof, body, self._left), ids)
        except CredentialUnavailable as error:
            return error.verdict
        except NoResponse as error:
            then = NextAction.RETRY if error.cause is FailureCause.UNREACHABLE else NextAction.STOP
            return ResponseVerdict(then, error.cause, str(error))

    def _left(self) -> float:
        return max(_LEAST, self._deadline - self._clock())

    def _extend(self) -> None:
        self._deadline = self._clock() + self._timeout


def post_events(url: str, http: HttpClient, proof: Credential, body: bytes, left: Left) -> SidecarResponse:
    """Post a JSON list of events and return the response.

    Raises:
        CredentialUnavailable, NoResponse: there is none.
    """
    return http.ask("POST", f"{url}/v1/events", {**_HEADERS, **proof.headers(left)}, left(), body)


def _batches(messages: Iterable[Message], report: Report) -> Iterator[list[_Item]]:
    """Yield the messages in batches of one request each. Those that cannot be sent as JSON are reported at once."""
    batch: list[_Item] = []
    size = 0
    for message in messages:
        item = _item(message)
        if isinstance(item, DeliveryFailure):
            report(message, item)
            continue
        if batch and size + len(item.text) > MOST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item.text)
        if len(batch) == MOST:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _item(message: Message) -> _Item | DeliveryFailure:
    if message.topic not in {"", EVENTS}:
        return DeliveryFailure(
            FailureCause.NOT_CONFIGURED, f"a message for {message.topic} goes to Kafka itself: give --bootstrap-servers"
        )
    try:
        value = pinned_decoder("deploy_event").decode(message.value)
    except ContractError as error:
        return DeliveryFailure(FailureCause.MESSAGE, f"cannot be read, so that it cannot be sent as JSON: {error}")
    return _Item(message, json.dumps(event_json(value), separators=(",", ":")).encode())


def open_sidecar(url: str, environ: Mapping[str, str], *, timeout: float) -> SidecarPublisher:
    """Open a publisher to a sidecar, with the credentials in the environment.

    Raises:
        UsageError: a setting cannot be; the message names it, and has no value in it.
    """
    endpoint = read_endpoint(url, environ)
    http = HttpClient(endpoint.tls)
    return SidecarPublisher(endpoint.url, http, proof_of(endpoint, http, environ), timeout=timeout)
