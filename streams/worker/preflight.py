"""Before anything is read: do the topics exist, and do they fit each other?"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaException

from schemas.topics import load_topics
from streams.errors import SetupError
from streams.kafka.admin import reason_of
from streams.kafka.topics import PARTITIONS_ADVICE
from streams.settings.installation import WorkerSettings
from streams.worker.publisher import OutputPublisher

log: Final = logging.getLogger(__name__)

PATIENCE: Final = 60.0
"""Seconds for which a broker may be silent at the start."""

_ASK: Final = 5.0
_CREATE: Final = "create it with `candora topics create`"


class TopicsError(SetupError):
    """A topic is missing, or has another number of partitions than it must have."""


class SilentKafkaError(SetupError):
    """No broker answers where the settings say that there are some."""


def event_partitions(settings: WorkerSettings, partitions: Mapping[str, int]) -> int:
    """Return the number of partitions of deploy_events; TopicsError if the topics are not as they must be."""
    needed = [settings.topic(topic.name) for topic in load_topics()] + [settings.changelog, settings.leader_topic]
    missing = [name for name in needed if not partitions.get(name)]
    if missing:
        raise TopicsError(f"Kafka at {settings.kafka_bootstrap_servers} has no topic {', '.join(missing)}: {_CREATE}")
    events = settings.topic("deploy_events")
    if partitions[settings.changelog] != partitions[events]:
        raise TopicsError(
            f"{settings.changelog} has {partitions[settings.changelog]} partitions, {events} has {partitions[events]}: "
            f"{PARTITIONS_ADVICE}"
        )
    return partitions[events]


async def look_again(settings: WorkerSettings, publisher: OutputPublisher, known: int) -> None:
    """TopicsError if deploy_events no longer has the number of partitions that this worker knows.

    Services have moved then. What comes for them lies where this worker refuses it, or where nobody reads.
    """
    events = settings.topic("deploy_events")
    try:
        found = (await asyncio.to_thread(publisher.partitions, _ASK)).get(events, known)
    except KafkaException:  # it is away, and nothing is read meanwhile either
        return
    if found != known:
        raise TopicsError(f"{events} had {known} partitions and now has {found}: {PARTITIONS_ADVICE}")


async def look_at_topics(settings: WorkerSettings, publisher: OutputPublisher) -> int:
    """Ask the broker, for up to PATIENCE seconds. Returns the number of partitions of deploy_events.

    Raises TopicsError, SilentKafkaError.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while True:
        try:
            return event_partitions(settings, await asyncio.to_thread(publisher.partitions, _ASK))
        except KafkaException as error:
            servers = settings.kafka_bootstrap_servers
            if loop.time() > deadline:
                raise SilentKafkaError(
                    f"Kafka at {servers} has not answered for {PATIENCE:g} s: {reason_of(error)}; are "
                    "CANDORA_KAFKA_BOOTSTRAP_SERVERS and the KAFKA_… variables right?"
                ) from error
            log.warning("Kafka at %s does not answer yet: %s", servers, reason_of(error))
