"""Settings of the exporter, from `CANDORA_…` variables. Kafka client settings are `KAFKA_…` variables."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.values import DAY, SECOND
from streams.settings.types import Duration, TopicPrefix

Length = Annotated[Duration, Field(ge=0)]
"""A non-negative duration, also if given as a number."""


class ServingSettings(BaseSettings):
    """Topics to read, address to listen on, and the limits of the Prometheus that scrapes."""

    model_config = SettingsConfigDict(env_prefix="CANDORA_", frozen=True, extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: str = "localhost:9092"
    topic_prefix: TopicPrefix = ""
    output_prefix: TopicPrefix | None = None
    """In front of the topics read here, if the workers have another one there than of deploy_events."""
    app_id: str = "candora-worker"
    """The consumer group of the workers, whose lag is shown."""
    schema_registry_url: str | None = None
    """None: schema ids are the pinned ones."""
    metrics_host: str = "127.0.0.1"
    """Who may connect: this machine only, unless it says 0.0.0.0 or an address."""
    metrics_port: int = Field(default=9464, ge=0, le=65535)
    """0 takes a free port and logs it."""
    scrape_interval: Length = 30 * SECOND
    """The longest scrape interval of any Prometheus that reads this process. An incident's sample stays for two."""
    incident_replay: Length = 31 * DAY
    """How old an incident may be to get its sample after a restart: Prometheus's `out_of_order_time_window`."""

    @property
    def outputs(self) -> str:
        """The prefix of every topic but deploy_events."""
        return self.topic_prefix if self.output_prefix is None else self.output_prefix
