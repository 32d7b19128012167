"""Create the topics of an installation, or check that the ones it has fit the contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from schemas.topics import load_topics, topic_name
from streams.kafka.admin import reason_of

CHANGELOG_CONFIG: Final = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.ms": "3600000",
    # A worker that was away for less than this still learns what was deleted.
    "delete.retention.ms": "604800000",
    "max.message.bytes": "16777216",
}
PARTITIONS_ADVICE: Final = (
    "they must be equal, and that of deploy_events must never change: its services would move away from their state "
    "and their past. If partitions were added to deploy_events, begin another log: set a new CANDORA_TOPIC_PREFIX and "
    "CANDORA_APP_ID, `candora topics create --partitions N`, and send every event again there. If it is the changelog "
    "that is wrong, delete it and `candora topics create`: the workers make the state again from deploy_events"
)
LEADER_CONFIG: Final = {"cleanup.policy": "delete", "retention.ms": "3600000"}

_TIMEOUT: Final = 15.0


class TopicsUnreachable(RuntimeError):
    """The broker did not answer, or refused the request. Its operator, or better credentials, can help."""


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should be."""

    name: str
    partitions: int
    config: Mapping[str, str]
    partitions_fixed: bool = False
    """More partitions than wanted are wrong, too."""


@dataclass(frozen=True)
class TopicCheck:
    """The result of checking one topic; no problems means that it fits."""

    name: str
    problems: list[str] = field(default_factory=list)


def wanted_topics(
    app_id: str, prefix: str, partitions: int | None = None, outputs: str | None = None
) -> list[TopicSpec]:
    """Return every topic of an installation.

    `partitions` replaces the number of `deploy_events` and with it that of the workers' changelog: a service's state
    stands in the partition of its events. `outputs` is the prefix of the other topics, if it is another.
    """
    wanted: list[TopicSpec] = []
    events = partitions
    for topic in load_topics():
        count = topic.partitions
        if topic.name == "deploy_events":
            count = events = partitions or topic.partitions
        front = prefix if topic.name == "deploy_events" or outputs is None else outputs
        wanted.append(TopicSpec(topic_name(topic.name, front), count, topic.config))
    wanted.append(TopicSpec(f"{app_id}-state-changelog", events or 1, CHANGELOG_CONFIG, partitions_fixed=True))
    wanted.append(TopicSpec(f"{app_id}-__assignor-__leader", 1, LEADER_CONFIG, partitions_fixed=True))
    return wanted


def create_topics(admin: AdminClient, wanted: list[TopicSpec], replication: int) -> list[str]:
    """Create what is missing; answer the names of what was created. What exists is left as it is.

    A changelog gets as many partitions as deploy_events has, if that exists.

    Raises:
        TopicsUnreachable: the broker does not answer or refuses.
    """
    existing = _existing(admin)
    events = _of_events(existing, wanted)
    durable = {"min.insync.replicas": str(max(1, replication - 1))}
    missing = [
        NewTopic(one.name, _partitions(one, events), replication, config={**durable, **one.config})
        for one in wanted
        if one.name not in existing
    ]
    if not missing:
        return []
    created: list[str] = []
    for name, future in admin.create_topics(missing, operation_timeout=_TIMEOUT, request_timeout=_TIMEOUT).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                continue
            few = error.args[0].code() == KafkaError.INVALID_REPLICATION_FACTOR
            advice = "; give a --replication that the brokers can hold" if few else ""
            raise TopicsUnreachable(f"{name}: {reason_of(error)}{advice}") from error
        created.append(name)
    return sorted(created)


def partitions_of(admin: AdminClient, topic: str) -> int:
    """Return how many partitions a topic has; 0 if there is no such topic.

    Raises:
        TopicsUnreachable: the broker does not answer.
    """
    return _existing(admin).get(topic, 0)


def check_topics(admin: AdminClient, wanted: list[TopicSpec]) -> list[TopicCheck]:
    """Compare every topic with what it should be.

    Raises:
        TopicsUnreachable: the broker does not answer or refuses.
    """
    existing = _existing(admin)
    events = _of_events(existing, wanted)
    resources = [ConfigResource(ResourceType.TOPIC, one.name) for one in wanted if one.name in existing]
    configs: dict[str, dict[str, str]] = {}
    for resource, future in admin.describe_configs(resources, request_timeout=_TIMEOUT).items() if resources else ():
        try:
            configs[resource.name] = {name: str(entry.value) for name, entry in future.result().items()}
        except KafkaException as error:
            raise TopicsUnreachable(f"{resource.name}: {reason_of(error)}") from error
    return [_compare(one, existing.get(one.name), events, configs.get(one.name, {})) for one in wanted]


def _of_events(existing: Mapping[str, int], wanted: list[TopicSpec]) -> int | None:
    """Return the number of partitions of deploy_events; None if there is none."""
    return next((existing.get(one.name) for one in wanted if one.name.endswith("deploy_events")), None)


def _partitions(one: TopicSpec, events: int | None) -> int:
    """Return how many partitions a topic is created with."""
    return events if events is not None and _is_changelog(one) else one.partitions


def _is_changelog(one: TopicSpec) -> bool:
    return one.name.endswith("-state-changelog")


def _compare(one: TopicSpec, partitions: int | None, events: int | None, config: Mapping[str, str]) -> TopicCheck:
    if partitions is None:
        return TopicCheck(one.name, ["is missing; create it with `candora topics create`"])
    problems: list[str] = []
    if _is_changelog(one) and partitions != events:
        problems.append(f"has {partitions} partitions, deploy_events has {events}; {PARTITIONS_ADVICE}")
    elif one.partitions_fixed and not _is_changelog(one) and partitions != one.partitions:
        problems.append(f"has {partitions} partitions instead of {one.partitions}; delete it and create it anew")
    for name, value in one.config.items():
        given = config.get(name)
        if given is not None and given != value and not _keeps_longer(name, given, value):
            problems.append(f"{name} is {given} instead of {value}; alter the topic's configuration")
    return TopicCheck(one.name, problems)


def _keeps_longer(name: str, given: str, wanted: str) -> bool:
    """Keeping more or accepting more than asked for is no fault."""
    if name not in {"retention.ms", "retention.bytes", "delete.retention.ms", "max.message.bytes"}:
        return False
    return given == "-1" or (wanted != "-1" and int(given) >= int(wanted))


def _existing(admin: AdminClient) -> dict[str, int]:
    try:
        topics = admin.list_topics(timeout=_TIMEOUT).topics
    except KafkaException as error:
        raise TopicsUnreachable(f"{reason_of(error)}; is CANDORA_KAFKA_BOOTSTRAP_SERVERS right?") from error
    return {name: len(topic.partitions) for name, topic in topics.items()}
