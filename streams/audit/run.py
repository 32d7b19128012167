"""The audit from its first question to its answer; `streams.audit.comparison` says why it is right on a live system."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.duration import format_duration
from schemas.errors import ContractError
from schemas.topics import load_topics
from schemas.values import SECOND, Micros
from streams.audit.comparison import AuditComparison, RecomputedOutputs
from streams.audit.differences import Difference, field_differences
from streams.audit.process_pool import OffsetSpan, ReplayJob, ReplayPool, groups_of
from streams.audit.published_outputs import PublishedMessage, PublishedOutputs, read_published
from streams.audit.record_types import Place, decoders, kinds
from streams.audit.report import AuditReport
from streams.core.settings import MetricSettings
from streams.errors import Inconclusive
from streams.kafka.cluster import Cluster, open_consumer
from streams.settings.installation import WorkerSettings
from streams.terminal.progress import Tick

_ATTEMPTS: Final = 3
_ASK_EVERY: Final = 0.2


@dataclass(frozen=True)
class AuditRequest:
    """How an audit is to be done."""

    wait: Micros = 60 * SECOND
    """How long the workers may need to reach the ends of the log."""
    most: int = 20
    """How many differences to report."""
    processes: int = 0
    """At most; 0: one for each processor."""


def _say_nothing(_read: int, _total: int) -> None:
    """Nobody watches."""


def audit(settings: WorkerSettings, demand: AuditRequest, tick: Tick = _say_nothing) -> AuditReport:
    """Recompute everything from the log and compare it with what is published. Changes nothing."""
    try:
        return Audit(settings, demand, tick).report()
    except Inconclusive as error:
        return AuditReport("undecided", why=str(error))


class Audit:
    """One audit of one installation."""

    def __init__(self, settings: WorkerSettings, demand: AuditRequest, tick: Tick) -> None:
        self._settings = settings
        self._demand = demand
        self._tick = tick
        self._client: Mapping[str, str] = settings.client()
        self._cluster = Cluster(self._client)
        self._log = settings.topic("deploy_events")
        self._began = time.monotonic()
        self._total = 0

    def report(self) -> AuditReport:
        """Do it."""
        partitions = self._look_at_topics()
        count = partitions[self._log]
        begins, ends = self._cluster.begins(self._log, count), self._cluster.ends(self._log, count)
        cut = {partition: begin for partition, begin in begins.items() if begin > 0}
        if cut:
            partition, begin = next(iter(cut.items()))
            raise Inconclusive(
                f"{self._log}[{partition}] begins at offset {begin}: its oldest messages are gone, and what they said "
                "cannot be recomputed; keep the log whole (retention.ms, retention.bytes) to audit it"
            )
        self._total = sum(ends.values())
        unknown: frozenset[Place] = frozenset()
        for _ in range(_ATTEMPTS):
            found = self._compare(partitions, ends, unknown)
            if isinstance(found, AuditReport):
                return found
            unknown |= found
        raise Inconclusive("the workers refused messages for schemas that are being registered just now: audit again")

    def _look_at_topics(self) -> dict[str, int]:
        partitions = self._cluster.partitions()
        names = [self._settings.topic(topic.name) for topic in load_topics()]
        missing = [name for name in names if not partitions.get(name)]
        if missing:
            raise Inconclusive(
                f"Kafka has no topic {', '.join(missing)}; are CANDORA_TOPIC_PREFIX and CANDORA_OUTPUT_PREFIX those of "
                "the workers?"
            )
        return partitions

    def _compare(
        self, partitions: dict[str, int], ends: dict[int, int], unknown: frozenset[Place]
    ) -> AuditReport | frozenset[Place]:
        """Return the report; or the messages that must be taken for refused, and everything recomputed for that."""
        cores = self._demand.processes or _cores()
        with ReplayPool(self._job(partitions[self._log], unknown), groups_of(ends, cores)) as pool:

            def tick() -> None:
                self._tick(min(pool.count, self._total), self._total)

            pool.read({partition: OffsetSpan(0, end) for partition, end in ends.items()})
            self._wait_for_workers(ends, tick)
            published = self._published(partitions, tick)
            _ = published.misplaced  # looked for while the pool reads
            found = RecomputedOutputs(ends)
            found.add(pool.readings(tick))
            judge = AuditComparison(found, published, self._cluster.ends(self._log, partitions[self._log]))
            spans = judge.beyond()
            if spans:
                pool.read(spans)
                found.add_later(pool.readings(tick))
            if disputed := judge.disputed():
                return frozenset(disputed)
            self._check_letters(judge, found, published)
            differences = judge.differences()
            described = self._with_events(pool, judge, differences[: self._demand.most])
            return AuditReport(
                verdict="different" if differences else "equal",
                ends=ends,
                messages=self._total,
                beyond=sum(span.end - span.begin for span in spans.values()),
                records={kind.topic: len(held) for kind, held in zip(kinds(), found.records, strict=True)},
                refused=len(found.refused),
                links=len(found.due),
                seconds=time.monotonic() - self._began,
                differences=described,
                differing=len(differences),
            )

    def _job(self, partitions: int, unknown: frozenset[Place]) -> ReplayJob:
        return ReplayJob(
            client=self._client,
            topic=self._log,
            partitions=partitions,
            settings=self._settings.core(),
            trust_create_time=self._settings.trust_create_time,
            registry_url=self._settings.schema_registry_url,
            unknown=unknown,
        )

    def _wait_for_workers(self, ends: Mapping[int, int], tick: Callable[[], None]) -> None:
        group = self._settings.app_id
        deadline = time.monotonic() + self._demand.wait / SECOND
        while True:
            reached = self._cluster.committed(group, self._log, len(ends))
            behind = {one: reached.get(one, 0) for one, end in ends.items() if reached.get(one, 0) < end}
            if not behind:
                return
            if time.monotonic() > deadline:
                where = ", ".join(f"partition {one} at {at} of {ends[one]}" for one, at in list(behind.items())[:3])
                raise Inconclusive(
                    f"the workers of the group {group} have not reached the end of {self._log} within "
                    f"{format_duration(self._demand.wait)}: {where}; are they running, and is CANDORA_APP_ID theirs?"
                )
            tick()
            time.sleep(_ASK_EVERY)

    def _published(self, partitions: dict[str, int], tick: Callable[[], None]) -> PublishedOutputs:
        consumer = open_consumer(self._client)
        try:
            published = read_published(self._cluster, consumer, self._settings.outputs, partitions, tick)
        finally:
            consumer.close()
        check_settings(published.records[-1], self._settings.core())
        return published

    def _check_letters(self, judge: AuditComparison, found: RecomputedOutputs, published: PublishedOutputs) -> None:
        """Return whether missing dead letters can be found at all."""
        missing = judge.letters_missing()
        if missing and published.dead.gone:
            raise Inconclusive("the topic of the dead letters has lost its oldest messages: some cannot be compared")
        for place in missing:
            dead = found.refused[place]
            if dead["reason"] == "unknown_schema" and self._settings.schema_registry_url is None:
                raise Inconclusive(f"{dead['problem']}: set CANDORA_SCHEMA_REGISTRY_URL as the workers have it")

    @staticmethod
    def _with_events(pool: ReplayPool, judge: AuditComparison, differences: list[Difference]) -> tuple[Difference, ...]:
        subjects = judge.subjects(differences)
        if not subjects:
            return tuple(differences)
        events = pool.behind(subjects.values())
        found = {name: events[subject.kind, subject.key] for name, subject in subjects.items()}
        return tuple(one.with_events(found.get((one.topic, one.key))) for one in differences)


def _cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def check_settings(snapshots: Mapping[bytes, PublishedMessage], settings: MetricSettings) -> None:
    """Nothing, if the published numbers were computed with these settings.

    Raises:
        Inconclusive: they were not. Names the field, and both of its values.
    """
    ours: dict[str, Any] = {**settings.to_value(), "windows": list(settings.windows)}
    number = next(number for number, kind in enumerate(kinds()) if kind.topic == "delivery_metrics")
    for key, stored in snapshots.items():
        try:
            value = decoders()[number].decode(stored.data)
        except ContractError:
            continue  # no snapshot: it is reported with the other differences
        theirs = {**value["settings"], "windows": [window["window"] for window in value["windows"]]}
        for path, published, here in field_differences(theirs, ours):
            raise Inconclusive(
                f"settings differ: {path} is {_setting(published)} in the snapshot {key.decode()!r}, and "
                f"{_setting(here)} here; audit with the workers' CANDORA_{path.partition('[')[0].upper()}"
            )


def _setting(value: Any) -> str:
    return format_duration(value) if isinstance(value, int) else repr(value)
