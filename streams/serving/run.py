"""Puts the serving process together and runs it until SIGTERM or SIGINT."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from aiohttp import web
from confluent_kafka import Consumer, KafkaError

from schemas.kafka_env import kafka_settings
from schemas.registry import RegistryClient
from schemas.topics import topic_name
from schemas.values import Micros
from streams.serving.board import Board
from streams.serving.http import create_app
from streams.serving.pipeline import Admin, Watch
from streams.serving.reader import Reader, consumer_config
from streams.serving.records import RecordReader
from streams.serving.samples import SampleQueue
from streams.serving.settings import ServingSettings

log = logging.getLogger(__name__)


def serve_metrics(settings: ServingSettings) -> None:
    """Serve until SIGTERM or SIGINT. Kafka client settings come from `KAFKA_…` variables.

    Raises:
        ReadingFailed: what was read is not what is in the topics any more; start again.
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
    board = Board(SampleQueue(settings.incident_replay, 2 * settings.scrape_interval), _now, watched=True)
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
        # A question that Kafka does not answer holds nothing up: the thread ends with the process.
        threading.Thread(target=watch.run, name="pipeline", daemon=True).start()
        await _read_until(stop, reader)
    finally:
        watch.stop()
        await runner.cleanup()


async def _read_until(stop: asyncio.Event, reader: Reader) -> None:
    reading = asyncio.create_task(asyncio.to_thread(reader.run))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
    finally:
        stopping.cancel()
        reader.stop()
        await reading


def _reader(settings: ServingSettings, client: Mapping[str, str], board: Board) -> Reader:
    registry = RegistryClient(settings.schema_registry_url) if settings.schema_registry_url else None
    config = consumer_config(settings.kafka_bootstrap_servers, client)
    return Reader(partial(_consumer, config), settings.outputs, RecordReader(registry), board)


def _watch(settings: ServingSettings, client: Mapping[str, str], board: Board) -> Watch:
    admin = Admin({**client, "bootstrap.servers": settings.kafka_bootstrap_servers})
    topics = topic_name("deploy_events", settings.topic_prefix), topic_name("deploy_events_dead", settings.outputs)
    return Watch(admin, topics, settings.app_id, board)


def _consumer(config: Mapping[str, object], on_error: Callable[[KafkaError], None]) -> Consumer:
    return Consumer({**config, "error_cb": on_error}, logger=log)


def _now() -> Micros:
    return time.time_ns() // 1000
