"""State and outputs made anew from the log, beside the workers that run: `candora rebuild`.

The new ones have an app_id and a prefix of outputs of their own and read the same deploy_events, into which only the
running workers write ticks and links. What is published is a function of the log and names the message that last
changed it, so what has read as far says the same, and whoever reads it instead sees no number move.
"""

import gc
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaException

from schemas.duration import format_duration
from schemas.errors import ContractError
from schemas.values import SECOND, Micros
from streams.audit.differences import field_differences, shown
from streams.audit.published_outputs import PublishedOutputs, read_published
from streams.audit.record_types import decoders, kinds
from streams.audit.report import AuditReport
from streams.audit.run import AuditRequest, audit
from streams.errors import Inconclusive
from streams.kafka.admin import KafkaAdmin, reason_of
from streams.kafka.cluster import Cluster, open_consumer
from streams.kafka.topics import TopicsUnreachable, create_topics, wanted_topics
from streams.settings.installation import WorkerSettings
from streams.terminal.progress import Tick
from streams.worker.preflight import TopicsError, event_partitions
from streams.worker.run import GC_THRESHOLDS, WorkerThread

NEARLY: Final = 2_000
"""Messages that may be left to read when the audit begins: it waits for what comes meanwhile."""

MOST_EXAMPLES: Final = 20
_ASK_EVERY: Final = 0.2
_TIMEOUT: Final = 15.0


def next_names(settings: WorkerSettings) -> tuple[str, str]:
    """An app_id and a prefix of outputs that follow those of the running workers: candora-worker-2 and v2-."""
    counted = re.fullmatch(r"(.+)-(\d{1,6})", settings.app_id)
    stem, number = (counted[1], int(counted[2]) + 1) if counted else (settings.app_id, 2)
    return f"{stem}-{number}", f"{settings.topic_prefix}v{number}-"


def settings_beside(running: WorkerSettings, app_id: str, outputs: str, data_dir: Path) -> WorkerSettings:
    """Build the settings of a worker that makes everything anew. Inconclusive if it would be a running one."""
    if app_id == running.app_id or outputs == running.outputs:
        raise Inconclusive(
            f"the rebuilt state ({app_id!r}) and outputs ({outputs!r}) would be those of the running workers "
            f"({running.app_id!r}, {running.outputs!r}): choose others with --app-id and --output-prefix"
        )
    return WorkerSettings.model_validate(
        {
            **running.model_dump(),
            "app_id": app_id,
            "output_prefix": outputs,
            "data_dir": data_dir,
            "instance_id": "",
            "web_port": None,
            "tick_interval": 0,
            "send_links": False,
        }
    )


