"""Query brokers, topic and permissions. Never writes."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclOperation,
    AdminClient,
    ConfigResource,
    ResourceType,
)

from producers.delivery.kafka import CREDENTIALS
from producers.doctor.address import Address
from producers.doctor.finding import CheckResult, ok, problem, unknown, warning
from producers.errors import ExitCode
from schemas.topics import Topic

_POLL: Final = 0.5
_OURS: Final = ("message.timestamp.type", "cleanup.policy", "max.message.bytes")
"""Settings of the topic without which events are lost or misread."""


@dataclass(frozen=True, slots=True)
class BrokerAnswers:
    """The answers of the brokers. What is None could not be learnt."""

    refusal: str | None = None
    """Why they do not let us in."""
    trouble: str | None = None
    """Why there is no answer."""
    brokers: Sequence[Address] = ()
    partitions: int | None = None
    """Of the topic; None if there is none that we may see."""
    config: Mapping[str, str] | None = None
    operations: frozenset[str] | None = None
    """What we may do to the topic, such as WRITE."""
    hidden: Sequence[str] = field(default=())
    """Why some answers are missing."""


def ask(settings: Mapping[str, str | int | bool], topic: str, limit: float) -> BrokerAnswers:
    """Ask the brokers, `limit` seconds at most for each of two questions. The settings were tried before."""
    errors: list[KafkaError] = []
    conf: dict[str, Any] = {**settings, "error_cb": errors.append}
    admin, end, trouble, metadata = AdminClient(conf), time.monotonic() + limit, "", None
    while metadata is None:
        try:
            metadata = admin.list_topics(timeout=_POLL)
        except KafkaException as error:
            trouble = trouble or error.args[0].str()
        admin.poll(0)
        refusals = [error for error in errors if error.code() in CREDENTIALS]
        if metadata is None and refusals:
            return BrokerAnswers(refusal=refusals[0].str())
        if metadata is None and time.monotonic() >= end:
            return BrokerAnswers(trouble=errors[0].str() if errors else trouble)
    brokers = [Address(str(broker.host), broker.port) for broker in metadata.brokers.values()]
    found = metadata.topics.get(topic)
    if found is None or found.error is not None:
        return BrokerAnswers(brokers=brokers)
    return _describe(admin, topic, brokers, len(found.partitions), limit)


def _describe(admin: AdminClient, topic: str, brokers: list[Address], partitions: int, limit: float) -> BrokerAnswers:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    [configs] = admin.describe_configs([resource], request_timeout=limit).values()
    [described] = admin.describe_topics(
        TopicCollection([topic]), include_authorized_operations=True, request_timeout=limit
    ).values()
    hidden: list[str] = []
    config = operations = None
    try:
        config = {name: str(entry.value) for name, entry in configs.result(limit + 1).items()}
    except (KafkaException, TimeoutError) as error:
        hidden.append(f"its settings: {_said(error)}")
    try:
        allowed: Iterable[AclOperation] | None = described.result(limit + 1).authorized_operations
        operations = None if allowed is None else frozenset(operation.name for operation in allowed)
    except (KafkaException, TimeoutError) as error:
        hidden.append(f"what we may do: {_said(error)}")
    return BrokerAnswers(brokers=brokers, partitions=partitions, config=config, operations=operations, hidden=hidden)


def _said(error: Exception) -> str:
    return error.args[0].str() if isinstance(error, KafkaException) else "no answer in time"


def judge(cluster: BrokerAnswers, name: str, topic: Topic) -> list[CheckResult]:
    """Judge the answers of the brokers. `name` is the topic's, with its prefix."""
    if cluster.refusal is not None:
        advice = "check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, or the TLS settings"
        return [problem("login", f"refused: {cluster.refusal}", advice, ExitCode.CREDENTIALS)]
    if cluster.trouble is not None:
        advice = "check KAFKA_SECURITY_PROTOCOL: a listener that expects something else hangs up without a word"
        return [problem("brokers", f"no answer: {cluster.trouble}", advice, ExitCode.NOT_DELIVERED)]
    answered = ok("brokers", f"{len(cluster.brokers)} answered: {', '.join(map(str, cluster.brokers))}")
    if cluster.partitions is None:
        advice = "create it with `candora topics create`, check --topic-prefix, and that we may DESCRIBE it"
        return [answered, problem("topic", f"there is no {name!r} that we may see", advice, ExitCode.NOT_DELIVERED)]
    return [answered, *_judge_topic(cluster, name, topic), _judge_permission(cluster, name)]


def _judge_topic(cluster: BrokerAnswers, name: str, topic: Topic) -> list[CheckResult]:
    if cluster.config is None:
        advice = "grant DESCRIBE_CONFIGS, or have its operator run `candora topics check`"
        return [unknown("topic", f"{name} has {cluster.partitions} partitions; {'; '.join(cluster.hidden)}", advice)]
    faults = []
    for setting in _OURS:
        is_, wanted = cluster.config.get(setting), topic.config[setting]
        larger = setting == "max.message.bytes" and is_ is not None and int(is_) >= int(wanted)
        if is_ is not None and is_ != wanted and not larger:
            faults.append(
                problem(
                    "topic",
                    f"{name}: {setting} is {is_} instead of {wanted}",
                    "alter the topic's configuration; `candora topics check` looks at all of it",
                    ExitCode.USAGE,
                )
            )
    timestamps = cluster.config.get("message.timestamp.type")
    return faults or [ok("topic", f"{name} has {cluster.partitions} partitions and {timestamps}")]


def _judge_permission(cluster: BrokerAnswers, name: str) -> CheckResult:
    if cluster.operations is None:
        why = "; ".join(cluster.hidden) or "the broker does not say"
        return unknown("write", f"whether we may write to {name} is not known: {why}", "--send tries it")
    if "WRITE" not in cluster.operations:
        may = ", ".join(sorted(cluster.operations)) or "nothing"
        advice = "grant WRITE on the topic to this user"
        return problem("write", f"we may not write to {name}, only {may}", advice, ExitCode.CREDENTIALS)
    if "DESCRIBE" not in cluster.operations:
        return warning("write", f"we may write to {name}, but not describe it", "grant DESCRIBE on the topic")
    return ok("write", f"we may write to {name}")
