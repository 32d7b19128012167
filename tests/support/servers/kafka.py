"""A real Kafka broker for tests: `KAFKA_BOOTSTRAP` if set, else a Docker container, else a JVM process of our own.

One broker serves all tests of a process, which take names of their own (`unique`). With `--one-broker` it serves all
processes of the run, and tests that take a broker away have one of their own (`own_kafka`).
"""

import os
import re
import shutil
import socket
import tempfile
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.missing import not_run
from tests.support.servers.kafka_jars import JAVA_NEEDED, KafkaUnavailable, java, kafka_jars, kafka_version
from tests.support.servers.processes import POLL, Process, free_port, start

START_SECONDS: Final = 90.0
SHARED: Final = "TESTS_SHARED_KAFKA"
"""Variable with the address of the broker that all processes of a test run share."""
HOW_TO_GET_ONE: Final = (
    f"Install a Java runtime (>= {JAVA_NEEDED}) and Maven (Debian: apt-get install default-jre-headless maven), "
    "or start Docker, or set KAFKA_BOOTSTRAP to a broker that may be written to."
)


class Machine(Protocol):
    """What runs a broker. Stopped and started again it has the same address and the same data."""

    def start(self) -> None:
        """Start it; returns when the broker answers."""

    def stop(self) -> None:
        """Shut it down in good order."""

    def kill(self) -> None:
        """Take it away without a warning (SIGKILL)."""

    def tail(self) -> str:
        """The end of its log."""


@dataclass(frozen=True)
class KafkaBroker:
    """A broker that answers at `bootstrap`; `origin` says where it comes from."""

    bootstrap: str
    origin: str
    machine: Machine | None = None

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Create a topic and wait until every partition has a leader. Gives the name back."""
        admin = _admin(self.bootstrap)
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        admin.create_topics([topic], operation_timeout=30)[name].result(30)
        _await(lambda: self._led(admin, name, partitions), f"leaders for all partitions of {name}")
        return name

    def stop(self) -> None:
        """Shut the broker down in good order; `start` brings it back with the same data."""
        self._machine().stop()

    def kill(self) -> None:
        """Take the broker away as a power cut does; `start` brings it back with the same data."""
        self._machine().kill()

    def start(self) -> None:
        """Bring the broker back at the same address; returns when it answers."""
        self._machine().start()

    def _machine(self) -> Machine:
        if self.machine is None:
            not_run("a broker that a test may stop", "Unset KAFKA_BOOTSTRAP: an attached broker is left alone.")
        return self.machine

    @staticmethod
    def _led(admin: AdminClient, name: str, partitions: int) -> bool:
        topic = admin.list_topics(timeout=5).topics.get(name)
        return topic is not None and sum(each.leader >= 0 for each in topic.partitions.values()) == partitions


def broker_settings(port: int, controller_port: int, data: str, listen: str = "127.0.0.1") -> dict[str, str]:
    """A broker that is its own controller, alone, and small enough for a laptop.

    Every address is a number: a machine whose own name does not resolve must do.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://{listen}:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A killed broker may come back only when its former session has ended.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "500",
        "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
        "log.index.size.max.bytes": str(1024 * 1024),
    }


