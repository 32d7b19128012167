"""Encode the records that a worker publishes as Kafka messages."""

from collections.abc import Iterable, Iterator

from schemas.codec.codec import Encoder
from schemas.ids import pinned_encoder
from schemas.keys import record_key
from schemas.values import DeadLetterValue
from streams.core.partition_state import PartitionChanges
from streams.settings.installation import WorkerSettings
from streams.worker.publisher import OutgoingMessage


class OutputEncoder:
    """Encoder that knows topic, key and schema of every output record."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._deployments = settings.topic("deployments"), pinned_encoder("deployment")
        self._incidents = settings.topic("incidents"), pinned_encoder("incident")
        self._changes = settings.topic("changes"), pinned_encoder("change")
        self._metrics = settings.topic("delivery_metrics"), pinned_encoder("delivery_metrics")
        self._dead = settings.topic("deploy_events_dead"), pinned_encoder("dead_letter")
        self._send_links = settings.send_links
        self._events = settings.topic("deploy_events"), pinned_encoder("deploy_event")

    def messages(self, changes: PartitionChanges, dead: Iterable[DeadLetterValue]) -> Iterator[OutgoingMessage]:
        """Yield all messages of a batch. Snapshots come last, so that the records they count are already published."""
        topic, encoder = self._dead
        for dead_letter in dead:
            yield OutgoingMessage(topic, dead_letter["key"], encoder.encode(dead_letter))
        topic, encoder = self._events
        for link in changes.links if self._send_links else ():
            yield OutgoingMessage(topic, link["service"].encode(), encoder.encode(link))
        topic, encoder = self._changes
        for change in changes.changes:
            yield _keyed(topic, encoder, change, change["service"], change["change_id"])
        topic, encoder = self._deployments
        for deployment in changes.deployments:
            parts = deployment["service"], deployment["env"], deployment["deployment_id"]
            yield _keyed(topic, encoder, deployment, *parts)
        topic, encoder = self._incidents
        for incident in changes.incidents:
            yield _keyed(topic, encoder, incident, incident["service"], incident["incident_id"])
        topic, encoder = self._metrics
        for metrics in changes.metrics:
            yield _keyed(topic, encoder, metrics, metrics["service"], metrics["env"])


def _keyed(topic: str, encoder: Encoder[object], value: object, *parts: str) -> OutgoingMessage:  # type: ignore[type-var]
    return OutgoingMessage(topic, record_key(*parts), encoder.encode(value))
