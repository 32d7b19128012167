"""A `deploy_events` topic in memory: for each partition its state, what it has stored and what it has published.

It does what a worker does around the core (outputs first, then the rows, then the position) and can stop at any place.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from schemas.values import (
    ChangeValue,
    CountersValue,
    DeploymentValue,
    EventValue,
    HistogramValue,
    IncidentRecordValue,
    MetricsValue,
    Micros,
)
from streams.core.partition_state import PartitionChanges, PartitionState
from streams.core.settings import MetricSettings
from tests.support.oracle import EnvSummary, reference
from tests.support.oracle.known import accepted

Reading = Callable[[Iterable[EventValue], Micros, MetricSettings, Micros], dict[str, EnvSummary]]
"""From all events, a moment, the settings and a window to the numbers of every "SERVICE/ENV"."""

Key = TypeVar("Key")
Record = TypeVar("Record", DeploymentValue, IncidentRecordValue, ChangeValue, MetricsValue)

ROUNDS: Final = 50
"""Links breed no links, so a topic that is not at rest after this many rounds never will be."""


class Line(NamedTuple):
    """One message of a partition; without an event it only carries the time."""

    event: EventValue | None
    append_time: Micros


def _service(line: Line) -> str:
    return "" if line.event is None else line.event["service"]


class Published:
    """What readers of the compacted topics see: the last record of every key."""

    def __init__(self) -> None:
        self.deployments: dict[tuple[str, str, str], DeploymentValue] = {}
        self.incidents: dict[tuple[str, str], IncidentRecordValue] = {}
        self.changes: dict[tuple[str, str], ChangeValue] = {}
        self.metrics: dict[tuple[str, str], MetricsValue] = {}
        self.dips: list[str] = []

    def take(self, changes: PartitionChanges) -> None:
        """Let later records replace earlier ones, as every reader does; a counter that falls is noted in `dips`."""
        for deployment in changes.deployments:
            key = deployment["service"], deployment["env"], deployment["deployment_id"]
            replace(self.deployments, key, deployment)
        for incident in changes.incidents:
            replace(self.incidents, (incident["service"], incident["incident_id"]), incident)
        for change in changes.changes:
            replace(self.changes, (change["service"], change["change_id"]), change)
        for metrics in changes.metrics:
            before = self.metrics.get((metrics["service"], metrics["env"]))
            if replace(self.metrics, (metrics["service"], metrics["env"]), metrics) and before is not None:
                self.dips += dips(before["counters"], metrics["counters"])


def replace(records: dict[Key, Record], key: Key, record: Record) -> bool:
    """Replace what stands under a key, unless that has seen more of the log."""
    if key in records and record["as_of"]["offset"] < records[key]["as_of"]["offset"]:
        return False
    records[key] = record
    return True


def totals(counters: CountersValue) -> dict[str, int]:
    """Every number of a service and env that may only rise."""
    found = {name: value for name, value in counters.items() if isinstance(value, int)}
    found |= {f"failures.{reason}": count for reason, count in counters["failures"].items()}
    found |= {f"revisions.{r['from_verdict']}.{r['to_verdict']}": r["count"] for r in counters["verdict_revisions"]}
    histograms: dict[str, HistogramValue] = {"lead": counters["lead_time"], "restore": counters["restore"]}
    for name, histogram in histograms.items():
        found |= {f"{name}.{bucket}": count for bucket, count in enumerate(histogram["counts"])}
        found[f"{name}.sum"] = histogram["sum"]
    return found


def dips(before: CountersValue, after: CountersValue) -> list[str]:
    """The counters that fell between two snapshots."""
    now = totals(after)
    return [f"{name}: {was} -> {now.get(name, 0)}" for name, was in totals(before).items() if now.get(name, 0) < was]


class Partition:
    """One partition and the partition state that reads it."""

    def __init__(self, number: int, settings: MetricSettings) -> None:
        self.number = number
        self.settings = settings
        self.log: list[Line] = []
        self.position = 0
        self.stored: dict[str, bytes] = {}
        self.published = Published()
        self.partition_state = PartitionState(number, settings)

    def read(self, count: int) -> None:
        """Read the next messages as a worker does, service by service."""
        end = min(self.position + count, len(self.log))
        while self.position < end:
            lines = self.log[self.position : end]
            taken = self.partition_state.begin(
                [(line.append_time, self.position + at) for at, line in enumerate(lines)]
            )
            for at in sorted(range(taken), key=lambda at: _service(lines[at])):
                self.partition_state.take(lines[at].event, at)
            self.partition_state.finish()
            self.position += taken

    def collect(self, rows: int | None = None) -> list[EventValue]:
        """Publish and then store what changed, or only its first `rows` rows; the events for other services."""
        changes = self.partition_state.collect()
        self.published.take(changes)
        for key, row in changes.rows[:rows]:
            if row is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = msgspec.msgpack.encode(row)
        return list(changes.links)

    def restart(self, back: int = 0, order: Callable[[list[str]], Sequence[str]] = list) -> None:
        """Forget everything but the stored rows, given in any order, and go back some messages."""
        self.partition_state = PartitionState(self.number, self.settings)
        keys = order(list(self.stored))
        self.partition_state.restore([(key, msgspec.msgpack.decode(self.stored[key])) for key in keys])
        self.position = max(0, self.position - back)


class Topic:
    """All partitions; the services are dealt out to them in alphabetical order."""

    def __init__(self, settings: MetricSettings, services: Iterable[str], partitions: int = 1) -> None:
        self.partitions = [Partition(number, settings) for number in range(partitions)]
        self.home = {service: number % partitions for number, service in enumerate(sorted(set(services)))}

    def append(self, event: EventValue | None, append_time: Micros) -> None:
        """Add a message to its service's partition, or a tick to all."""
        for partition in self.partitions:
            if event is None or self.home.get(event["service"], 0) == partition.number:
                partition.log.append(Line(event, append_time))

    def step(self, partition: Partition, count: int) -> None:
        """Let one partition read a batch, publish and store it, and send on what it has for others."""
        partition.read(count)
        for link in partition.collect():
            self.append(link, partition.log[partition.position - 1].append_time if partition.position else 0)

    def settle(self, batch: int = 1_000) -> None:
        """Read on until nothing is left to read."""
        for _ in range(ROUNDS + sum(len(partition.log) for partition in self.partitions)):
            waiting = [partition for partition in self.partitions if partition.position < len(partition.log)]
            if not waiting:
                return
            for partition in waiting:
                self.step(partition, batch)
        message = "the topic does not come to rest"
        raise AssertionError(message)


