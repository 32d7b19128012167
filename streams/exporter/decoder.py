"""From the bytes of a message to a record that the state can take, or the reason why not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.codec.codec import Decoder
from schemas.errors import ContractError, Undecodable, UnknownSchema, WrongKey
from schemas.ids import pinned_decoder
from schemas.keys import record_key
from schemas.values import HistogramValue, IncidentRecordValue, MetricsValue
from streams.core.counters import LEAD_BUCKETS
from streams.event_log.schema_lookup import SchemaLookup, SchemaSource
from streams.exporter.state import Pair, RecordOutcome

METRICS_TOPIC: Final = "delivery_metrics"
INCIDENTS_TOPIC: Final = "incidents"
TOPICS: Final = (METRICS_TOPIC, INCIDENTS_TOPIC)

BAD_REASONS: Final = (
    Undecodable.reason,
    UnknownSchema.reason,
    WrongKey.reason,
    ContractError.reason,
    RecordOutcome.OTHER_PARTITION.value,
    RecordOutcome.COUNTER_FELL.value,
)
"""Why a record is refused, in full or in part: a closed set, each shown at 0 from the start."""
_BUCKETS: Final = len(LEAD_BUCKETS) + 1


@dataclass(frozen=True, slots=True)
class MetricsMessage:
    """The snapshot of a service and environment; None: it was deleted."""

    pair: Pair
    value: MetricsValue | None


@dataclass(frozen=True, slots=True)
class IncidentMessage:
    """An incident; None: it was deleted."""

    key: str
    value: IncidentRecordValue | None


Record = MetricsMessage | IncidentMessage


class RecordReader:
    """Decodes messages of the topics that serving reads."""

    def __init__(self, registry: SchemaSource | None = None) -> None:
        self._decoders: Mapping[str, Decoder[Any]] = {
            METRICS_TOPIC: pinned_decoder("delivery_metrics"),
            INCIDENTS_TOPIC: pinned_decoder("incident"),
        }
        self._schemas = {topic: SchemaLookup(decoder, registry) for topic, decoder in self._decoders.items()}

    def read(self, topic: str, key: bytes | None, data: bytes | None) -> Record:
        """The record of a message of `topic` (named without prefix); ContractError if it breaks the contract.

        RegistryError if the registry could not be asked, which is not the message's fault.
        """
        name = _key_text(key)
        value = None if data is None else self._decode(topic, data)
        return _incident(name, value) if topic == INCIDENTS_TOPIC else _metrics(name, value)

    def _decode(self, topic: str, data: bytes) -> Any:
        decoder = self._decoders[topic]
        try:
            return decoder.decode(data)
        except UnknownSchema as error:
            if not self._schemas[topic].learn(error.schema_id):
                raise
            return decoder.decode(data)


def _metrics(key: str, value: MetricsValue | None) -> MetricsMessage:
    service, separator, env = key.rpartition("/")
    if not separator:
        raise WrongKey(f"the key is {key!r}, not service/env")
    if value is not None:
        _expect_key(key, value["service"], value["env"])
        _expect_buckets("counters.lead_time.counts", value["counters"]["lead_time"])
        _expect_buckets("counters.restore.counts", value["counters"]["restore"])
    return MetricsMessage((service, env), value)


def _incident(key: str, value: IncidentRecordValue | None) -> IncidentMessage:
    if value is not None:
        _expect_key(key, value["service"], value["incident_id"])
    return IncidentMessage(key, value)


def _expect_key(key: str, *parts: str) -> None:
    expected = record_key(*parts).decode()
    if key != expected:
        raise WrongKey(f"the key is {key!r}, the record is of {expected!r}")


def _expect_buckets(path: str, histogram: HistogramValue) -> None:
    count = len(histogram["counts"])
    if count != _BUCKETS:
        hint = "run worker and serving process of one version"
        raise ContractError(f"{count} buckets, not {_BUCKETS}", path=path, hint=hint)


def _key_text(key: bytes | None) -> str:
    if not key:
        raise WrongKey("the message has no key")
    try:
        return key.decode()
    except UnicodeDecodeError as error:
        raise Undecodable(f"the key is not UTF-8: {key!r}") from error
