"""Compares what is published with what the log says, and says what has to be read beyond the audited end for that.

The system lives while it is audited. The ends E of the log are taken first; the workers have acknowledged them before
the outputs are read, and a worker acknowledges only what the broker has of its outputs. So of every record that the
log up to E makes, a version at least as new must be published. Which version it is says the record itself: `as_of` is
the message that last changed it, and a record is a function of the log up to there. Therefore

- a published record as of a message before E must be the one recomputed at E, `as_of` included: were it older, an
  update is lost; were it another, it is wrong;
- a published record as of a message at or after E is newer than what was audited. The log is read on to exactly these
  messages, and the record compared as it was after its own. What was published is fixed by then, so reading on once
  is enough, however fast the log grows.

Links are sent before the message that caused them is acknowledged, so they stand below the ends that the log has after
the workers passed E. Dead letters too are there by then, and each says which message it is of.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.errors import ContractError
from schemas.ids import pinned_ids
from schemas.partitioner import partition_of
from schemas.values import DeadLetterValue, EventValue
from streams.audit.differences import ABSENT, Difference, FieldDifference, Problem, field_differences
from streams.audit.process_pool import OffsetSpan, RecordQuery
from streams.audit.provenance import ProvenanceEvent, RecordProvenance
from streams.audit.published_outputs import DEAD_TOPIC, PublishedOutputs
from streams.audit.recompute import ReplayedLink, ReplayOutput, schema_id_of
from streams.audit.record_types import Place, decoders, kinds

Key = tuple[int, bytes]
"""Number of the kind, and key of the record."""

LOG_TOPIC: Final = "deploy_events"

_OF_DEAD_LETTERS: Final = ("topic", "reason", "path", "append_time", "key", "value", "headers")
"""What of a dead letter is compared: the text for people may be worded otherwise by another version."""


@dataclass
class RecomputedOutputs:
    """What the log says, up to `ends`; beyond them only what was read on."""

    ends: Mapping[int, int]
    records: tuple[dict[bytes, bytes], ...] = field(default_factory=lambda: tuple({} for _ in kinds()))
    """At `ends`: by kind and key, the bytes."""
    later: dict[Key, dict[int, bytes]] = field(default_factory=dict)
    """After messages beyond the ends, by offset."""
    refused: dict[Place, DeadLetterValue] = field(default_factory=dict)
    due: dict[str, ReplayedLink] = field(default_factory=dict)
    """Links by event id, with the message that caused each."""
    linked: list[ReplayedLink] = field(default_factory=list)
    """Links in the log."""

    def add(self, readings: Iterable[ReplayOutput]) -> None:
        """Take in what was found up to the ends."""
        for reading in readings:
            for kind, key, _, data in reading.records:
                self.records[kind][key] = data
            self._add_rest(reading)

    def add_later(self, readings: Iterable[ReplayOutput]) -> None:
        """Take in what was found beyond the ends."""
        for reading in readings:
            for kind, key, offset, data in reading.records:
                self.later.setdefault((kind, key), {})[offset] = data
            self._add_rest(reading)

    def _add_rest(self, reading: ReplayOutput) -> None:
        self.refused.update(((one["partition"], one["offset"]), one) for one in reading.refused)
        self.due.update((one.event["event_id"], one) for one in reading.due)
        self.linked.extend(reading.linked)

    def record(self, key: Key, offset: int = -1) -> dict[str, Any] | None:
        """Return the record after the message at this offset, as far as it is known; without one, at the ends."""
        kind, name = key
        known = {at: data for at, data in self.later.get(key, {}).items() if at <= offset}
        data = known[max(known)] if known else self.records[kind].get(name)
        return None if data is None else decoders()[kind].decode(data)


@dataclass
class SuspectRecord:
    """A record whose bytes are not those recomputed at the ends: it may be newer, or wrong."""

    key: Key
    published: dict[str, Any] | None = None
    problem: str | None = None
    """Why the published bytes are no record."""

    @property
    def place(self) -> Place | None:
        """Since which message the published record says that it is as it is."""
        if self.published is None:
            return None
        as_of = self.published["as_of"]
        return as_of["partition"], as_of["offset"]


class AuditComparison:
    """Compares one recomputation with one reading of the outputs. `log_ends`: of the log, taken after both."""

    def __init__(self, found: RecomputedOutputs, published: PublishedOutputs, log_ends: Mapping[int, int]) -> None:
        self._found = found
        self._published = published
        self._log_ends = log_ends
        self._due_by_end = dict(found.due)
        self._linked_by_end = list(found.linked)
        self._suspects = [
            self._suspect((kind, key))
            for kind, (held, recomputed) in enumerate(zip(published.records, found.records, strict=True))
            for key in {**held, **recomputed}
            if key not in held or held[key].data != recomputed.get(key)
        ]

    def _suspect(self, key: Key) -> SuspectRecord:
        stored = self._published.records[key[0]].get(key[1])
        if stored is None:
            return SuspectRecord(key)
        try:
            return SuspectRecord(key, decoders()[key[0]].decode(stored.data))
        except ContractError as error:
            return SuspectRecord(key, None, str(error))

    # --- what has to be read on ---------------------------------------------------------------------------------------

    def beyond(self) -> dict[int, OffsetSpan]:
        """Return what to read of the log after the audited ends before `differences` can be known."""
        stops: dict[int, set[int]] = {}
        for suspect in self._suspects:
            if suspect.place is not None and self._is_later(suspect.place):
                partition, offset = suspect.place
                stops.setdefault(partition, set()).add(offset)
        reach = {partition: max(offsets) + 1 for partition, offsets in stops.items()}
        for partition, end in self._beyond_for_letters_and_links():
            reach[partition] = max(end, reach.get(partition, 0))
        return {
            partition: OffsetSpan(self._found.ends[partition], end, frozenset(stops.get(partition, ())))
            for partition, end in reach.items()
            if end > self._found.ends[partition]
        }

    def _beyond_for_letters_and_links(self) -> Iterator[tuple[int, int]]:
        """Yield how far each partition has to be read to judge dead letters and links."""
        for record in self._published.dead.records:
            if self._is_later((record["partition"], record["offset"])):
                yield record["partition"], record["offset"] + 1
        for link in self._links_not_in_the_log():
            target = self._partition(link["service"])
            yield target, self._log_ends[target]
        for _, link in self._linked_by_end:
            origin = self._origin(link)
            if self._is_later(origin):
                yield origin[0], origin[1] + 1

    def _is_later(self, place: Place) -> bool:
        """Return whether a message stands beyond the audited ends, and in the log."""
        partition, offset = place
        return partition in self._found.ends and self._found.ends[partition] <= offset < self._log_ends[partition]

    def _partition(self, service: str) -> int:
        return partition_of(service.encode(), len(self._found.ends))

    def _origin(self, link: EventValue) -> Place:
        attributes = link["attributes"]
        version = attributes.get("version", "")
        return self._partition(attributes.get("origin", "")), int(version) if version.isdecimal() else -1

    # --- what differs -------------------------------------------------------------------------------------------------

    def disputed(self) -> set[Place]:
        """Messages that the workers refused for a schema that a registry has learned since.

        Whether they were right at that time stands in no log, so they are believed; not where this program was shipped
        with the schema.
        """
        shipped = {schema_id for versions in pinned_ids().values() for schema_id in versions.values()}
        return {
            place
            for record in self._published.dead.records
            if record["reason"] == "unknown_schema"
            and schema_id_of(record["value"]) not in {*shipped, -1}
            and self._was_read(place := (record["partition"], record["offset"]))
            and place not in self._found.refused
        }

    def _was_read(self, place: Place) -> bool:
        return place[0] in self._found.ends and place[1] < self._log_ends[place[0]]

    def differences(self) -> list[Difference]:
        """Return all that differs, once what `beyond` named has been read: records, then dead letters and links."""
        return [
            *self._of_records(),
            *self._of_places(),
            *self._of_dead_letters(),
            *self._of_links(),
        ]

    def _of_records(self) -> Iterator[Difference]:
        for suspect in self._suspects:
            difference = self._of_record(suspect)
            if difference is not None:
                yield difference

    def _of_record(self, suspect: SuspectRecord) -> Difference | None:
        key, published, place = suspect.key, suspect.published, suspect.place
        later = place is not None and self._is_later(place)
        recomputed = self._found.record(key, place[1]) if place is not None and later else self._found.record(key)
        if suspect.problem is not None:
            return _difference(key, "different", [FieldDifference("", suspect.problem, ABSENT)])
        if published is None:
            return _difference(key, "missing", [FieldDifference("", ABSENT, recomputed)])
        if recomputed is None:
            return _difference(key, "extra", [FieldDifference("", published, ABSENT)])
        fields = list(field_differences(published, recomputed))
        if not fields:
            return None  # the same in the schema of another version
        older = published["as_of"]["offset"] < recomputed["as_of"]["offset"]
        return _difference(key, "stale" if older else "different", fields)

    def _of_places(self) -> Iterator[Difference]:
        for kind, key, home in self._published.misplaced:
            place = FieldDifference("(partition)", self._published.records[kind][key].partition, home)
            yield _difference((kind, key), "misplaced", [place])

    def _of_dead_letters(self) -> Iterator[Difference]:
        for record in self._published.dead.records:
            place = record["partition"], record["offset"]
            due = self._found.refused.get(place)
            if due is None:
                yield _about(DEAD_TOPIC, place, "extra", [FieldDifference("reason", record["reason"], ABSENT)])
                continue
            fields = [one for name in _OF_DEAD_LETTERS for one in field_differences(record[name], due[name], name)]
            if fields:
                yield _about(DEAD_TOPIC, place, "different", fields)
        for place in self.letters_missing():
            reason = self._found.refused[place]["reason"]
            yield _about(DEAD_TOPIC, place, "missing", [FieldDifference("reason", ABSENT, reason)])
        for where, problem in self._published.dead.unreadable:
            yield Difference(DEAD_TOPIC, where, "extra", (FieldDifference("", problem, ABSENT),))

    def letters_missing(self) -> list[Place]:
        """Refused messages before the audited ends that have no dead letter."""
        known = {(record["partition"], record["offset"]) for record in self._published.dead.records}
        return sorted(
            place for place in self._found.refused if place[1] < self._found.ends[place[0]] and place not in known
        )

    def _links_not_in_the_log(self) -> list[EventValue]:
        """Links due by messages before the audited ends, and not found in the log as far as it was read."""
        there: dict[str, list[EventValue]] = {}
        for (partition, _), link in self._found.linked:
            if partition == self._partition(link["service"]):
                there.setdefault(link["event_id"], []).append(link)
        return [link for _, link in self._due_by_end.values() if link not in there.get(link["event_id"], ())]

    def _of_links(self) -> Iterator[Difference]:
        for link in self._links_not_in_the_log():
            origin = self._origin(link)
            fields = [FieldDifference("", ABSENT, link)]
            yield _about(LOG_TOPIC, origin, "missing", fields, f"cause_linked {link['event_id']}")
        for place, link in self._linked_by_end:
            due = self._found.due.get(link["event_id"])
            if due is None or due[1] != link:
                fields = list(field_differences(link, due[1])) if due else [FieldDifference("", link, ABSENT)]
                yield _about(LOG_TOPIC, place, "extra", fields, f"cause_linked {link['event_id']}")

    def subjects(self, differences: Collection[Difference]) -> dict[tuple[str, str], RecordQuery]:
        """Return the records among these differences, by topic and key: whose events to ask for, and where."""
        wanted = {(one.topic, one.key) for one in differences}
        numbers = {kind.topic: number for number, kind in enumerate(kinds())}
        subjects = {}
        for kind, key in [suspect.key for suspect in self._suspects]:
            name = kinds()[kind].topic, _text(key)
            if name in wanted and name[0] in numbers:
                service = self._service((kind, key))
                subjects[name] = RecordQuery(kind, key, service, self._partition(service))
        return subjects

    def _service(self, key: Key) -> str:
        record = self._found.record(key, max(self._log_ends.values(), default=-1))
        suspect = next(one for one in self._suspects if one.key == key)
        return str((record or suspect.published or {}).get("service", ""))


def _difference(key: Key, problem: Problem, fields: list[FieldDifference]) -> Difference:
    return Difference(kinds()[key[0]].topic, _text(key[1]), problem, tuple(fields))


def _about(
    topic: str, place: Place, problem: Problem, fields: list[FieldDifference], key: str | None = None
) -> Difference:
    """Return a difference that one message of the log is behind."""
    behind = RecordProvenance((ProvenanceEvent(*place, ""),), 1)
    name = f"{LOG_TOPIC}[{place[0]}]@{place[1]}" if key is None else key
    return Difference(topic, name, problem, tuple(fields), behind)


def _text(key: bytes) -> str:
    return key.decode("utf-8", "backslashreplace")
