"""The HTTP side of the sidecar: what each address answers. Everything from outside is handed in."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar
from uuid import uuid4

from aiohttp import web

from producers.delivery.encoder import InstallationEncoder
from producers.sidecar.auth.access import Access, AccessRefused, PeerCertificate, RefusalReason
from producers.sidecar.cloudevents import items_of
from producers.sidecar.event_mapper import MappedRequest, map_events, map_webhook
from producers.sidecar.limits import Capacity, CapacityLease, TokenBuckets
from producers.sidecar.metrics import CALLERS, TOKENS, UNKNOWN, SidecarMetrics
from producers.sidecar.rejections import RequestRejected
from producers.sidecar.settings import LimitSettings
from producers.sidecar.slo.gate import SloGate
from producers.sidecar.spool_writer import SpoolWriter
from producers.sidecar.webhooks.reading import NameResolver
from producers.sidecar.webhooks.sources import UnknownSource, find_source
from schemas.errors import ContractError, one_line

log = logging.getLogger("candora.sidecar")

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CHUNK: Final = 65_536
_LARGE: Final = 65_536
"""Bytes of a body that is read in a thread, so that other requests need not wait for it."""
_DELIVERY_IDS: Final = ("x-github-delivery", "x-webhook-id", "webhook-id", "idempotency-key", "ce-id")
_NO_STORE: Final = {"Cache-Control": "no-store"}
_FORBIDDEN: Final = 403
_UNAVAILABLE: Final = 503


@dataclass
class SidecarApp:
    """What the handlers need."""

    access: Access
    names: NameResolver
    encoding: InstallationEncoder
    writer: SpoolWriter
    metrics: SidecarMetrics
    limits: LimitSettings
    slo: SloGate | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    stopping: bool = False
    rates: TokenBuckets = field(init=False)
    requests: Capacity = field(init=False)
    buffered: Capacity = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing used."""
        self.rates = TokenBuckets(self.limits.rate, self.limits.burst, self.clock)
        self.requests = Capacity(self.limits.in_flight)
        self.buffered = Capacity(self.limits.buffered)
        self.metrics.in_flight.set_function(lambda: self.requests.used)

    def app(self) -> web.Application:
        """What listens to senders."""
        app = web.Application(middlewares=[self._guard])
        app.on_response_prepare.append(_anonymous)
        app.router.add_post("/v1/events", self.events)
        app.router.add_post("/v1/webhooks/{source}", self.webhook)
        app.router.add_post("/v1/token", self.token)
        app.router.add_options("/v1/events", self.handshake)
        app.router.add_options("/v1/webhooks/{source}", self.handshake)
        app.router.add_get("/healthz", self.health)
        app.router.add_get("/readyz", self.ready)
        return app

    def metrics_app(self) -> web.Application:
        """What listens to Prometheus and the platform."""
        app = web.Application()
        app.on_response_prepare.append(_anonymous)
        app.router.add_get("/metrics", self.show_metrics)
        app.router.add_get("/healthz", self.health)
        app.router.add_get("/readyz", self.ready)
        return app

    # --- senders ------------------------------------------------------------------------------------------------------

    async def events(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/events`."""
        headers, now = _headers(request), self.now()
        caller = await self.access.caller(headers, _peer(request), now)
        if not self.rates.take(f"caller {caller.name}"):
            raise RequestRejected("rate")
        with self.buffered.lease() as room:
            body = await self._body(request, self.limits.body, room)

            def work() -> MappedRequest:
                return map_events(items_of(headers, body, self.limits.events), caller, headers, self.names, now)

            await self._keep(taken := await _apart(work, len(body)), CALLERS, headers)
        return _accepted(taken)

    async def webhook(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/webhooks/{source}`."""
        headers, now = _headers(request), self.now()
        try:
            source = find_source(request.match_info["source"])
        except UnknownSource as error:
            raise RequestRejected("unknown_source", str(error)) from error
        limit = self.limits.github_body if source.name == "github" else self.limits.body
        with self.buffered.lease() as room:
            body = await self._body(request, limit, room)
            await self.access.webhook(source.name, headers, body, now, _peer(request))
            if not self.rates.take(f"source {source.name}"):
                raise RequestRejected("source_rate")

            def work() -> MappedRequest:
                return map_webhook(source, headers, body, self.names, now)

            await self._keep(taken := await _apart(work, len(body)), source.name, headers)
        return _accepted(taken)

    async def token(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/token`: a session for a CI system's own token."""
        session = await self.access.exchange(_headers(request), self.now())
        return _json(200, {"token": session.token, "expires_at": session.expires_at.isoformat()}, _NO_STORE)

    async def handshake(self, request: web.Request) -> web.StreamResponse:
        """Answer a sender of CloudEvents that asks whether it may (HTTP 1.1 Web Hooks for Event Delivery, section 4).

        It lends nothing: what is sent has to prove itself anyway.
        """
        origin = request.headers.get("WebHook-Request-Origin")
        answer = {"Allow": "POST, OPTIONS"}
        if origin:
            answer |= {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": str(int(self.limits.rate * 60))}
        return web.Response(headers=answer)

    # --- the platform -------------------------------------------------------------------------------------------------

    async def health(self, _: web.Request) -> web.StreamResponse:
        """The process runs. Kafka being away is no reason to start it again."""
        return web.Response(text="ok\n")

    async def ready(self, _: web.Request) -> web.StreamResponse:
        """Whether senders should be sent here: the spool takes messages, and is not nearly full."""
        problem = "shutting down" if self.stopping else await self.writer.why_not_ready()
        return web.Response(text=f"{problem or 'ok'}\n", status=_UNAVAILABLE if problem else 200)

    async def show_metrics(self, _: web.Request) -> web.StreamResponse:
        """For Prometheus."""
        text = await asyncio.to_thread(self.metrics.text)
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    # --- on the way ---------------------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count, measure, and turn every refusal into its answer."""
        source = _source_label(request)
        if source is None or request.method != "POST":
            return await handler(request)
        self.metrics.received.labels(source).inc()
        began = time.perf_counter()
        with self.requests.lease() as place:
            try:
                self._admit(request, place)
                return await handler(request)
            except AccessRefused as refused:
                return self._refuse(request, source, refused)
            except RequestRejected as rejected:
                return self._reject(request, source, rejected)
            except web.HTTPException:
                raise
            except Exception:
                log.exception("a fault of the sidecar, with a request of %s", source)
                self.metrics.rejected.labels(source, "internal").inc()
                return _json(500, {"error": "a fault of the sidecar; its log says more"})
            finally:
                self.metrics.answer_seconds.labels(source).observe(time.perf_counter() - began)

    def _admit(self, request: web.Request, place: CapacityLease) -> None:
        if self.stopping:
            raise RequestRejected("stopping")
        if not place.more(1):
            raise RequestRejected("busy")
        if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise RequestRejected("encoded")

    def _refuse(self, request: web.Request, source: str, refused: AccessRefused) -> web.StreamResponse:
        self._note(request, source, refused.reason, str(refused))
        if refused.status == _FORBIDDEN:
            return _json(_FORBIDDEN, {"error": str(refused), "reason": refused.reason})
        if refused.reason is RefusalReason.UNAVAILABLE:
            return _json(_UNAVAILABLE, {"error": str(refused), "reason": refused.reason}, {"Retry-After": "5"})
        # Who sends a webhook is not told what it failed at; a job has to be mended by somebody who cannot read our log.
        return _unauthorized(refused.reason if source in {CALLERS, TOKENS} else None)

    def _reject(self, request: web.Request, source: str, rejected: RequestRejected) -> web.StreamResponse:
        self._note(request, source, rejected.reason, str(rejected))
        answer = rejected.answer
        if rejected.reason == "unknown_source":
            return _unauthorized()
        told: dict[str, str | None] = {"error": str(rejected), "reason": rejected.reason}
        if rejected.fault is not None:
            told |= {"path": rejected.fault.path, "problem": rejected.fault.problem, "hint": rejected.fault.hint}
        headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
        return _json(answer.status, told, headers)

    def _note(self, request: web.Request, source: str, reason: str, problem: str) -> None:
        self.metrics.rejected.labels(source, reason).inc()
        if self.rates.take(f"log {reason}"):
            log.warning("rejected %s %s: %s: %s", source, _delivery(_headers(request)), reason, one_line(problem)[:500])

    async def _body(self, request: web.Request, limit: int, room: CapacityLease) -> bytes:
        """The body as it came, if it is within the limit, arrives in time, and there is room for it."""
        length = request.content_length
        if length is not None and length > limit:
            raise RequestRejected("too_large")
        if length is not None and not room.more(length):
            raise RequestRejected("busy")
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.limits.body_timeout):
                while chunk := await request.content.read(_CHUNK):
                    size += len(chunk)
                    if size > limit:
                        raise RequestRejected("too_large")
                    if size > room.number and not room.more(size - room.number):
                        raise RequestRejected("busy")
                    chunks.append(chunk)
        except TimeoutError as error:
            raise RequestRejected("slow_body") from error
        return b"".join(chunks)

    async def _keep(self, taken: MappedRequest, source: str, headers: Mapping[str, str]) -> None:
        """Have everything on the disk. Resolutions that wait for an objective have a folder of their own."""
        held, rest = ([], taken.events) if self.slo is None else self.slo.split(taken.events)
        try:
            messages = [self.encoding.event(event) for event in rest]
            messages += [self.encoding.dead_letter(str(uuid4()), source, letter) for letter in taken.dead_letters]
        except ContractError as error:
            raise RequestRejected("invalid", str(error), error) from error
        await self.writer.write_in_time(messages)
        if self.slo is not None and held:
            await self.writer.within_patience(self.slo.hold(held))
        self.metrics.spooled.labels(source).inc(len(messages) + len(held))
        self.metrics.dead_letters.labels(source).inc(len(taken.dead_letters))
        self.metrics.ignored.labels(source).inc(len(taken.ignored))
        for letter in taken.dead_letters:
            log.warning("dead letter of %s %s: %s", source, _delivery(headers), letter["problem"])


async def _anonymous(_: web.Request, response: web.StreamResponse) -> None:
    """Tell nobody which versions run here."""
    response.headers["Server"] = "candora"


async def _apart(work: Callable[[], T], size: int) -> T:
    """Do it at once, or, for a large body, in a thread."""
    return await asyncio.to_thread(work) if size > _LARGE else work()


def _source_label(request: web.Request) -> str | None:
    """The source of a request, from a closed set; None for what no sender asks for."""
    path = request.path
    if path == "/v1/events":
        return CALLERS
    if path == "/v1/token":
        return TOKENS
    name = request.match_info.get("source")
    if name is None:
        return None
    try:
        return find_source(name).name
    except UnknownSource:
        return UNKNOWN


def _headers(request: web.Request) -> dict[str, str]:
    """By lower-case name; of several of one name the first."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), value)
    return headers


def _peer(request: web.Request) -> PeerCertificate | None:
    certificate: PeerCertificate | None = request.get_extra_info("peercert") or None
    return certificate


def _delivery(headers: Mapping[str, str]) -> str:
    """What the sender calls this delivery, for the log."""
    found = next((headers[name] for name in _DELIVERY_IDS if name in headers), "")
    return one_line(found)[:100] or "(no id)"


def _accepted(taken: MappedRequest) -> web.Response:
    ids = [event["event_id"] for event in taken.events]
    return _json(202, {"events": ids, "dead_letters": len(taken.dead_letters), "ignored": len(taken.ignored)})


def _unauthorized(reason: str | None = None) -> web.Response:
    told = {"error": "not authorized"} | ({} if reason is None else {"reason": reason})
    return _json(401, told, {"WWW-Authenticate": "Bearer"})


def _json(status: int, data: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    dumps = partial(json.dumps, separators=(",", ":"))
    return web.json_response(data, status=status, headers=headers, dumps=dumps)