class Records(NamedTuple):
    """Everything published by all partitions."""

    deployments: Mapping[tuple[str, str, str], DeploymentValue]
    incidents: Mapping[tuple[str, str], IncidentRecordValue]
    changes: Mapping[tuple[str, str], ChangeValue]
    metrics: Mapping[tuple[str, str], MetricsValue]

    @classmethod
    def of_one(cls, seen: Published) -> "Records":
        """What the readers of one partition see."""
        return cls(seen.deployments, seen.incidents, seen.changes, seen.metrics)

    @classmethod
    def of(cls, topic: Topic) -> "Records":
        """What the readers of a topic see."""
        seen = [partition.published for partition in topic.partitions]
        return cls(
            {key: value for one in seen for key, value in one.deployments.items()},
            {key: value for one in seen for key, value in one.incidents.items()},
            {key: value for one in seen for key, value in one.changes.items()},
            {key: value for one in seen for key, value in one.metrics.items()},
        )


class Step(NamedTuple):
    """A partition right after it read one message, and what it then had for other services."""

    partition: Partition
    offset: int
    line: Line
    links: list[EventValue]


def steps(lines: Iterable[Line], settings: MetricSettings) -> Iterator[Step]:
    """Read a log message by message; what services tell each other stands right behind what they tell it of."""
    lines = list(lines)
    topic = Topic(settings, {line.event["service"] for line in lines if line.event is not None})
    partition = topic.partitions[0]
    for line in lines:
        topic.append(*line)
        while partition.position < len(partition.log):
            offset = partition.position
            partition.read(1)
            links = partition.collect()
            yield Step(partition, offset, partition.log[offset], links)
            for link in links:
                topic.append(link, partition.log[offset].append_time)