@dataclass(frozen=True)
class RebuildResult:
    """How a rebuild ended."""

    report: AuditReport
    """The audit of the rebuilt outputs."""
    moving: int = 0
    """How many published records would change with the switch, though both sides have read as far."""
    examples: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 ready to be switched over to, 1 different from the log or from what runs, 2 undecided."""
        return self.report.exit_code or min(1, self.moving)

    def lines(self) -> Iterator[str]:
        """What differs, and what the audit sums up."""
        yield from self.report.lines()
        yield from self.examples
        if self.moving > len(self.examples):
            yield f"... and {self.moving - len(self.examples)} more"
        if self.moving:
            yield (
                f"different: {self.moving} records are equal to the log, but not to what the running workers publish; "
                "a switch would move numbers, and Prometheus takes a counter that falls for one that began anew"
            )


@dataclass(frozen=True)
class Rebuild:
    """One rebuild: the running workers, the worker beside them, and how long either may make no progress."""

    running: WorkerSettings
    beside: WorkerSettings
    wait: Micros = 60 * SECOND
    tick: Tick = lambda _read, _total: None
    audit_tick: Tick = lambda _read, _total: None

    def run(self) -> RebuildResult:
        """Create the topics, read the whole log, audit what came of it, compare it with what is published now."""
        try:
            return self._run()
        except Inconclusive as error:
            return RebuildResult(AuditReport("undecided", why=str(error)))

    def _run(self) -> RebuildResult:
        cluster = Cluster(self.running.client())
        count = self._look_at_topics(cluster)
        self._create_topics(count)
        with _working(self.beside) as check:
            self._read_log(cluster, count, check)
            report = audit(self.beside, AuditRequest(wait=self.wait), self.audit_tick)
        if report.exit_code:
            return RebuildResult(report)
        reached = cluster.committed(self.beside.app_id, self._log, count)
        self._wait_for_running(cluster, reached)
        examples = list(self._moving(cluster, reached))
        return RebuildResult(report, len(examples), tuple(examples[:MOST_EXAMPLES]))

    @property
    def _log(self) -> str:
        return self.running.topic("deploy_events")

    def _look_at_topics(self, cluster: Cluster) -> int:
        """Return the number of partitions of the log."""
        try:
            count = event_partitions(self.running, cluster.partitions())
        except TopicsError as error:
            raise Inconclusive(
                f"{error}; are CANDORA_TOPIC_PREFIX, CANDORA_OUTPUT_PREFIX and CANDORA_APP_ID those of the running "
                "workers?"
            ) from error
        for partition, begin in cluster.begins(self._log, count).items():
            if begin > 0:
                raise Inconclusive(
                    f"{self._log}[{partition}] begins at offset {begin}: its oldest messages are gone, and what they "
                    "said cannot be made anew; the running state is all that is left of them"
                )
        return count

    def _create_topics(self, count: int) -> None:
        beside = self.beside
        admin = KafkaAdmin(beside.client(), within=_TIMEOUT)
        try:
            self._wait_for_nobody(admin)
            replicas = admin.client.list_topics(self._log, timeout=_TIMEOUT).topics[self._log].partitions[0].replicas
            wanted = wanted_topics(beside.app_id, beside.topic_prefix, count, beside.outputs)
            create_topics(admin.client, wanted, len(replicas))
        except KafkaException as error:
            raise Inconclusive(f"Kafka does not say who runs, and where: {reason_of(error)}") from error
        except TopicsUnreachable as error:
            raise Inconclusive(f"the new topics cannot be created: {error}") from error

    def _wait_for_nobody(self, admin: KafkaAdmin) -> None:
        """Wait until the group is empty: a rebuild that was killed is a member of it until the session timeout."""
        deadline = time.monotonic() + self.wait / SECOND
        while others := admin.members(self.beside.app_id):
            if time.monotonic() > deadline:
                raise Inconclusive(
                    f"{others} workers of {self.beside.app_id} are running, and this would take partitions from them: "
                    "choose another --app-id and --output-prefix, or stop them"
                )
            time.sleep(_ASK_EVERY)

    def _read_log(self, cluster: Cluster, count: int, check: Callable[[], None]) -> None:
        """Wait until nearly all is read. More comes meanwhile, so the end is looked for again and again."""
        best, deadline = -1, time.monotonic() + self.wait / SECOND
        while True:
            check()
            ends = cluster.ends(self._log, count)
            reached = cluster.committed(self.beside.app_id, self._log, count)
            read, total = sum(reached.values()), sum(ends.values())
            self.tick(read, total)
            if total - read <= NEARLY:
                return
            if read > best:
                best, deadline = read, time.monotonic() + self.wait / SECOND
            elif time.monotonic() > deadline:
                raise Inconclusive(
                    f"nothing of {self._log} was read for {format_duration(self.wait)} ({read} of {total} messages "
                    "are): give it more time with --wait"
                )
            time.sleep(_ASK_EVERY)

    def _wait_for_running(self, cluster: Cluster, reached: Mapping[int, int]) -> None:
        """Wait until the running workers have read as far.

        Then every link that follows from what was read here is in the log: they tell it before they acknowledge.
        """
        group, deadline = self.running.app_id, time.monotonic() + self.wait / SECOND
        while True:
            theirs = cluster.committed(group, self._log, len(reached))
            behind = [partition for partition, end in reached.items() if theirs.get(partition, 0) < end]
            if not behind:
                return
            if time.monotonic() > deadline:
                raise Inconclusive(
                    f"the running workers ({group}) have read partition {behind[0]} of {self._log} up to "
                    f"{theirs.get(behind[0], 0)}, the rebuild up to {reached[behind[0]]}: are they running, and is "
                    "CANDORA_APP_ID theirs? Then run this again, it goes on from here"
                )
            time.sleep(_ASK_EVERY)

    def _moving(self, cluster: Cluster, reached: Mapping[int, int]) -> Iterator[str]:
        """Return the records that differ between both sides; those that changed after `reached` are skipped."""
        partitions = cluster.partitions()
        theirs, ours = (self._published(cluster, each.outputs, partitions) for each in (self.running, self.beside))
        for number, kind in enumerate(kinds()):
            held, made = theirs.records[number], ours.records[number]
            for key in sorted(held.keys() | made.keys()):
                then, anew = (_value(number, side[key].data) if key in side else None for side in (held, made))
                if then is not None and _is_later(then, reached):
                    continue
                name = f"{kind.topic} {key.decode('utf-8', 'replace')}"
                if then is None or anew is None:
                    yield f"{name}: {'only rebuilt' if then is None else 'not rebuilt'}"
                elif fields := list(field_differences(then, anew)):
                    path, published, recomputed = fields[0]
                    yield f"{name}: {path}: published {shown(published)}, rebuilt {shown(recomputed)}"

    def _published(self, cluster: Cluster, outputs: str, partitions: dict[str, int]) -> PublishedOutputs:
        consumer = open_consumer(self.running.client())
        try:
            return read_published(cluster, consumer, outputs, partitions, lambda: None)
        finally:
            consumer.close()


@contextmanager
def _working(settings: WorkerSettings) -> Iterator[Callable[[], None]]:
    """A worker in this process; what is given checks that it has not ended. Inconclusive if it has."""
    worker = WorkerThread(settings)
    thresholds = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    worker.start()

    def check() -> None:
        if not worker.running:
            raise Inconclusive(f"the worker that makes everything anew has ended: {worker.error}") from worker.error

    try:
        yield check
        check()
    finally:
        gc.set_threshold(*thresholds)
        if worker.running:
            _stop(worker)


def _stop(worker: WorkerThread) -> None:
    try:
        worker.stop()
    except Exception as error:
        raise Inconclusive(f"the worker that makes everything anew has not ended well: {error}") from error


def _value(kind: int, data: bytes) -> Any:
    """A published record; None if it is none, which only the audit of its own side can tell more about."""
    try:
        return decoders()[kind].decode(data)
    except ContractError:
        return None


def _is_later(value: Any, reached: Mapping[int, int]) -> bool:
    """Whether a record was changed by a message that the rebuild has not read."""
    as_of = value["as_of"]
    return bool(as_of["offset"] >= reached.get(as_of["partition"], 0))
