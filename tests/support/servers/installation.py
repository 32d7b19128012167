"""Everything that an operator runs, on the broker of a test: topics, workers, serving and `candora-ci`, as processes.

And the proof of what they publish: the log is read back into fresh partition states, which say what should be there.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from confluent_kafka import Producer, TopicPartition

from schemas.duration import format_duration
from schemas.errors import ContractError
from schemas.ids import pinned_decoder, pinned_encoder
from schemas.keys import record_key
from schemas.partitioner import partition_of
from schemas.rules import check_event, check_time
from schemas.values import SECOND, EventValue, Micros
from streams.core.partition_state import PartitionState
from streams.core.settings import MetricSettings
from streams.exporter.metrics import PIPELINE
from tests.support.builders.scrapes import number
from tests.support.log import Log, Place, offset_in, partition_in
from tests.support.log_replay import Published, Records
from tests.support.servers.exporter import Serving
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import POLL, Process, Processes, free_port

T = TypeVar("T")

PARTITIONS: Final = 4
SETTINGS: Final = MetricSettings(lateness=3 * SECOND)
"""Long enough for a file to arrive within it on a busy machine, short enough to wait for."""
TICK: Final[Micros] = SECOND
OUTPUTS: Final = {
    "deployments": "deployment",
    "incidents": "incident",
    "changes": "change",
    "delivery_metrics": "delivery_metrics",
}
"""The compacted topics and their records."""

_SAYS_WHEN: Final = (
    *(name for metric in PIPELINE for name in metric.series),
    "delivery_clock_timestamp_seconds",
    "incident_resolution_seconds",
)
"""Series that tell the time or how the pipeline is: of an incident each scraper gets one sample, and never again."""


@dataclass
class Installation(Log):
    """One installation: a topic prefix and a consumer group of its own."""

    kafka: KafkaBroker
    prefix: str
    processes: Processes
    folder: Path
    settings: MetricSettings = SETTINGS
    workers: dict[str, "Worker"] = field(default_factory=dict)
    partitions: int = PARTITIONS

    @property
    def env(self) -> dict[str, str]:
        """What every command is told."""
        return {
            "CANDORA_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "CANDORA_TOPIC_PREFIX": self.prefix,
            "CANDORA_APP_ID": self.group,
        }

    # --- commands -----------------------------------------------------------------------------------------------------

    def create_topics(self) -> "Installation":
        """`candora topics create`."""
        create = self.processes.candora("topics", "create", "--partitions", str(PARTITIONS), env=self.env)
        assert create.wait(60) == 0, create.tail()
        return self

    def emit(self, lines: Iterable[str]) -> None:
        """`candora-ci emit --file` with these lines; returns when the broker has them all."""
        path = self.folder / f"events-{time.monotonic_ns()}.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        emit = self.processes.candora_ci("emit", "--strict", "--file", str(path), env=self.env)
        assert emit.wait(60) == 0, emit.tail()

    def start_worker(self, name: str, *, disk: str = "", **env: str) -> "Worker":
        """`candora worker`, under a name that its successor may take up; `disk` names another data directory."""
        port = free_port()
        variables = {
            **self.env,
            "CANDORA_LATENESS": format_duration(self.settings.lateness),
            "CANDORA_WINDOWS": ",".join(map(format_duration, self.settings.windows)),
            "CANDORA_TICK_INTERVAL": format_duration(TICK),
            "CANDORA_INSTANCE_ID": name,
            "CANDORA_DATA_DIR": str(self.folder / f"{self.prefix}{disk or name}"),
            "CANDORA_SESSION_TIMEOUT": "10s",
            "CANDORA_WEB_HOST": "127.0.0.1",
            "CANDORA_WEB_PORT": str(port),
            "CANDORA_LOG_FORMAT": "text",
            **env,
        }
        worker = Worker(f"http://127.0.0.1:{port}", self.processes.candora("worker", env=variables))
        self.workers[name] = worker
        return worker

    def start_workers(self, *names: str, **env: str) -> "Installation":
        """Start some, and wait until they share all partitions."""
        for name in names:
            self.start_worker(name, **env)
        self.await_workers()
        return self

    def await_workers(self, timeout: float = 45.0) -> None:
        """Wait until the workers hold all partitions, and each of them some."""

        def shared() -> bool:
            held = [worker.held() for worker in self.workers.values()]
            return all(held) and {partition for one in held for partition in one} == set(range(PARTITIONS))

        self.await_that(shared, "workers that share all partitions", timeout)

    def start_serving(self) -> Serving:
        """`candora serve-metrics`, ready."""
        port = free_port()
        process = self.processes.candora("serve-metrics", env={**self.env, "CANDORA_METRICS_PORT": str(port)})
        return Serving(f"http://127.0.0.1:{port}", process).ready()

    def stop(self) -> None:
        """End the workers in good order."""
        for worker in self.workers.values():
            worker.process.popen.terminate()
        assert [worker.process.wait(30) for worker in self.workers.values()] == [0] * len(self.workers)

    # --- waiting ------------------------------------------------------------------------------------------------------

    def settle(self, timeout: float = 30.0) -> None:
        """Wait until the workers have read all that is written now, and the ticks that make everything of it due."""
        due_at = time.time_ns() // 1_000_000 + (self.settings.lateness + TICK) // 1000
        due: dict[int, int] = {}

        def ticked() -> bool:
            with self.looking() as consumer:
                asked = self._partitions(due_at)
                found = {each.partition: each.offset for each in consumer.offsets_for_times(asked, timeout=10)}
            due.update(found)
            return all(offset >= 0 for offset in found.values())

        self.await_that(ticked, "ticks that make everything due", timeout)
        self.await_that(
            lambda: all(self.committed()[partition] > offset for partition, offset in due.items()),
            "workers that have read and acknowledged everything",
            timeout,
        )

    def await_served(self, serving: Serving, timeout: float = 20.0) -> str:
        """What /metrics says once it has read all that is published, to a scraper that has seen it before."""
        ends = {base: sum(self.ends(base).values()) for base in ("delivery_metrics", "incidents")}

        def read_to_the_ends() -> bool:
            text = serving.text()
            return all((number(text, "delivery_serving_records_total", topic=base) or 0) >= ends[base] for base in ends)

        self.await_that(read_to_the_ends, f"{ends} records read by the serving process", timeout)
        serving.text()
        return serving.text()

    def await_that(self, look: Callable[[], bool], what: str, timeout: float) -> None:
        """Wait until something holds. Fails if it does not in time, or if a worker has ended meanwhile."""
        deadline = time.monotonic() + timeout
        while not look():
            for worker in self.workers.values():
                if worker.process.exit_code is not None:
                    raise worker.process.failure(f"ended with exit code {worker.process.exit_code} before {what}")
            if time.monotonic() > deadline:
                tails = "\n".join(worker.process.tail() for worker in self.workers.values())
                raise AssertionError(f"no sign of {what} within {timeout:g} s; the ends of the logs:\n{tails}")
            time.sleep(POLL)

    def _partitions(self, offset: int = -1001) -> list[TopicPartition]:
        return [TopicPartition(self.topic("deploy_events"), partition, offset) for partition in range(PARTITIONS)]


def home(service: str) -> int:
    """The partition of a service."""
    return partition_of(service.encode(), PARTITIONS)


@dataclass
class Worker:
    """A worker and where it tells of its health."""

    url: str
    process: Process

    def held(self) -> dict[int, int]:
        """The partitions that it reads, each with the next offset; none before it is ready."""
        reply = Serving(self.url, self.process).get("/readyz")
        if reply is None or reply.status != 200:
            return {}
        return {int(partition): offset for partition, offset in json.loads(reply.text)["next_offsets"].items()}


# --- what is published, and what should be ----------------------------------------------------------------------------


class Recomputed(NamedTuple):
    """What a partition state at each partition makes of the log, and what it should never see."""

    records: Records
    refused: dict[Place, str]
    """The reason for each message that is no event."""


def recompute(installation: Installation, upto: Mapping[int, int] | None = None) -> Recomputed:
    """Read deploy_events back, with its append times, up to what was acknowledged, and make its records anew."""
    decoder = pinned_decoder("deploy_event")
    partition_states = [PartitionState(partition, installation.settings) for partition in range(PARTITIONS)]
    refused: dict[Place, str] = {}
    for message in installation.read("deploy_events", installation.committed() if upto is None else upto):
        partition, offset, append_time = partition_in(message), offset_in(message), message.timestamp()[1] * 1000
        event: EventValue | None = None
        try:
            event = decoder.decode(message.value() or b"")
            check_event(event)
            if event["event_type"] != "clock_tick":
                _check_place(event, message.key(), partition)
                check_time(event, append_time, installation.settings.max_future)
        except (ContractError, WrongPlace) as error:
            event = None
            refused[Place(partition, offset)] = error.reason
        refusal = partition_states[partition].read(event, append_time, offset)
        if refusal is not None:
            refused[Place(partition, offset)] = refusal
    seen = Published()
    for partition_state in partition_states:
        seen.take(partition_state.collect())
    return Recomputed(Records(seen.deployments, seen.incidents, seen.changes, seen.metrics), refused)


class WrongPlace(Exception):
    """A message that lies where nobody looks for its service."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: Final = reason