def played(
    events: Sequence[EventValue], at: Micros, settings: MetricSettings, partitions: int = 1, batch: int = 1_000
) -> Topic:
    """A topic that has known the events for ever when the clock jumps to `at`."""
    topic = Topic(settings, (event["service"] for event in events), partitions)
    for event in accepted(events, at + settings.max_future):
        topic.append(event, 0)
    topic.settle(batch)
    topic.append(None, at)
    topic.settle(batch)
    return topic


def summaries(records: Records, window: Micros) -> dict[str, EnvSummary]:
    """The numbers of every service and env as they were published."""
    return {
        f"{service}/{env}": summary(metrics, records.incidents.values(), window)
        for (service, env), metrics in records.metrics.items()
        if env
    }


def summary(metrics: MetricsValue, incidents: Iterable[IncidentRecordValue], window: Micros) -> EnvSummary:
    """The numbers of one service and env as they were published."""
    found = next(one for one in metrics["windows"] if one["window"] == window)
    counters, state = metrics["counters"], metrics["state"]
    ours = [
        one
        for one in incidents
        if (one["service"], one["env"]) == (metrics["service"], metrics["env"]) and one["opened_at"] is not None
    ]
    return {
        "judged": found["judged"],
        "failed": found["failed"],
        "ratio": found["failed"] / found["judged"] if found["judged"] else None,
        "reasons": {reason: count for reason, count in found["reasons"].items() if count},
        "pending": state["pending"],
        "superseded": state["superseded"],
        "abandoned": state["abandoned"],
        "deployments_total": counters["deployments"],
        "deployments_success_total": counters["deployments_success"],
        "lead_count": found["lead_count"],
        "lead_p50": found["lead_p50"],
        "lead_p90": found["lead_p90"],
        "restore_count": found["restore_count"],
        "restore_mean": found["restore_mean"],
        "restore_p50": found["restore_p50"],
        "open": state["incidents_open"],
        "unattributed": state["incidents_unattributed"],
        "attribution": {
            one["incident_id"]: [one["attribution"]["deployment_id"], one["attribution"]["rule"]]
            for one in ours
            if one["lane"] not in {"rehearsal", "synthetic"}
        },
    }


def by_partition_state(
    events: Iterable[EventValue], at: Micros, settings: MetricSettings, window: Micros
) -> dict[str, EnvSummary]:
    """The reading of the core."""
    return summaries(Records.of(played(list(events), at, settings)), window)


READINGS: Final[Mapping[str, Reading]] = {"shelf": by_partition_state, "reference": reference}
"""The two readings of the specification."""


def said(summaries_: Mapping[str, EnvSummary]) -> dict[str, EnvSummary]:
    """The services and envs of which there is anything to say."""
    return {name: one for name, one in summaries_.items() if any(one.values())}


def without(value: Any, names: set[str]) -> Any:
    """A record without some of its fields, at any depth."""
    if isinstance(value, Mapping):
        return {name: without(part, names) for name, part in sorted(value.items()) if name not in names}
    return [without(part, names) for part in value] if isinstance(value, list) else value


def published_of(records: Records, leave_out: set[str]) -> dict[str, Any]:
    """Records by kind and key, without some fields."""
    return {
        f"{kind} {'/'.join(key)}": without(value, leave_out)
        for kind, found in records._asdict().items()
        for key, value in sorted(found.items())
    }


def facts_of(records: Records) -> dict[str, Any]:
    """What is known: without which message was the last and without what was counted on the way.

    An env that only a lost version of an event ever named stays exposed with 0, and is left out here.
    """
    metrics = {key: one for key, one in records.metrics.items() if one["state"]["last_event_at"] is not None}
    counted_on_the_way = {"as_of", "at", "revisions", "observed", "judged_at", "counters"}
    return published_of(records._replace(metrics=metrics), counted_on_the_way)


def everything_of(records: Records) -> dict[str, Any]:
    """All that was published, without when that was."""
    return published_of(records, {"as_of", "at"})
