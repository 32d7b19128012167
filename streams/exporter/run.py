"""Puts the serving process together and runs it until SIGTERM or SIGINT."""

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
    """No answer of Kafka's is expected to lead to this: a fault of the program, whose cause is in the traceback."""


def serve_metrics(settings: ServingSettings) -> None:
    """Serve until SIGTERM or SIGINT. Kafka client settings come from `KAFKA_…` variables.

    Raises:
        ReadingFailed: what was read is not what is in the topics any more; start again.
        WatchFailed: the numbers about the pipeline cannot be had.
        OSError: the address cannot be listened on.
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
    """As `serve_metrics`, until `stop` is set. `listening` is told the URL as soon as it answers."""
    board = ExporterStore(SampleQueue(settings.incident_replay, 2 * settings.scrape_interval), _now, watched=True)
    reader, watch = _reader(settings, client, board), _watch(settings, client, board)
    runner = web.AppRunner(create_app(board), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.metrics_host, settings.metrics_port).start()
        host, port, *_ = runner.addresses[0]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        log.info("listening on %s", url)
        if listening is not None:
            listening(url)
        await _read_until(stop, reader, _watching(watch))
    finally:
        watch.stop()
        await runner.cleanup()


async def _read_until(stop: asyncio.Event, reader: OutputReader, watching: asyncio.Future[None]) -> None:
    """Read until `stop`, or until reading or watching has failed: raises what it failed with."""
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


def _watching(watch: LagWatcher) -> asyncio.Future[None]:
    """Watch in a thread, and tell how it ends.

    It is no thread that asyncio waits for at the end: a question that Kafka does not answer holds nothing up.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def tell(error: Exception | None) -> None:
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def run() -> None:
        failed: Exception | None = None
        try:
            watch.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process, which would show old numbers
            failed = LagWatchError(f"looking at the pipeline has failed, and its numbers would stand still: {error!r}")
            failed.__cause__ = error
        with suppress(RuntimeError):  # the loop is closed: the process is ending, and nobody asks
            loop.call_soon_threadsafe(tell, failed)

    threading.Thread(target=run, name="pipeline", daemon=True).start()
    return ended


def _reader(settings: ServingSettings, client: Mapping[str, str], board: ExporterStore) -> OutputReader:
    registry = RegistryClient(settings.schema_registry_url) if settings.schema_registry_url else None
    config = consumer_config(settings.kafka_bootstrap_servers, client)
    return OutputReader(partial(_consumer, config), settings.outputs, RecordReader(registry), board)


def _watch(settings: ServingSettings, client: Mapping[str, str], board: ExporterStore) -> LagWatcher:
    admin = KafkaAdmin(
        {**client, "bootstrap.servers": settings.kafka_bootstrap_servers, "client.id": "candora-serving"}, within=5.0
    )
    topics = topic_name("deploy_events", settings.topic_prefix), topic_name("deploy_events_dead", settings.outputs)
    return LagWatcher(admin, topics, settings.app_id, board)


def _consumer(config: Mapping[str, object], on_error: Callable[[KafkaError], None]) -> Consumer:
    return Consumer({**config, "error_cb": on_error}, logger=log)


def _now() -> Micros:
    return time.time_ns() // 1000
