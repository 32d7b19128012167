"""The one file of `candora-ci serve --config FILE`. Secrets are named in it, never written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from producers.config import SIDECAR, ProducerConfig, load_config
from producers.errors import UsageError
from producers.sidecar.auth.settings import AuthSettings
from producers.sidecar.name_mapping import NameRules
from producers.sidecar.slo.settings import SloSettings
from producers.sidecar.yaml_file import read_yaml
from producers.spool.spool import SpoolLimits
from schemas.duration import parse_duration
from schemas.values import SECOND

MIB: Final = 1 << 20
_STANDARD: Final = SpoolLimits()


def _seconds(value: object) -> object:
    return parse_duration(value) / SECOND if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
"""A length of time, written as text: 500ms, 5s, 30d."""
Count = Annotated[int, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65_535)]


class SettingsSection(BaseModel):
    """A part of the file. What it does not know is refused: a setting that is spelled wrongly would do nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ListenSettings(SettingsSection):
    """Where to listen."""

    host: str = "127.0.0.1"
    port: Port


class SidecarKafkaSettings(SettingsSection):
    """Where to send. What is left out is taken from the variables that `candora-ci emit` reads, and all secrets are."""

    bootstrap_servers: str | None = None
    topic_prefix: str | None = None
    schema_registry: str | None = None


class SpoolSettings(SettingsSection):
    """The folder that events are in until Kafka has them."""

    folder: Path
    max_bytes: Count = _STANDARD.max_bytes
    max_files: Count = _STANDARD.max_files
    max_age: Seconds = _STANDARD.max_age

    @property
    def limits(self) -> SpoolLimits:
        """As the spool takes them."""
        return SpoolLimits(self.max_bytes, self.max_files, self.max_age)


class LimitSettings(SettingsSection):
    """What one request, one caller and all of them together may ask for."""

    body: Count = MIB
    """Bytes of a request."""
    github_body: Count = 25 * MIB
    """Bytes of a webhook of GitHub, which sends up to 25 MiB."""
    buffered: Count = 128 * MIB
    """Bytes of all requests that are being read."""
    events: Count = 1000
    """Events in one request to /v1/events."""
    header_timeout: Seconds = 5.0
    """How long a client may take to send its headers, and how long an idle connection is kept."""
    body_timeout: Seconds = 5.0
    in_flight: Count = 64
    """Requests at a time; more are told to come back."""
    rate: Annotated[float, Field(gt=0)] = 200.0
    """Requests a second, of each source and of each caller, once its burst is used up."""
    burst: Count = 1000
    answer_within: Seconds = 2.0
    """How long the disk may take; then the sender is told to come back."""


class SidecarSettings(SettingsSection):
    """The whole file."""

    listen: ListenSettings = ListenSettings(port=8480)
    metrics: ListenSettings = ListenSettings(port=9480)
    """/metrics, and /healthz and /readyz once more: for those who ask from outside the pod."""
    kafka: SidecarKafkaSettings = SidecarKafkaSettings()
    spool: SpoolSettings
    limits: LimitSettings = LimitSettings()
    names: NameRules | None = None
    """From the sources' words to ours."""
    names_file: Path | None = None
    """The same in a file of its own, as `candora-ci explain` reads it."""
    auth: AuthSettings = AuthSettings()
    slo: SloSettings | None = None
    """Objectives that a resolution waits for."""
    grace: Seconds = 20.0
    """How long to go on sending after SIGTERM. Less than the platform waits before it kills."""

    @model_validator(mode="after")
    def _names_once(self) -> "SidecarSettings":
        if self.names is not None and self.names_file is not None:
            raise ValueError("give names or names_file, not both")
        return self


def load_settings(path: Path) -> SidecarSettings:
    """The settings of a file.

    Raises:
        UsageError: it cannot be read, or is not as it should be; the message names file, line and field.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: the settings cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: the settings are not UTF-8, at byte {error.start + 1}") from error
    return read_yaml(text, SidecarSettings, str(path))


def kafka_config(kafka: SidecarKafkaSettings, environ: Mapping[str, str]) -> ProducerConfig:
    """Where to send, by the file and the environment.

    Raises:
        UsageError: nobody says where Kafka is, or a variable cannot be read.
    """
    flags = {"servers": kafka.bootstrap_servers, "topic_prefix": kafka.topic_prefix, "registry": kafka.schema_registry}
    config = load_config(flags, {name: value for name, value in environ.items() if name != SIDECAR})
    if config.servers is None:
        raise UsageError("kafka.bootstrap_servers: say where Kafka is, or set CANDORA_KAFKA_BOOTSTRAP_SERVERS")
    return config
