"""The settings of the serving process, from `CANDORA_…` variables. Kafka client settings are `KAFKA_…` variables."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.duration import parse_duration
from schemas.values import DAY, SECOND, Micros


def _length(given: object) -> object:
    return parse_duration(given) if isinstance(given, str) else given


Duration = Annotated[Micros, BeforeValidator(_length), Field(ge=0)]
"""A length in microseconds, written "30s", "31d"."""


class ServingSettings(BaseSettings):
    """Where to read, where to answer, and what Prometheus is known to accept."""

    model_config = SettingsConfigDict(env_prefix="CANDORA_", frozen=True, extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: str = "localhost:9092"
    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,200}$")
    output_prefix: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{0,200}$")
    """In front of the topics read here, if the workers have another one there than of deploy_events."""
    schema_registry_url: str | None = None
    """None: schema ids are the pinned ones."""
    metrics_host: str = "127.0.0.1"
    """Who may connect: this machine only, unless it says 0.0.0.0 or an address."""
    metrics_port: int = Field(default=9464, ge=0, le=65535)
    """0 takes a free port and logs it."""
    scrape_interval: Duration = 30 * SECOND
    """The longest scrape interval of any Prometheus that reads this process. An incident's sample stays for two."""
    incident_replay: Duration = 31 * DAY
    """How old an incident may be to get its sample after a restart: Prometheus's `out_of_order_time_window`."""
