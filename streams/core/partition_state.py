"""All service states of one partition of the log, and its clock.

The clock of a partition is the largest append time of the messages read from it (semantics.md, section 1). It moves
the state of every service, message by message, so the state after a message is a function of the log up to it, on
whatever worker, however the messages were fetched, and however often it was restored in between.

Services are independent of each other. So a batch may be read service by service, as long as each sees its own messages
in order and moves with the clock that the partition had at each: a service that is read in one go stays in the
processor's cache (`begin`, `take`, `finish`; `read` does the same for one message).
"""

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from schemas.values import (
    AsOfValue,
    ChangeValue,
    DeploymentValue,
    EventValue,
    IncidentRecordValue,
    MetricsValue,
    Micros,
)
from streams.core.deployment import DeploymentState
from streams.core.facts import FOR_EVER, owner_of
from streams.core.incident import IncidentState
from streams.core.outputs import change_value, deployment_value, incident_value
from streams.core.record_key import CHANGE, RecordKey, kind_of
from streams.core.retention import name_of, names_in
from streams.core.service_state import ServiceState
from streams.core.settings import MetricSettings
from streams.core.state_rows import Row, facts_in, row_of, set_marks

PARTITION_ROW: Final = "partition"
_CLOSED_TOTALS: Final = "f/"

Refusal = Literal["record_closed", "record_full"]
"""Why a partition state does not take an event in."""

MOST_EVENTS: Final = {CHANGE: 10_000}
"""Events that a change may hold; without a bound, a record would outgrow any message."""
_MOST: Final = 1_000
"""Events that any other record may hold."""


class PartitionChanges(NamedTuple):
    """Everything that changed since it was last collected, each record once."""

    deployments: list[DeploymentValue]
    incidents: list[IncidentRecordValue]
    changes: list[ChangeValue]
    metrics: list[MetricsValue]
    links: list[EventValue]
    """Events for other services' partitions of the same log."""
    rows: list[tuple[str, Row | None]]
    """State to store, in this order; None deletes. The last row is the partition's: it makes the others valid."""


def _nothing() -> PartitionChanges:
    return PartitionChanges([], [], [], [], [], [])


