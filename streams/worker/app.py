"""The worker as a Faust app: assembles its parts."""

import logging
from collections.abc import Iterable, Mapping
from itertools import chain
from time import time
from typing import Any, Final

from faust.types import TP
from mode import ServiceT
from mode.supervisors import CrashingSupervisor
from typing_extensions import override

from schemas.values import SECOND, Micros
from streams.core.partition_state import PartitionState
from streams.event_log.event_reader import EventReader
from streams.settings.installation import WorkerSettings
from streams.worker.batches import BatchReader
from streams.worker.credentials import credentials
from streams.worker.faust_patches import HardenedApp
from streams.worker.faust_patches.consumer import BatchConsumer
from streams.worker.health import HealthServer
from streams.worker.outputs import OutputEncoder
from streams.worker.partitions import AssignedPartitions, PartitionStateFactory
from streams.worker.preflight import check_partition_count, wait_for_topics
from streams.worker.publisher import OutputPublisher
from streams.worker.tables import ROCKSDB_OPTIONS, TABLE, StateTable, start_position
from streams.worker.ticks import tick_messages
from streams.worker.watchdog import Watchdog

log: Final = logging.getLogger(__name__)

_REBALANCE_SECONDS: Final = 60.0
TOPIC_CHECK_INTERVAL: Final = 60.0
"""Seconds between two checks of the number of partitions."""
_SILENCE_LIMIT: Final = 2 / 3
"""Fraction of the session timeout after which a stalled worker must assume that its partitions were reassigned."""


class WorkerApp(HardenedApp):
    """A Faust app that applies deploy_events to partition states and publishes the resulting records."""

    def __init__(self, settings: WorkerSettings, partition_state_factory: PartitionStateFactory) -> None:
        self.settings = settings
        self.events_topic = settings.topic("deploy_events")
        super().__init__(
            settings.app_id,
            batch_topics=frozenset({self.events_topic}),
            bounds=settings.bounds(),
            **_faust_options(settings),
        )
        self.publisher = OutputPublisher(settings.client(), settings.session_timeout / SECOND * _SILENCE_LIMIT)
        table = self.Table(
            TABLE,
            key_type=bytes,
            value_type=bytes,
            options=dict(ROCKSDB_OPTIONS) if settings.store == "rocksdb" else None,
            on_recover=self._load_partition_states,
        )
        state = StateTable(table, self.publisher)
        self.partition_states = AssignedPartitions(partition_state_factory, settings.core(), state.rows)
        self.watchdog = Watchdog(settings.session_timeout / SECOND * _SILENCE_LIMIT)
        self.reader = BatchReader(
            self.partition_states,
            OutputEncoder(settings),
            self.publisher,
            state,
            self.watchdog,
        )
        self.partitions = 0
        self.health: HealthServer | None = None
        add_agent(self, self.events_topic, self.reader)
        self.on_partitions_revoked.connect(self._drop_partition_states)
        if settings.tick_interval:
            self.timer(settings.tick_interval / SECOND, on_leader=True, name="tick")(self._tick)
        self.timer(TOPIC_CHECK_INTERVAL, name="check the topics")(self._check_partition_count)

    @override
    def on_init_dependencies(self) -> Iterable[ServiceT]:
        if self.settings.web_port is None:
            return super().on_init_dependencies()
        self.health = HealthServer(self, self.settings.web_host, self.settings.web_port)
        return chain([self.health], super().on_init_dependencies())

    @override
    async def on_first_start(self) -> None:
        self.settings.store_dir.mkdir(parents=True, exist_ok=True)
        await super().on_first_start()
        self.partitions = await wait_for_topics(self.settings, self.publisher)
        self.reader.events = EventReader.open(
            self.partitions,
            self.settings.max_future,
            self.settings.schema_registry_url,
            trust_create_time=self.settings.trust_create_time,
        )

    @override
    async def on_start(self) -> None:
        await super().on_start()
        self.add_future(self.watchdog.run(self.publisher.poll))

    @override
    async def on_stop(self) -> None:
        try:
            await super().on_stop()
        finally:
            self.publisher.close()

    @override
    def start_position(self, tp: TP, committed: int | None, first: int, end: int) -> int:
        partition_state = self.partition_states.get(tp.partition) if tp.topic == self.events_topic else None
        if partition_state is None:
            return super().start_position(tp, committed, first, end)
        return start_position(tp, committed, partition_state.offset, first, end)

    # --- partition assignment -----------------------------------------------------------------------------------------

    async def _load_partition_states(self) -> None:
        await self.partition_states.load(tp.partition for tp in self._assigned() if tp.topic == self.events_topic)

    async def _drop_partition_states(self, *_args: Any, **_kwargs: Any) -> None:
        self.partition_states.drop()

    def _assigned(self) -> set[TP]:
        return set(self.consumer.assignment())

    async def _tick(self) -> None:
        at: Micros = int(time() * SECOND)
        messages = tick_messages(self.events_topic, self.partitions, at, self.settings.tick_interval)
        await self.publisher.publish(messages)

    async def _check_partition_count(self) -> None:
        await check_partition_count(self.settings, self.publisher, self.partitions)

    # --- health -------------------------------------------------------------------------------------------------------

    def why_not_ready(self) -> list[str]:
        """Return the reasons why no batch is being read; empty if the worker is ready."""
        tables: Any = self.tables
        reasons = {
            "it is stopping": self.should_stop,
            "the broker has not assigned any partitions yet": self._assignment is None,
            "the state is being recovered": self.in_recovery or not tables.actives_ready,
            "partitions are being rebalanced": self.rebalancing,
        }
        return [reason for reason, applies in reasons.items() if applies]

    def oldest_batch_at(self) -> float | None:
        """Return when the oldest batch in flight was delivered (monotonic seconds); None without one."""
        batches = (each.oldest_in_flight for each in self._ledgers().values())
        return min((oldest.delivered_at for oldest in batches if oldest is not None), default=None)

    def positions(self) -> Mapping[int, int]:
        """Return the next offset to read of every assigned partition."""
        return {tp.partition: each.next for tp, each in self._ledgers().items()}

    def _ledgers(self) -> Mapping[TP, Any]:
        return self._consumer.ledgers if isinstance(self._consumer, BatchConsumer) else {}