@dataclass
class JvmBroker:
    """Kafka as a Java process on this machine, data and log in `folder`."""

    folder: Path
    java: str
    jars: Path
    port: int
    process: Process | None = None

    @classmethod
    def create(cls, folder: Path) -> "JvmBroker":
        """A formatted broker, not yet started. Raises KafkaUnavailable."""
        broker = cls(folder, java(), kafka_jars(), free_port())
        broker._format()
        return broker

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = self._run("kafka.Kafka", str(self.folder / "server.properties"))
        look = _answer(self.bootstrap)
        self.process.wait_until(lambda: look() or None, f"an answer at {self.bootstrap}", START_SECONDS)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def tail(self) -> str:
        return self.process.tail() if self.process else ""

    def _format(self) -> None:
        settings = broker_settings(self.port, free_port(), str(self.folder / "data"))
        properties = self.folder / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        cluster = "candora-tests-00000000"  # 22 characters, as a base64 UUID has
        format_storage = self._run("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties))
        if (code := format_storage.wait(60)) != 0:
            raise format_storage.failure(f"ended with exit code {code}")

    def _run(self, main: str, *args: str) -> Process:
        java_options = ["-Xms128m", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        command = [self.java, *java_options, "-cp", f"{self.jars}/*", main, *args]
        return start(command, self.folder / "kafka.log", name=main)


@dataclass
class DockerBroker:
    """Kafka in a container, published on a port that is fixed beforehand, so that a restart keeps the address."""

    container: Any
    port: int
    made: bool = False

    @classmethod
    def create(cls) -> "DockerBroker | None":
        """A broker, not yet started; None if no Docker engine answers."""
        if not _docker_listens():
            return None
        from docker.errors import DockerException
        from testcontainers.core.container import DockerContainer

        port = free_port()
        try:
            container = DockerContainer(f"apache/kafka:{kafka_version()}").with_bind_ports(port, port)
            container.get_docker_client().client.ping()
        except DockerException:
            return None
        settings = broker_settings(port, free_port(), "/tmp/kafka", "0.0.0.0")  # noqa: S104, S108 - in the container
        for name, value in container_environment(settings).items():
            container.with_env(name, value)
        return cls(container, port)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        if self.made:
            self.container.get_wrapped_container().start()
        else:
            self.container.start()
            self.made = True
        _await(_answer(self.bootstrap), f"an answer at {self.bootstrap}", START_SECONDS, self.tail)

    def stop(self) -> None:
        self.container.get_wrapped_container().stop()

    def kill(self) -> None:
        self.container.get_wrapped_container().kill()

    def tail(self) -> str:
        log: bytes = self.container.get_wrapped_container().logs(tail=40)
        return log.decode(errors="replace")

    def remove(self) -> None:
        """Delete the container and its data."""
        self.container.stop(force=True)


def _docker_listens() -> bool:
    """Tells whether something listens where the Docker engine should; asked without the Docker library."""
    url = urllib.parse.urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    over_tcp = url.scheme in {"tcp", "http", "https"}
    address = (url.hostname, url.port or 2375) if over_tcp else url.path
    with socket.socket(socket.AF_INET if over_tcp else socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


def container_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Broker settings as the variables that the image apache/kafka reads them from."""
    return {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in settings.items()}


@contextmanager
def running_broker() -> Iterator[KafkaBroker]:
    """A real broker for as long as the block runs. Raises KafkaUnavailable if this machine has no way to run one."""
    if attached := os.environ.get("KAFKA_BOOTSTRAP"):
        _await(_answer(attached), f"an answer at KAFKA_BOOTSTRAP={attached}")
        yield KafkaBroker(attached, "attached")
        return
    docker = DockerBroker.create()
    if docker is not None:
        try:
            docker.start()
            yield KafkaBroker(docker.bootstrap, "Docker", docker)
        finally:
            docker.remove()
        return
    folder = Path(tempfile.mkdtemp(prefix="candora-kafka-"))
    try:
        jvm = JvmBroker.create(folder)
        try:
            jvm.start()
            yield KafkaBroker(jvm.bootstrap, "JVM", jvm)
        finally:
            jvm.kill()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> KafkaBroker:
    """The real broker of the whole run with `--one-broker`, else of this test process."""
    if shared := os.environ.get(SHARED):
        return KafkaBroker(shared, "shared")
    broker: KafkaBroker = request.getfixturevalue("own_kafka")
    return broker


@pytest.fixture(scope="session")
def own_kafka() -> Iterator[KafkaBroker]:
    """A broker of this test process, which a test may take away."""
    with needed_broker() as broker:
        print(f"Kafka ({broker.origin}) at {broker.bootstrap}")
        yield broker


@contextmanager
def needed_broker() -> Iterator[KafkaBroker]:
    """A real broker; where there is none, tests that need it are not run, and say how to get one."""
    with ExitStack() as stack:
        try:
            broker = stack.enter_context(running_broker())
        except KafkaUnavailable as problem:
            not_run(f"a real Kafka broker: {problem}", HOW_TO_GET_ONE)
        yield broker


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A prefix for topics and groups that no other test has, ending in a hyphen."""
    readable = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60]
    return f"{readable}-{uuid.uuid4().hex[:8]}-"


def _admin(bootstrap: str) -> AdminClient:
    quick = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 200, "log_level": 0}
    return AdminClient({"bootstrap.servers": bootstrap, **quick})


def _answer(bootstrap: str) -> Callable[[], bool]:
    """Tells whether the broker knows itself, which is when topics can be made."""
    admin = _admin(bootstrap)

    def look() -> bool:
        try:
            return bool(admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    return look


def _await(look: Callable[[], bool], what: str, timeout: float = 30.0, tail: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + timeout
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no sign of {what} within {timeout:g} s\n{tail()}".rstrip())
        time.sleep(POLL)
