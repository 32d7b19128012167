"""The sidecar as a process: built from its settings, run until SIGTERM, and ended in good order."""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web
from prometheus_client import disable_created_metrics
from typing_extensions import override

from producers.config import ProducerConfig
from producers.delivery.drainer import Drainer
from producers.delivery.encoder import RECORDS, InstallationEncoder, SchemaUnavailable
from producers.delivery.kafka import KafkaPublisher, sidecar_settings
from producers.delivery.publisher import PublisherError
from producers.errors import UsageError
from producers.sidecar.auth.exposure import check_exposure
from producers.sidecar.auth.gate import AuthGate, open_gate
from producers.sidecar.auth.tls import ServerTls
from producers.sidecar.drain_thread import DrainThread
from producers.sidecar.http_app import SidecarApp
from producers.sidecar.metrics import SidecarMetrics
from producers.sidecar.name_mapping import MappedNameResolver, NameRules, load_names
from producers.sidecar.settings import ListenSettings, SidecarSettings, kafka_config
from producers.sidecar.slo import prometheus
from producers.sidecar.slo.gate import Release
from producers.sidecar.spool_writer import SpoolWriter
from producers.spool.message_file import EVENTS
from producers.spool.spool import Spool, SpoolUnusable
from producers.spool.usage import count
from schemas.values import EventValue

PATIENCE: Final = 65.0
"""Seconds without an acknowledgement after which a new client of Kafka is made; more than librdkafka tries."""
_TEND_EVERY: Final = 30.0
_BACKLOG: Final = 128
_FAULT: Final = 500
_LINGER: Final = 1.0
"""Seconds in which the rest of a refused body is read, so that the sender hears why."""

log = logging.getLogger("candora.sidecar")


@dataclass(frozen=True)
class SidecarParts:
    """What the settings make, before anything listens."""

    settings: SidecarSettings
    config: ProducerConfig
    spool: Spool
    encoding: InstallationEncoder
    gate: AuthGate
    receiver: SidecarApp
    drain: DrainThread
    tls: ServerTls | None
    failed: asyncio.Event
    """Set when the sidecar cannot do its work any more, so that whoever watches it starts it again."""


def assemble(settings: SidecarSettings, file: Path, environ: Mapping[str, str]) -> SidecarParts:
    """Check the settings as a whole, and open what they name. The backlog is not touched before that.

    Raises:
        UsageError: something cannot work; the message says which setting.
    """
    check_exposure(settings.listen.host, settings.auth)
    config = kafka_config(settings.kafka, environ)
    encoding = InstallationEncoder(config)
    opened = partial(_open_publisher, config, encoding.topic(EVENTS))
    try:
        opened().close()
    except PublisherError as error:
        raise UsageError(f"the Kafka client does not take its settings: {error}") from error
    names = _names(settings, file)
    tls = None if settings.auth.tls is None else ServerTls(settings.auth.tls, environ)
    folder = settings.spool.folder
    try:
        spool = Spool(str(folder), settings.spool.limits)
        gate = open_gate(settings.auth, environ, state=folder / "state")
    except SpoolUnusable as error:
        raise UsageError(f"spool.folder: {error}") from error
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody asks for
    metrics, failed = SidecarMetrics(spool), asyncio.Event()
    loop = asyncio.get_running_loop()

    def drain_failed() -> None:
        loop.call_soon_threadsafe(failed.set)

    drain = DrainThread(Drainer(spool, encoding), opened, metrics.drained, drain_failed)
    writer = SpoolWriter(spool, settings.limits.answer_within, drain.wake, metrics.spool_seconds.observe)
    receiver = SidecarApp(gate, names, encoding, writer, metrics, settings.limits)
    if settings.slo is not None:
        receiver.slo = prometheus.open_gate(settings.slo, str(folder / "waiting"), _release(receiver), environ)
        metrics.watch(receiver.slo)
    return SidecarParts(settings, config, spool, encoding, gate, receiver, drain, tls, failed)


