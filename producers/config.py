"""The settings of a producer, from flags and the environment. Cheap to import: a CI job pays for it on every event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from producers.errors import UsageError
from schemas.clients.kafka_client import kafka_settings
from schemas.duration import parse_duration
from schemas.values import SECOND

SERVERS: Final = "CANDORA_KAFKA_BOOTSTRAP_SERVERS"
SIDECAR: Final = "CANDORA_SIDECAR_URL"
TOPIC_PREFIX: Final = "CANDORA_TOPIC_PREFIX"
REGISTRY: Final = "CANDORA_SCHEMA_REGISTRY_URL"
REGISTRY_USER: Final = "CANDORA_SCHEMA_REGISTRY_USER"
REGISTRY_PASSWORD: Final = "CANDORA_SCHEMA_REGISTRY_PASSWORD"  # noqa: S105 - the name of a variable
REGISTRY_TOKEN: Final = "CANDORA_SCHEMA_REGISTRY_TOKEN"  # noqa: S105 - as above
TIMEOUT: Final = "CANDORA_TIMEOUT"
SPOOL: Final = "CANDORA_SPOOL"
STRICT: Final = "CANDORA_STRICT"
ALLOW_FAILURE: Final = "CANDORA_ALLOW_FAILURE"

NOWHERE: Final = f"Kafka is not configured: set {SERVERS}, or {SIDECAR} to send through a sidecar"

DEFAULT_TIMEOUT: Final = "10s"
SHORTEST_TIMEOUT: Final = 2.0
"""Seconds. Less does not suffice for a first connection over TLS."""

_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class ProducerConfig:
    """Where events go, and how long to try."""

    servers: str | None
    """`host:port,...`; None: Kafka is not configured, or events go to a sidecar."""
    topic_prefix: str = ""
    registry_url: str | None = None
    registry_user: str = ""
    registry_password: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    timeout: float = 10.0
    """Seconds without an acknowledgement after which an event counts as not sent."""
    spool: str | None = None
    """Folder for messages that could not be delivered."""
    strict: bool = False
    allow_failure: bool = False
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Security settings of the client. They hold secrets and are never shown."""
    sidecar: str | None = None
    """The address of a sidecar that takes the events instead of Kafka; it knows topics and registry itself."""
    sidecar_environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The variables in which its client looks for credentials."""

    @property
    def goes_somewhere(self) -> bool:
        """Whether Kafka or a sidecar is configured."""
        return bool(self.servers or self.sidecar)


def load_config(flags: Mapping[str, str | bool | None], environ: Mapping[str, str]) -> ProducerConfig:
    """Read the settings. A flag precedes its variable; an empty variable (a secret that CI withholds) counts as unset.

    `flags` holds `servers`, `sidecar`, `topic_prefix`, `registry`, `timeout` and `spool` (text or None), `strict` and
    `allow_failure`.

    Raises:
        UsageError: a value cannot be read, or Kafka and a sidecar are named both; the message names the flag or the
            variable.
    """

    def text(name: str, variable: str) -> str | None:
        value = flags.get(name)
        return str(value) if value else environ.get(variable, "").strip() or None

    servers, sidecar = text("servers", SERVERS), text("sidecar", SIDECAR)
    if servers and sidecar:
        if bool(flags.get("servers")) == bool(flags.get("sidecar")):
            pair = "--bootstrap-servers and --sidecar" if flags.get("servers") else f"{SERVERS} and {SIDECAR}"
            raise UsageError(f"{pair} are both given: events go to Kafka or to a sidecar; leave one out")
        servers, sidecar = (servers, None) if flags.get("servers") else (None, sidecar)
    return ProducerConfig(
        servers=servers,
        topic_prefix="" if sidecar else text("topic_prefix", TOPIC_PREFIX) or "",
        registry_url=None if sidecar else text("registry", REGISTRY),
        registry_user=environ.get(REGISTRY_USER, ""),
        registry_password=environ.get(REGISTRY_PASSWORD, ""),
        registry_token=environ.get(REGISTRY_TOKEN, ""),
        timeout=_seconds(text("timeout", TIMEOUT) or DEFAULT_TIMEOUT, "--timeout" if flags.get("timeout") else TIMEOUT),
        spool=text("spool", SPOOL),
        strict=bool(flags.get("strict")) or switch(environ, STRICT),
        allow_failure=bool(flags.get("allow_failure")) or switch(environ, ALLOW_FAILURE),
        kafka=kafka_settings(environ),
        sidecar=sidecar,
        sidecar_environ=environ if sidecar else {},
    )


def switch(environ: Mapping[str, str], variable: str) -> bool:
    """Read a yes-or-no variable."""
    value = environ.get(variable, "").strip().lower()
    if value in _YES:
        return True
    if value in _NO:
        return False
    raise UsageError(f"{variable}: expected 1 or 0, got {value!r}")


def _seconds(text: str, origin: str) -> float:
    try:
        seconds = parse_duration(text) / SECOND
    except ValueError as error:
        raise UsageError(f"{origin}: {error}") from error
    if seconds < SHORTEST_TIMEOUT:
        raise UsageError(f"{origin}: {text} is too short; give at least {SHORTEST_TIMEOUT:g}s")
    return seconds
