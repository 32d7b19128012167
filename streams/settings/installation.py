"""The settings of a worker, from the environment: CANDORA_LATENESS=15m and so on."""

import os
import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeInt, PositiveInt
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from schemas.clients.kafka_client import kafka_settings
from schemas.topics import topic_name
from schemas.values import DAY, HOUR, MINUTE, SECOND, Micros
from streams.core.settings import MetricSettings
from streams.settings.types import BatchBounds, Duration, TopicPrefix


def _list(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _windows(lengths: tuple[Micros, ...]) -> tuple[Micros, ...]:
    if not lengths or min(lengths) <= 0 or len(set(lengths)) < len(lengths):
        raise ValueError("give one length or more, each above zero and once")
    return lengths


def _no_name(value: object) -> object:
    return "" if value == "none" else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list)]
"""In the environment "prod,eu-prod"."""
Severity = Annotated[str, Field(pattern=r"^sev[1-5]$")]
"""As incidents have them: by another name nothing would ever fail."""


class WorkerSettings(BaseSettings):
    """Everything a worker is configured by. Field `data_dir` is CANDORA_DATA_DIR in the environment."""

    model_config = SettingsConfigDict(env_prefix="CANDORA_", frozen=True, extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: str = "localhost:9092"
    topic_prefix: TopicPrefix = ""
    output_prefix: TopicPrefix | None = None
    """In front of every topic but deploy_events; none: the topic_prefix.

    With an app_id of its own, a second set of workers makes everything anew beside the first.
    """
    schema_registry_url: str | None = None

    failure_window: Duration = 24 * HOUR
    lateness: Duration = 15 * MINUTE
    max_future: Duration = 5 * MINUTE
    canary_timeout: Duration = 24 * HOUR
    windows: Annotated[tuple[Duration, ...], NoDecode, BeforeValidator(_list), AfterValidator(_windows)] = (
        7 * DAY,
        30 * DAY,
        90 * DAY,
    )
    failing_severities: Annotated[tuple[Severity, ...], NoDecode, BeforeValidator(_list)] = ("sev1", "sev2")
    production_envs: Names = ("prod",)

    app_id: str = Field(default="candora-worker", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    """The consumer group, and the beginning of the names of the changelog and of the leader's topic."""
    instance_id: Annotated[str, BeforeValidator(_no_name)] = Field(default_factory=socket.gethostname)
    """Static membership: a worker that comes back under the same name takes up its partitions without a rebalance.

    Two workers must not share one. `none`: no static membership; the worker leaves the group when it stops.
    """
    data_dir: Path = Path("candora-data")
    """Of this worker alone: two must not share one. Losing it costs time (the changelog is read again), no data."""
    store: Literal["rocksdb", "memory"] = "rocksdb"
    session_timeout: Duration = 45 * SECOND
    """How long a worker may be silent before its partitions go to others; longer than a restart takes."""
    commit_interval: Duration = 500 * SECOND // 1000
    tick_interval: Duration = 30 * SECOND
    """How often the leader writes a clock_tick into every partition; 0: never, something else does."""
    send_links: bool = True
    """Whether causes in other services are sent to deploy_events. Not beside workers that do: see `streams.rebuild`."""
    batch_records: PositiveInt = 16_000
    batch_bytes: PositiveInt = 8 * 1024 * 1024
    fetch_bytes: PositiveInt = 2 * 1024 * 1024
    """Per partition and fetch."""
    trust_create_time: bool = False
    """Take the producers' timestamps for the broker's. For a demo whose history is made up; never with real clocks."""

    web_host: str = "0.0.0.0"  # noqa: S104 - probes come from outside of the container
    web_port: NonNegativeInt | None = 6066
    """Of /healthz and /readyz; 0: any free port; none: no web server."""
    log_format: Literal["json", "text"] = "json"

    def core(self) -> MetricSettings:
        """The settings that decide the numbers."""
        return MetricSettings(
            failure_window=self.failure_window,
            lateness=self.lateness,
            max_future=self.max_future,
            windows=self.windows,
            failing_severities=self.failing_severities,
            production_envs=self.production_envs,
            canary_timeout=self.canary_timeout,
        )

    def bounds(self) -> BatchBounds:
        """The largest batch."""
        return BatchBounds(self.batch_records, self.batch_bytes)

    def topic(self, base: str) -> str:
        """The name of a topic in this installation."""
        return topic_name(base, self.topic_prefix if base == "deploy_events" else self.outputs)

    @property
    def outputs(self) -> str:
        """The prefix of every topic but deploy_events."""
        return self.topic_prefix if self.output_prefix is None else self.output_prefix

    @property
    def store_dir(self) -> Path:
        """Where the local store is. The state of one app_id is of no use to another."""
        return self.data_dir / self.app_id

    @property
    def changelog(self) -> str:
        """The topic that keeps the state; as many partitions as deploy_events, compacted."""
        return f"{self.app_id}-state-changelog"

    @property
    def leader_topic(self) -> str:
        """The topic whose owner writes the ticks; one partition, always empty."""
        return f"{self.app_id}-__assignor-__leader"

    def client(self) -> dict[str, str]:
        """Kafka client settings by librdkafka's names: ours, and what KAFKA_… says of who we are and whom we trust."""
        return {"bootstrap.servers": self.kafka_bootstrap_servers, **kafka_settings(os.environ)}