def _check_place(event: EventValue, key: bytes | None, partition: int) -> None:
    if key != event["service"].encode():
        raise WrongPlace("wrong_key")
    if home(event["service"]) != partition:
        raise WrongPlace("wrong_partition")


def published(installation: Installation) -> Records:
    """The last record of every key on the compacted topics; the key of each message is checked on the way."""
    found: list[Any] = []
    for base, record in OUTPUTS.items():
        decoder = pinned_decoder(record)
        last: dict[tuple[str, ...], Any] = {}
        found.append(last)
        for message in installation.read(base):
            value = decoder.decode(message.value() or b"")
            key = key_of(base, value)
            assert record_key(*key) == message.key()
            last[key] = value
    return Records(*found)


def put(installation: Installation, base: str, key: str, value: Any) -> None:
    """Publish a record as if a worker had."""
    producer = Producer({"bootstrap.servers": installation.kafka.bootstrap, "partitioner": "murmur2_random"})
    producer.produce(installation.topic(base), pinned_encoder(OUTPUTS[base]).encode(value), key)
    assert producer.flush(30) == 0


def key_of(base: str, value: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts of the key of an output record."""
    last = {"deployments": "deployment_id", "incidents": "incident_id", "changes": "change_id"}.get(base)
    envs = ("env",) if base in {"deployments", "delivery_metrics"} else ()
    return tuple(str(value[name]) for name in ("service", *envs, *((last,) if last else ())))


def assert_same(found: Records, expected: Records) -> None:
    """Every record of both, field by field; says which one differs, and where."""
    for kind, wanted in expected._asdict().items():
        got = found._asdict()[kind]
        assert sorted(got) == sorted(wanted), kind
        for key in wanted:
            assert got[key] == wanted[key], f"{kind} {'/'.join(key)}"


def lasting(text: str) -> list[str]:
    """The lines of /metrics that say something lasting: without the time, health, and exemplars."""
    return [line.partition(" # ")[0] for line in text.splitlines() if not line.startswith(("#", *_SAYS_WHEN))]