class PartitionState:
    """The service states of one partition."""

    def __init__(self, partition: int, settings: MetricSettings) -> None:
        self.partition = partition
        self.settings = settings
        self.clock: Micros = FOR_EVER
        self.offset = -1
        self.services: dict[str, ServiceState] = {}
        self._agenda: list[tuple[Micros, str]] = []
        self._scheduled: dict[str, Micros] = {}
        self._open: dict[str, ServiceState] = {}
        self._moved = False
        self._changes = _nothing()
        self._retention_at: Micros | None = None
        self._closed: list[str] = []
        """Rows of records that were closed: deleted with the next batch, once what closed them is stored."""
        self._closing: list[str] = []
        self._clocks: list[Micros] = []
        """Of the batch that is being read: the clock after each message, and the offset that was read up to."""
        self._offsets: list[int] = []

    def restore(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Rebuild the service states from stored rows, in any order, as they stood after the last whole batch."""
        stored = dict(rows)
        self.clock, self.offset = stored.pop(PARTITION_ROW, (FOR_EVER, -1))
        by_service: dict[str, dict[RecordKey, Any]] = {}
        for name, row in stored.items():
            service, _, key = name.partition(" ")
            by_service.setdefault(service, {})[RecordKey(key)] = row
        for service, records in by_service.items():
            self._restore_service(service, records)
        self._plan_retention(self.clock)

    def _restore_service(self, service: str, records: dict[RecordKey, Any]) -> None:
        closed_totals = [
            row for key, row in records.items() if key.startswith(_CLOSED_TOTALS) and row[0] <= self.offset
        ]
        names = {name for row in closed_totals for name in names_in(row)}
        kept: dict[RecordKey, Any] = {}
        for key, row in records.items():
            if key.startswith(_CLOSED_TOTALS):
                continue
            if name_of(key) in names:
                self._closed.append(f"{service} {key}")
            else:
                kept[key] = row
        facts = [(key, fact) for key, row in kept.items() for fact in facts_in(key, row, self.offset)]
        if not facts and not closed_totals:
            return
        state = self.services[service] = ServiceState(service, self.settings)
        state.restore_closed_totals(closed_totals)
        state.restore(facts, self.clock, self.offset)
        for key, row in kept.items():
            entity = state.record(key)
            if entity is not None:
                set_marks(entity, row, self.offset)
        state.restored()
        self._schedule(state)

    def read(self, event: EventValue | None, append_time: Micros, offset: int) -> Refusal | None:
        """Take in one message, in log order. None stands for one that is no fact: it only moves the clock.

        A message that was taken in before changes nothing. The answer says why an event was not taken in, if it was
        not: its record is older than the longest window and closed, or holds as many events as one may.
        """
        self.begin([(append_time, offset)])
        refusal = self.take(event, 0)
        self.finish()
        return refusal

    def begin(self, moments: Sequence[tuple[Micros, int]]) -> int:
        """Begin to read messages in any order of services: given the append time and the offset of each, in log order.

        Return how many of them are read in one go: they end where old records are to be closed, in all services.
        """
        clock, last = self.clock, self.offset
        self._clocks, self._offsets = [], []
        for append_time, offset in moments:
            if offset > last:
                last = offset
                if append_time > clock:
                    clock = append_time
            self._clocks.append(clock)
            self._offsets.append(last)
            if self._retention_at is None:
                self._plan_retention(clock)
            elif clock >= self._retention_at:
                break
        return len(self._clocks)

    def take(self, event: EventValue | None, position: int) -> Refusal | None:
        """Take in one of the messages, those of a service in log order. The answer is that of `read`."""
        offset = self._offsets[position]
        if event is None or offset <= self.offset or event["event_type"] == "clock_tick":
            return None
        service = event["service"]
        state = self.services.get(service)
        if state is None:
            state = self.services[service] = ServiceState(service, self.settings)
        self._catch_up(state, position)
        key = owner_of(event)
        if key in state.closed:
            return "record_closed"
        entity = state.record(key)
        if entity is not None:
            held = len(entity.facts) + len(entity.overruled)
            if held >= _MOST and held >= MOST_EVENTS.get(kind_of(key), _MOST):
                return "record_full"
        state.apply(event, self._clocks[position], offset, key)
        self._open[service] = state
        self._schedule(state)
        return None

    def _catch_up(self, state: ServiceState, end: int) -> None:
        """Settle what came due before the message at `end`, each at the first message that reached its time."""
        clocks = self._clocks
        while end > 0:
            due = state.next_due()
            if due is None or due > clocks[end - 1]:
                return
            at = bisect_left(clocks, due, 0, end)
            state.advance(clocks[at], self._offsets[at])
            self._open[state.service] = state

    def finish(self) -> None:
        """Bring every service state to the end of what was begun, and close what is old if that is due."""
        end = len(self._clocks)
        if not end or self._offsets[-1] <= self.offset:
            return
        self.clock, self.offset = self._clocks[-1], self._offsets[-1]
        self._moved = True
        agenda = self._agenda
        while agenda and agenda[0][0] <= self.clock:
            due, service = heapq.heappop(agenda)
            if self._scheduled.get(service) != due:
                continue
            del self._scheduled[service]
            state = self.services[service]
            self._catch_up(state, end)
            self._schedule(state)
        if self._retention_at is not None and self.clock >= self._retention_at:
            self._run_retention()

    def _plan_retention(self, clock: Micros) -> None:
        """At whole periods of the clock, so that a restored state runs it when the first one would have."""
        if clock > FOR_EVER:
            period = self.settings.retention_period
            self._retention_at = (clock // period + 1) * period

    def _run_retention(self) -> None:
        """Close what is older than the longest window, after what changed so far was put aside for the next batch."""
        self._gather()
        for state in self.services.values():
            keys = state.close_old_records(self.clock, self.offset)
            if keys:
                self._closing.extend(f"{state.service} {key}" for key in keys)
                self._open[state.service] = state
        self._plan_retention(self.clock)

    def _schedule(self, state: ServiceState) -> None:
        due = state.next_due()
        if due is not None and due < self._scheduled.get(state.service, due + 1):
            self._scheduled[state.service] = due
            heapq.heappush(self._agenda, (due, state.service))

    def collect(self) -> PartitionChanges:
        """Take what changed since the last time: what to publish and what to store."""
        self._gather()
        changes, self._changes = self._changes, _nothing()
        if self._moved:
            changes.rows.extend((key, None) for key in self._closed)
            self._closed, self._closing = self._closing, []
            changes.rows.append((PARTITION_ROW, (self.clock, self.offset)))
            self._moved = False
        return changes

    def _gather(self) -> None:
        """Add what changed in the service states to what is to be collected."""
        changes = self._changes
        for state in self._open.values():
            changed = state.drain()
            for record, offset in changed.records:
                as_of: AsOfValue = {"partition": self.partition, "offset": offset}
                if isinstance(record, DeploymentState):
                    changes.deployments.append(deployment_value(state, record, as_of))
                elif isinstance(record, IncidentState):
                    changes.incidents.append(incident_value(state, record, as_of))
                else:
                    changes.changes.append(change_value(state, record, as_of))
            for environment, offset in changed.snapshots:
                as_of = {"partition": self.partition, "offset": offset}
                changes.metrics.append(environment.to_value(state.service, as_of))
            changes.links.extend(changed.links)
            changes.rows.extend((f"{state.service} {record.key}", row_of(record)) for record in changed.unsaved)
            for closed_totals in changed.closed_totals:
                changes.rows.append(
                    (
                        f"{state.service} {_CLOSED_TOTALS}{closed_totals.offset}",
                        closed_totals.to_row(state.environments),
                    )
                )
        self._open = {}
