"""The serving process as a process of its own, and the topics it reads, for tests with a real Kafka."""

import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from confluent_kafka import Producer

from schemas.ids import pinned_encoder
from schemas.values import IncidentRecordValue, MetricsValue
from streams.exporter.decoder import INCIDENTS_TOPIC, METRICS_TOPIC, TOPICS
from streams.exporter.metrics import PIPELINE
from tests.support.builders.scrapes import numbers
from tests.support.builders.snapshots import incident_key
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Process, Processes, free_port, packages_env

SERVE: Final = """
import logging
from streams.exporter.run import serve_metrics
from streams.exporter.settings import ServingSettings
logging.basicConfig(level="INFO")
serve_metrics(ServingSettings())
"""
OF_THE_PIPELINE: Final = {name for each in PIPELINE for name in each.series}
OPENMETRICS: Final = {"Accept": "application/openmetrics-text; version=1.0.0"}


@dataclass
class Outputs:
    """The two topics, as a worker writes them."""

    kafka: KafkaBroker
    prefix: str
    producer: Producer = field(init=False)

    def __post_init__(self) -> None:
        config = {"bootstrap.servers": self.kafka.bootstrap, "partitioner": "murmur2_random", "linger.ms": 1}
        self.producer = Producer(config)

    def create(self, partitions: int = 3) -> "Outputs":
        """Make the topics. With few records some of their partitions stay empty."""
        for base in TOPICS:
            self.kafka.create_topic(self.prefix + base, partitions, {"cleanup.policy": "compact"})
        return self

    def metrics(self, *values: MetricsValue) -> None:
        """Publish snapshots, and wait until the broker has them."""
        encoder = pinned_encoder("delivery_metrics")
        self.raw(METRICS_TOPIC, ((f"{value['service']}/{value['env']}", encoder.encode(value)) for value in values))

    def incidents(self, *values: IncidentRecordValue) -> None:
        """Publish incidents, and wait until the broker has them."""
        encoder = pinned_encoder("incident")
        self.raw(INCIDENTS_TOPIC, ((incident_key(value), encoder.encode(value)) for value in values))

    def raw(self, base: str, messages: Iterable[tuple[str, bytes | None]]) -> None:
        """Publish bytes under keys, and wait until the broker has them."""
        failed: list[Any] = []
        for key, data in messages:
            self.producer.produce(
                self.prefix + base, data, key, on_delivery=lambda error, _: failed.append(error) if error else None
            )
            self.producer.poll(0)
        assert self.producer.flush(30) == 0
        assert not failed


class Reply(NamedTuple):
    """What an HTTP request was answered with."""

    status: int
    text: str


@dataclass
class Serving:
    """A running serving process."""

    url: str
    process: Process

    def get(self, path: str, **headers: str) -> Reply | None:
        """The answer; None if nobody listens yet."""
        request = urllib.request.Request(self.url + path, headers=headers)  # noqa: S310 - a server of ours
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return Reply(answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.read().decode())
        except OSError:
            return None

    def ready(self, timeout: float = 30.0) -> "Serving":
        """Wait until it is."""
        self.process.wait_for_url(f"{self.url}/readyz", timeout)
        return self

    def text(self) -> str:
        """What /metrics says in OpenMetrics."""
        reply = self.get("/metrics", **OPENMETRICS)
        assert reply is not None
        assert reply.status == 200
        return reply.text

    def numbers(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """What /metrics says, without what the process says of itself and of Kafka."""
        return {series: value for series, value in numbers(self.text()).items() if series[0] not in OF_THE_PIPELINE}

    def await_number(self, expected: float, name: str, **labels: str) -> None:
        """Wait until a series has this value."""
        series = (name, tuple(sorted(labels.items())))
        look = lambda: True if numbers(self.text()).get(series) == expected else None  # noqa: E731 - as wait_until takes it
        self.process.wait_until(look, f"{expected} for {series}")


def start_serving(
    processes: Processes, kafka: KafkaBroker, prefix: str, port: int | None = None, **env: str
) -> Serving:
    """Start it, on a free port unless one is given; it does not answer yet."""
    port = port or free_port()
    variables = {
        "CANDORA_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CANDORA_TOPIC_PREFIX": prefix,
        "CANDORA_METRICS_PORT": str(port),
        **env,
    }
    process = processes.start(sys.executable, "-c", SERVE, env=packages_env() | variables, name="serve-metrics")
    return Serving(f"http://127.0.0.1:{port}", process)