async def serve(parts: SidecarParts) -> bool:
    """Listen and send until SIGTERM or SIGINT; False if it ended because a part of it failed."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    receiver, settings = parts.receiver, parts.settings
    async with AsyncExitStack() as ending:  # what is put on it last ends first
        ending.callback(parts.spool.close)
        ending.callback(receiver.writer.close)
        await _listen(ending, receiver.metrics_app(), settings.metrics, "metrics", settings)
        ending.push_async_callback(asyncio.to_thread, parts.drain.finish, settings.grace)
        await _learn(parts.encoding)
        if receiver.slo is not None:
            await receiver.slo.start()
            ending.push_async_callback(receiver.slo.stop)
        await _listen(ending, receiver.app(), settings.listen, "events and webhooks", settings, parts.tls)
        parts.drain.start()
        await _until_one_ends(stop, parts)
        receiver.stopping = True
        log.info("stopping: what came in is answered, what waits is sent for up to %g s", settings.grace)
    left = count(str(settings.spool.folder)).files
    log.info("stopped; %s", f"{left} messages stay in the spool" if left else "the spool is empty")
    return stop.is_set()


async def _until_one_ends(stop: asyncio.Event, parts: SidecarParts) -> None:
    tasks: list[asyncio.Task[object]] = [
        asyncio.create_task(stop.wait()),
        asyncio.create_task(parts.failed.wait()),
        asyncio.create_task(_tend(parts)),
    ]
    slo = parts.receiver.slo
    waiting = [*tasks, slo.task] if slo is not None and slo.task is not None else tasks
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        if task.exception() is not None:
            log.error("a part of the sidecar has failed", exc_info=task.exception())
    for task in tasks:
        task.cancel()


class _Connection(web.RequestHandler):
    """One connection. What is no HTTP is neither logged nor sent back: a broken header may be a credential."""

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status == _FAULT:
            return super().handle_error(request, status, exc, message)
        log.info("not a request of HTTP, from %s: %s", request.remote, type(exc).__name__)
        answer = web.Response(status=status, text="not a request\n", headers={"Server": "candora"})
        answer.force_close()
        return answer


async def _listen(
    ending: AsyncExitStack,
    app: web.Application,
    listen: ListenSettings,
    what: str,
    settings: SidecarSettings,
    tls: ServerTls | None = None,
) -> None:
    limits = settings.limits
    runner = web.AppRunner(app, shutdown_timeout=limits.body_timeout + limits.answer_within)
    await runner.setup()
    ending.push_async_callback(runner.cleanup)
    loop = asyncio.get_running_loop()
    made = partial(
        _Connection,
        runner.server,  # type: ignore[arg-type]  # there is one after setup
        loop=loop,
        access_log=None,  # type: ignore[arg-type]  # means none, as everywhere in aiohttp
        auto_decompress=False,
        keepalive_timeout=limits.header_timeout,  # also how long a connection may take to its first request
        lingering_time=_LINGER,
    )
    context = None if tls is None else tls.context
    handshake = None if tls is None else limits.header_timeout
    try:
        listener = await loop.create_server(
            made, listen.host, listen.port, ssl=context, ssl_handshake_timeout=handshake, backlog=_BACKLOG
        )
    except OSError as error:
        raise UsageError(f"cannot listen on {listen.host}:{listen.port}: {error.strerror}") from error
    ending.callback(listener.close)
    for socket in listener.sockets:
        log.info("listening on %s:%s for %s", *socket.getsockname()[:2], what)


async def _tend(parts: SidecarParts) -> None:
    """What has to be done now and then: new certificates and secrets, and schema ids that were not known before."""
    while True:
        await asyncio.sleep(_TEND_EVERY)
        await _learn(parts.encoding)
        if parts.tls is not None:
            await _refresh(parts.tls.refresh, "certificate")
        await _refresh(parts.gate.refresh, "secret of a webhook")


async def _refresh(refresh: Callable[[], bool], what: str) -> None:
    try:
        if await asyncio.to_thread(refresh):
            log.info("took up a new %s", what)
    except UsageError as error:
        log.warning("the %s in use stays, for the new one is no good: %s", what, error)


async def _learn(encoding: InstallationEncoder) -> None:
    """Ask the registry for the ids; until it has answered, events are kept as JSON."""
    for topic in RECORDS:
        try:
            await asyncio.to_thread(encoding.learn, topic)
        except SchemaUnavailable as error:
            log.warning("events are kept as JSON for now: %s", error)


def _open_publisher(config: ProducerConfig, topic: str) -> KafkaPublisher:
    return KafkaPublisher(topic, sidecar_settings(config.servers or "", config.kafka), timeout=PATIENCE)


def _names(settings: SidecarSettings, file: Path) -> MappedNameResolver:
    if settings.names_file is not None:
        return load_names(file.parent / settings.names_file)
    return MappedNameResolver(settings.names or NameRules(), f"{file.name}: names")


def _release(receiver: SidecarApp) -> Release:
    async def release(event: EventValue) -> None:
        await receiver.writer.write([receiver.encoding.event(event)])

    return release
