"""Check before reading that the topics exist and that their partition counts match."""

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

BROKER_TIMEOUT: Final = 60.0
"""Seconds to wait for a broker on start."""

_QUERY_TIMEOUT: Final = 5.0
_CREATE_HINT: Final = "create it with `candora topics create`"


class TopicsError(SetupError):
    """A topic is missing or has the wrong number of partitions."""


class SilentKafkaError(SetupError):
    """No broker answers at the configured addresses."""


def event_partitions(settings: WorkerSettings, partitions: Mapping[str, int]) -> int:
    """Return the number of partitions of deploy_events; raise TopicsError if topics are missing or do not match."""
    needed = [settings.topic(topic.name) for topic in load_topics()] + [settings.changelog, settings.leader_topic]
    missing = [name for name in needed if not partitions.get(name)]
    if missing:
        raise TopicsError(
            f"Kafka at {settings.kafka_bootstrap_servers} has no topic {', '.join(missing)}: {_CREATE_HINT}"
        )
    events = settings.topic("deploy_events")
    if partitions[settings.changelog] != partitions[events]:
        raise TopicsError(
            f"{settings.changelog} has {partitions[settings.changelog]} partitions, {events} has {partitions[events]}: "
            f"{PARTITIONS_ADVICE}"
        )
    return partitions[events]


async def check_partition_count(settings: WorkerSettings, publisher: OutputPublisher, known: int) -> None:
    """Raise TopicsError if the number of partitions of deploy_events is no longer `known`.

    In that case services have moved to other partitions: their events are refused there, or nobody reads them.
    """
    events = settings.topic("deploy_events")
    try:
        count = (await asyncio.to_thread(publisher.partitions, _QUERY_TIMEOUT)).get(events, known)
    except KafkaException:  # the broker is unreachable, so nothing is being read either
        return
    if count != known:
        raise TopicsError(f"{events} had {known} partitions and now has {count}: {PARTITIONS_ADVICE}")


async def wait_for_topics(settings: WorkerSettings, publisher: OutputPublisher) -> int:
    """Check the topics, retrying for up to BROKER_TIMEOUT seconds; return the partition count of deploy_events.

    Raises TopicsError, SilentKafkaError.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BROKER_TIMEOUT
    while True:
        try:
            return event_partitions(settings, await asyncio.to_thread(publisher.partitions, _QUERY_TIMEOUT))
        except KafkaException as error:
            servers = settings.kafka_bootstrap_servers
            if loop.time() > deadline:
                raise SilentKafkaError(
                    f"Kafka at {servers} has not answered for {BROKER_TIMEOUT:g} s: {reason_of(error)}; are "
                    "CANDORA_KAFKA_BOOTSTRAP_SERVERS and the KAFKA_… variables right?"
                ) from error
            log.warning("Kafka at %s does not answer yet: %s", servers, reason_of(error))