def create_app(settings: WorkerSettings, partition_state_factory: PartitionStateFactory = PartitionState) -> WorkerApp:
    """Create the worker's app without connecting to Kafka. `partition_state_factory` is for tests."""
    return WorkerApp(settings, partition_state_factory)


def _faust_options(settings: WorkerSettings) -> dict[str, Any]:
    session = settings.session_timeout / SECOND
    servers = settings.kafka_bootstrap_servers.split(",")
    return {
        "broker": [f"kafka://{server.strip()}" for server in servers],
        "broker_credentials": credentials(settings.client()),
        "broker_client_id": settings.app_id,
        "broker_commit_interval": settings.commit_interval / SECOND,
        "broker_session_timeout": session,
        "broker_heartbeat_interval": min(3.0, session / 3),
        "broker_rebalance_timeout": _REBALANCE_SECONDS,
        "broker_request_timeout": max(90.0, session),
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": settings.instance_id or None,
        "consumer_max_fetch_size": settings.fetch_bytes,
        # Faust's assignment names its workers by this address and checks it: it must survive a restart.
        "canonical_url": f"http://{settings.instance_id or 'worker'}",
        "datadir": settings.store_dir,
        "store": f"{settings.store}://",
        "table_standby_replicas": 0,  # a restarted worker reuses its own data directory
        "topic_allow_declare": False,
        "processing_guarantee": "at_least_once",
        "producer_request_timeout": 60.0,
        "autodiscover": False,
        "web_enabled": False,
        "env_prefix": "CANDORA_FAUST",  # ignore a WEB_PORT that is meant for another program
    }


def add_agent(app: HardenedApp, topic: str, reader: BatchReader) -> None:
    """Add the agent that passes batches of `topic` to `reader`, which acknowledges them. Its errors end the worker."""
    source = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    async def read_batches(stream: Any) -> None:
        async for event in stream.noack().events():
            await reader.read(event)

    app.agent(source, name="read_batches", supervisor_strategy=CrashingSupervisor)(read_batches)
