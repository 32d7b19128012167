"""Assemble the exporter and run it until SIGTERM or SIGINT."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from aiohttp import web
from confluent_kafka import Consumer, KafkaError

from schemas.clients.kafka_client import kafka_settings
from schemas.clients.registry import RegistryClient
from schemas.topics import topic_name
from schemas.values import Micros
from streams.exporter.decoder import RecordReader
from streams.exporter.http import create_app
from streams.exporter.incident_samples import SampleQueue
from streams.exporter.lag import LagWatcher
from streams.exporter.reader import OutputReader, consumer_config
from streams.exporter.settings import ServingSettings
from streams.exporter.store import ExporterStore
from streams.kafka.admin import KafkaAdmin

log = logging.getLogger(__name__)


class LagWatchError(RuntimeError):
    """Watching the consumer lag failed, whatever Kafka answered: a bug, whose cause is in the traceback."""


def serve_metrics(settings: ServingSettings) -> None:
    """Serve until SIGTERM or SIGINT. Kafka client settings come from `KAFKA_…` variables.

    Raises:
        OutputReadError: the topics no longer contain what was read; restart.
        LagWatchError: the consumer lag cannot be measured.
        OSError: the address cannot be bound.
    """
    asyncio.run(_serve_until_signal(settings, kafka_settings(os.environ)))


async def _serve_until_signal(settings: ServingSettings, client: Mapping[str, str]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, client, stop)


async def serve(
    settings: ServingSettings,
    client: Mapping[str, str],
    stop: asyncio.Event,
    listening: Callable[[str], None] | None = None,
) -> None:
    """As `serve_metrics`, until `stop` is set. `listening` is called with the URL once the port is open."""
    store = ExporterStore(SampleQueue(settings.incident_replay, 2 * settings.scrape_interval), _now, await_lag=True)
    reader, watcher = _reader(settings, client, store), _lag_watcher(settings, client, store)
    runner = web.AppRunner(create_app(store), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.metrics_host, settings.metrics_port).start()
        host, port, *_ = runner.addresses[0]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        log.info("listening on %s", url)
        if listening is not None:
            listening(url)
        await _read_until(stop, reader, _start_watching(watcher))
    finally:
        watcher.stop()
        await runner.cleanup()


async def _read_until(stop: asyncio.Event, reader: OutputReader, watching: asyncio.Future[None]) -> None:
    """Read until `stop` is set, or until reading or watching fails; raise the error."""
    reading = asyncio.create_task(asyncio.to_thread(reader.run))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((reading, stopping, watching), return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
    finally:
        stopping.cancel()
        reader.stop()
        await reading
    if watching.done():
        watching.result()


def _start_watching(watcher: LagWatcher) -> asyncio.Future[None]:
    """Run the lag watcher in a thread; the future holds its result.

    A daemon thread, which asyncio does not wait for on exit: an unanswered query does not delay the shutdown.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def finish(error: Exception | None) -> None:
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def run() -> None:
        failed: Exception | None = None
        try:
            watcher.run()
        except Exception as error:  # noqa: BLE001 - any error ends the process, which would expose stale values
            failed = LagWatchError(f"watching the pipeline has failed, and its metrics would be stale: {error!r}")
            failed.__cause__ = error
        with suppress(RuntimeError):  # the loop is closed: the process is exiting
            loop.call_soon_threadsafe(finish, failed)

    threading.Thread(target=run, name="pipeline", daemon=True).start()
    return ended


def _reader(settings: ServingSettings, client: Mapping[str, str], store: ExporterStore) -> OutputReader:
    registry = RegistryClient(settings.schema_registry_url) if settings.schema_registry_url else None
    config = consumer_config(settings.kafka_bootstrap_servers, client)
    return OutputReader(partial(_consumer, config), settings.outputs, RecordReader(registry), store)


def _lag_watcher(settings: ServingSettings, client: Mapping[str, str], store: ExporterStore) -> LagWatcher:
    admin = KafkaAdmin(
        {**client, "bootstrap.servers": settings.kafka_bootstrap_servers, "client.id": "candora-serving"}, within=5.0
    )
    topics = topic_name("deploy_events", settings.topic_prefix), topic_name("deploy_events_dead", settings.outputs)
    return LagWatcher(admin, topics, settings.app_id, store)


def _consumer(config: Mapping[str, object], on_error: Callable[[KafkaError], None]) -> Consumer:
    return Consumer({**config, "error_cb": on_error}, logger=log)


def _now() -> Micros:
    return time.time_ns() // 1000
