"""Tables: a CSV file and a mapping that says what its columns mean."""

import csv
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TextIO
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from producers.errors import UsageError
from producers.events.event_builder import Assignment
from producers.events.flags import EVENT_TYPES, FlagKind, all_flags
from producers.history_import.imported_events import ImportedEvents
from producers.sidecar.yaml_file import read_yaml
from schemas.models import Model, parse_time

OPENED: Final = "opened_at"
RESOLVED: Final = "resolved_at"
_KINDS: Final = {flag.path: flag.kind for flag in all_flags()}
_TIMES: Final = frozenset(
    {"occurred_at", "incident.slo_met_at", "incident.alert_cleared_at", "scan.db_updated_at", OPENED, RESOLVED}
)
_LISTS: Final = frozenset(path for path, kind in _KINDS.items() if kind is FlagKind.TEXTS)
_LONGEST: Final = 1 << 20
"""Characters of one cell. Longer ones are a quote that nobody closed."""
_AT_ONCE: Final = 1 << 20
_YES_NO: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class UnreadableCell(ValueError):
    """A cell is not what its field needs."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"{name!r} is no time zone; write UTC, or Europe/Berlin") from None
    return name


def _field(path: str) -> str:
    if path not in _KINDS and path not in (OPENED, RESOLVED) and not path.startswith("attributes."):
        raise ValueError(f"{path!r} is no field of an event; see `candora-ci emit --help`")
    return path


def _event_type(name: str) -> str:
    if name not in EVENT_TYPES:
        raise ValueError(f"{name!r} is none of {', '.join(EVENT_TYPES)}")
    return name


FieldName = Annotated[str, AfterValidator(_field)]


class CsvColumn(Model):
    """What a column means."""

    field: FieldName
    values: dict[str, str] = Field(default_factory=dict)
    """Other words for what stands there: `Critical: sev1`. If there are any, nothing else may stand there."""


class CsvTimes(Model):
    """How times are written."""

    format: str = "iso"
    """`iso`, `epoch`, `epoch_ms`, or as strptime has it: "%d.%m.%Y %H:%M"."""
    zone: Annotated[str, AfterValidator(_zone)] | None = None
    """The zone of times that do not say theirs."""

    @model_validator(mode="after")
    def _says_a_zone(self) -> Self:
        own = self.format in {"iso", "epoch", "epoch_ms"} or "%z" in self.format
        if not own and self.zone is None:
            raise ValueError("zone: say which the times are in, such as UTC or Europe/Berlin")
        return self


class CsvMapping(Model):
    """What the rows of a table are."""

    rows: Literal["event", "incident"]
    """Of `incident` each row is one from `opened_at` to `resolved_at`, or still open if that is empty."""
    columns: dict[str, CsvColumn] = Field(min_length=1)
    constants: dict[FieldName, str] = Field(default_factory=dict)
    event_type: Annotated[str, AfterValidator(_event_type)] | None = None
    """Of every row, unless a column says it."""
    event_types: dict[str, Annotated[str, AfterValidator(_event_type)]] = Field(default_factory=dict)
    """What the words of `event_type_column` mean."""
    event_type_column: str | None = None
    times: CsvTimes = CsvTimes()
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    source: str = "csv"
    """`source.system` of the events: another for each system that tables come from."""
    list_separator: str = Field(default=" ", min_length=1)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        mapped = [column.field for column in self.columns.values()]
        twice = next((path for path in (*mapped, *self.constants) if (*mapped, *self.constants).count(path) > 1), None)
        if twice is not None:
            raise ValueError(f"columns: {twice} is given twice")
        if "service" not in (*mapped, *self.constants):
            raise ValueError("columns: nothing says the service; map a column to it, or give it under constants")
        if self.rows == "incident":
            if OPENED not in mapped or "incident_id" not in mapped:
                raise ValueError("columns: a row that is an incident needs columns for opened_at and incident_id")
            return self
        if "occurred_at" not in mapped:
            raise ValueError("columns: no column says when it happened: map one to occurred_at")
        if (self.event_type is None) == (self.event_type_column is None):
            raise ValueError("event_type: give it, or event_type_column and event_types, one of both")
        return self


def load_mapping(name: str) -> CsvMapping:
    """The mapping of a file.

    Raises:
        UsageError: it cannot be read, or is not as it should be.
    """
    try:
        text = Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--mapping {name}: cannot be read: {error}") from error
    return read_yaml(text, CsvMapping, name)


def read_csv(name: str, mapping: CsvMapping, found: ImportedEvents) -> None:
    """Find the events of a table.

    Raises:
        UsageError: the file is no such table: a column is missing, or it cannot be read.
    """
    try:
        with nullcontext(sys.stdin) if name == "-" else open(name, encoding="utf-8-sig", newline="") as file:  # noqa: PTH123 - standard input has no path
            _read(file, name, mapping, found, _count_lines(name))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{name}: cannot be read as CSV: {error}") from error


def _count_lines(name: str) -> int | None:
    """How many there are, where that can be told: what comes through a pipe is read once only."""
    if not Path(name).is_file():
        return None
    with Path(name).open("rb") as file:
        return sum(part.count(b"\n") for part in iter(partial(file.read, _AT_ONCE), b""))


def _read(file: TextIO, name: str, mapping: CsvMapping, found: ImportedEvents, lines: int | None) -> None:
    csv.field_size_limit(_LONGEST)
    rows = csv.reader(file, delimiter=mapping.delimiter, strict=True)
    head = [cell.strip() for cell in next(rows, [])]
    _check_head(head, name, mapping)
    begin = rows.line_num + 1
    for row in rows:
        place, begin = f"{name}:{begin}", rows.line_num + 1
        found.progress(f"lines of {name}", rows.line_num, lines)
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(head):
            found.refuse(place, f"the row has {len(row)} cells, and the head of the table {len(head)}")
            continue
        cells = {column: cell.strip() for column, cell in zip(head, row, strict=True)}
        try:
            events = list(_events(cells, place, mapping))
        except UnreadableCell as error:
            found.refuse(place, str(error))
            continue
        for assigned in events:
            found.add(assigned, place)


def _check_head(head: list[str], name: str, mapping: CsvMapping) -> None:
    wanted = [*mapping.columns, *([mapping.event_type_column] if mapping.event_type_column else [])]
    for column in wanted:
        if head.count(column) != 1:
            problem = "is there twice" if column in head else f"is not there; the columns are {', '.join(head)[:500]}"
            raise UsageError(f'{name}:1: column "{column}" {problem}')


def _events(cells: Mapping[str, str], place: str, mapping: CsvMapping) -> Iterator[list[Assignment]]:
    given = [Assignment("source.system", mapping.source, "mapping: source")]
    given += [
        Assignment(path, _value(path, text, f"mapping: constants.{path}", mapping), "mapping: constants")
        for path, text in mapping.constants.items()
    ]
    times: dict[str, Assignment] = {}
    for column, means in mapping.columns.items():
        text = cells[column]
        if not text:
            continue
        where = f'column "{column}"'
        if means.values and text not in means.values:
            raise UnreadableCell(f"{where}: {text[:80]!r} is none of {', '.join(means.values)}")
        value = _value(means.field, means.values.get(text, text), where, mapping)
        entry = Assignment(means.field, value, f"{place}, {where}")
        if means.field in (OPENED, RESOLVED):
            times[means.field] = entry
        else:
            given.append(entry)
    if mapping.rows == "event":
        yield [Assignment("event_type", _kind(cells, mapping), "mapping"), *given]
        return
    if OPENED not in times:
        raise UnreadableCell(f"{_column(mapping, OPENED)}: is empty: it does not say when the incident opened")
    for name, kind in ((OPENED, "incident_opened"), (RESOLVED, "incident_resolved")):
        if name in times:
            when = Assignment("occurred_at", times[name].value, times[name].origin)
            yield [Assignment("event_type", kind, f"mapping: {name}"), when, *given]


def _kind(cells: Mapping[str, str], mapping: CsvMapping) -> str:
    if mapping.event_type_column is None:
        return mapping.event_type or ""
    word = cells[mapping.event_type_column]
    kind = mapping.event_types.get(word, word if word in EVENT_TYPES else None)
    if kind is None:
        known = ", ".join(mapping.event_types) or ", ".join(EVENT_TYPES)
        raise UnreadableCell(f'column "{mapping.event_type_column}": {word[:80]!r} is none of {known}')
    return kind


def _column(mapping: CsvMapping, path: str) -> str:
    return next((f'column "{name}"' for name, column in mapping.columns.items() if column.field == path), path)


def _value(path: str, text: str, where: str, mapping: CsvMapping) -> Any:
    """The text of a cell as the field has it."""
    if path in _TIMES:
        return _time(text, mapping.times, where)
    if path in _LISTS:
        return [part.strip() for part in text.split(mapping.list_separator) if part.strip()]
    kind = _KINDS.get(path, FlagKind.TEXT)
    try:
        match kind:
            case FlagKind.INTEGER:
                return int(text)
            case FlagKind.NUMBER:
                return float(text)
            case FlagKind.YES_NO:
                return _YES_NO[text.lower()]
            case _:
                return text.lower() if path.endswith("sha") else text
    except (ValueError, KeyError):
        wanted = {FlagKind.INTEGER: "a whole number", FlagKind.NUMBER: "a number"}.get(kind, "yes or no")
        raise UnreadableCell(f"{where}: {path}: expected {wanted}, got {text[:80]!r}") from None


def _time(text: str, times: CsvTimes, where: str) -> str:
    try:
        match times.format:
            case "iso":
                moment = datetime.fromisoformat(text.upper())
            case "epoch" | "epoch_ms":
                moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                    **{"seconds" if times.format == "epoch" else "milliseconds": float(text)}
                )
            case form:
                moment = datetime.strptime(text, form)  # noqa: DTZ007 - the zone comes below
    except (ValueError, OverflowError):
        raise UnreadableCell(f"{where}: {text[:80]!r} is no time of the form {times.format}") from None
    if moment.tzinfo is None:
        moment = _in_zone(moment, times, text, where)
    try:
        return parse_time(moment.astimezone(UTC).isoformat()).isoformat()
    except (ValueError, OverflowError):
        raise UnreadableCell(f"{where}: {text[:80]!r} is out of range") from None


def _in_zone(moment: datetime, times: CsvTimes, text: str, where: str) -> datetime:
    """The moment at which clocks of the zone showed this. One hour of autumn they show twice, one of spring never."""
    if times.zone is None:
        raise UnreadableCell(
            f"{where}: {text[:80]!r} has no time zone; write it there, or give times.zone in the mapping"
        )
    zone = ZoneInfo(times.zone)
    first, second = moment.replace(tzinfo=zone, fold=0), moment.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    twice = first.astimezone(UTC) < second.astimezone(UTC)
    why = "happened twice" if twice else "never happened"
    raise UnreadableCell(
        f"{where}: {text[:80]!r} {why} in {times.zone}: the clock was changed; write it with its offset"
    )
