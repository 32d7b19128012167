"""Run all checks in the order of their dependencies. Each has a time limit."""

from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from producers.config import ProducerConfig
from producers.delivery.delivery import RECORD, open_publisher, topic_of
from producers.doctor.address import check_addresses, parse_servers
from producers.doctor.clock import check_clock
from producers.doctor.environment import check_ci, check_git, check_spool
from producers.doctor.finding import CheckResult, CheckStatus, problem
from producers.doctor.registry import check_registry, registry_ahead
from producers.doctor.settings import check_settings
from producers.errors import ExitCode, UsageError
from schemas.ids import pinned_encoder
from schemas.topics import topic_of as topic_with

if TYPE_CHECKING:
    from producers.delivery.delivery import Encode

SHARE: Final = 2
"""A question may take this part of the timeout."""


def examine(
    config: ProducerConfig, given: Mapping[str, Any], environ: Mapping[str, str], *, trial: bool
) -> Iterator[CheckResult]:
    """Check everything, yielding each result as soon as it is known. With `trial` one synthetic event is sent.

    Raises:
        UsageError: a setting cannot be read.
    """
    yield from check_settings(config, given, environ)
    yield from _check_kafka(config, trial=trial) if config.sidecar is None else _check_sidecar(config, trial=trial)
    yield check_spool(config.spool, environ)
    yield check_ci(environ)
    yield from check_git(".", environ)


def _check_sidecar(config: ProducerConfig, *, trial: bool) -> Iterator[CheckResult]:
    from producers.doctor.sidecar import check_sidecar, send_trial  # noqa: PLC0415 - most send to Kafka

    url, limit = config.sidecar or "", config.timeout / SHARE
    accepted, ahead = yield from check_sidecar(url, config, limit)
    if trial and accepted:
        from producers.doctor.trial import trial_event  # noqa: PLC0415 - as above

        event = trial_event(datetime.now(UTC)).value
        yield send_trial(url, config, event["event_id"], pinned_encoder(RECORD).encode(event), limit)
    yield check_clock(ahead, "the sidecar")


def _check_kafka(config: ProducerConfig, *, trial: bool) -> Iterator[CheckResult]:
    limit, topic = config.timeout / SHARE, topic_of(config)
    registry, encode = check_registry(config)
    ahead: float | None = None
    if config.servers is not None:
        reached = yield from _check_brokers(config, config.servers, topic, limit)
        if reached and trial and encode is not None:
            finding, ahead = _send_trial(config, config.servers, topic, encode, limit)
            yield finding
    yield registry
    if ahead is not None:
        yield check_clock(ahead, "the broker")
    else:
        url = config.registry_url if registry.status is CheckStatus.OK else None
        yield check_clock(registry_ahead(url, limit) if url else None, "the schema registry")


def _check_brokers(
    config: ProducerConfig, servers: str, topic: str, limit: float
) -> Generator[CheckResult, None, bool]:
    """Yields the findings; gives whether the brokers answered."""
    from producers.doctor.cluster import ask, judge  # noqa: PLC0415 - without a broker no client is loaded

    try:
        open_publisher(config, bulk=False).close()
    except UsageError as error:  # it leaves out the values, which may be secrets
        yield problem("settings", str(error), "fix the variable of that name", ExitCode.USAGE)
        return False
    addresses, faults = parse_servers(servers)
    yield from faults
    found = check_addresses(addresses, config.kafka, limit)
    yield from found
    if not any(finding.status in {CheckStatus.OK, CheckStatus.UNKNOWN} for finding in found):
        return False
    cluster = ask(_settings(config, servers, limit), topic, limit)
    yield from judge(cluster, topic, topic_with("deploy_event"))
    others = [broker for broker in cluster.brokers if broker not in addresses]
    for finding in check_addresses(others, config.kafka, limit):
        if finding.status is CheckStatus.PROBLEM:
            advice = f"{finding.advice}; brokers give this address out themselves: advertised.listeners"
            yield finding._replace(name=f"advertised {finding.name}", advice=advice)
    return bool(cluster.brokers)


def _send_trial(
    config: ProducerConfig, servers: str, topic: str, encode: "Encode", limit: float
) -> tuple[CheckResult, float | None]:
    from producers.doctor.trial import send, trial_event  # noqa: PLC0415 - as above

    event = trial_event(datetime.now(UTC)).value
    return send(_settings(config, servers, limit), topic, event["event_id"], encode(event), limit)


def _settings(config: ProducerConfig, servers: str, limit: float) -> dict[str, str | int | bool]:
    from producers.delivery.kafka import producer_settings  # noqa: PLC0415 - as above

    return producer_settings(servers, config.kafka, timeout=limit, bulk=False)
