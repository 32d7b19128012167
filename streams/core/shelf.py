"""All books of one partition of the log, and its clock.

The clock of a partition is the largest append time of the messages read from it (semantics.md, section 1). It moves
every book of the partition, message by message, so the state after a message is a function of the log up to it, on
whatever worker, however the messages were fetched, and however often it was restored in between.
"""

import heapq
from collections.abc import Iterable
from typing import Any, NamedTuple

from schemas.values import AsOf, ChangeValue, DeploymentValue, EventValue, IncidentRecordValue, MetricsValue, Micros
from streams.core.book import Book
from streams.core.deployment import Deployment
from streams.core.facts import FOR_EVER
from streams.core.incident import Incident
from streams.core.records import change_value, deployment_value, incident_value
from streams.core.rows import Row, facts_in, row_of, set_marks
from streams.core.settings import Settings

PARTITION_ROW = "partition"


class Changes(NamedTuple):
    """Everything that changed since it was last collected, each record once."""

    deployments: list[DeploymentValue]
    incidents: list[IncidentRecordValue]
    changes: list[ChangeValue]
    metrics: list[MetricsValue]
    links: list[EventValue]
    """Events for other services' partitions of the same log."""
    rows: list[tuple[str, Row]]
    """State to store, in this order. The last row is the partition's: it makes the others valid."""


class Shelf:
    """The books of one partition."""

    def __init__(self, partition: int, settings: Settings) -> None:
        self.partition = partition
        self.settings = settings
        self.clock: Micros = FOR_EVER
        self.offset = -1
        self.books: dict[str, Book] = {}
        self._agenda: list[tuple[Micros, str]] = []
        self._scheduled: dict[str, Micros] = {}
        self._open: dict[str, Book] = {}
        self._moved = False

    def restore(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Rebuild the books from stored rows, in any order, as they stood after the last whole batch."""
        stored = dict(rows)
        self.clock, self.offset = stored.pop(PARTITION_ROW, (FOR_EVER, -1))
        by_service: dict[str, dict[str, Any]] = {}
        for name, row in stored.items():
            service, _, key = name.partition(" ")
            by_service.setdefault(service, {})[key] = row
        for service, records in by_service.items():
            facts = [(key, fact) for key, row in records.items() for fact in facts_in(key, row, self.offset)]
            if not facts:
                continue
            book = self.books[service] = Book(service, self.settings)
            book.restore(facts, self.clock, self.offset)
            for key, row in records.items():
                entity = book.joins.entities.get(key)
                if entity is not None:
                    set_marks(entity, row, self.offset)
            book.restored()
            self._schedule(book)

    def read(self, event: EventValue | None, append_time: Micros, offset: int) -> None:
        """Take in one message, in log order. None stands for one that is no fact: it only moves the clock.

        A message that was taken in before changes nothing.
        """
        if offset <= self.offset:
            return
        self.offset = offset
        self.clock = max(self.clock, append_time)
        self._moved = True
        if event is not None and event["event_type"] != "clock_tick":
            service = event["service"]
            book = self.books.get(service)
            if book is None:
                book = self.books[service] = Book(service, self.settings)
            book.apply(event, self.clock, offset)
            self._open[service] = book
            self._schedule(book)
        agenda = self._agenda
        while agenda and agenda[0][0] <= self.clock:
            due, service = heapq.heappop(agenda)
            if self._scheduled.get(service) != due:
                continue
            del self._scheduled[service]
            book = self.books[service]
            book.advance(self.clock, offset)
            self._open[service] = book
            self._schedule(book)

    def _schedule(self, book: Book) -> None:
        due = book.next_due
        if due is not None and due < self._scheduled.get(book.service, due + 1):
            self._scheduled[book.service] = due
            heapq.heappush(self._agenda, (due, book.service))

    def collect(self) -> Changes:
        """Take what changed since the last time: what to publish and what to store."""
        changes = Changes([], [], [], [], [], [])
        for book in self._open.values():
            changed = book.take_changes()
            for record, offset in changed.records:
                as_of: AsOf = {"partition": self.partition, "offset": offset}
                if isinstance(record, Deployment):
                    changes.deployments.append(deployment_value(book, record, as_of))
                elif isinstance(record, Incident):
                    changes.incidents.append(incident_value(book, record, as_of))
                else:
                    changes.changes.append(change_value(book, record, as_of))
            for environment, offset in changed.snapshots:
                as_of = {"partition": self.partition, "offset": offset}
                changes.metrics.append(environment.to_value(book.service, as_of))
            changes.links.extend(changed.links)
            changes.rows.extend((f"{book.service} {record.key}", row_of(record)) for record in changed.unsaved)
        self._open = {}
        if self._moved:
            changes.rows.append((PARTITION_ROW, (self.clock, self.offset)))
            self._moved = False
        return changes
