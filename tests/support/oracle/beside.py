"""Reads a log with both readings at once and compares everything that is published, after every message."""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.values import EventValue, Micros
from streams.core.settings import MetricSettings
from tests.support.log_replay import Line, Records, published_of, steps
from tests.support.oracle.incidents import Link
from tests.support.oracle.records import Reader


def follow(lines: Iterable[Line], settings: MetricSettings) -> Records:
    """Read a log with both readings and compare all that is published after every message."""
    reader = Reader(settings)
    before: dict[str, Any] = {}
    found = Records({}, {}, {}, {})
    for partition, offset, line, links in steps(lines, settings):
        linked = reader.links
        reader.read(*line)
        found = Records.of_one(partition.published)
        expected = expected_of(reader, found)
        assert bare(published_of(found, set())) == bare(expected)
        check_versions(published_of(found, set()), changed(before, expected), offset, reader.clock)
        assert sorted(map(told_by, links), key=repr) == sorted(notices(linked, reader.links, offset), key=repr)
        before = expected
    return found


def expected_of(reader: Reader, found: Records) -> dict[str, Any]:
    """What the second reading says of all that it has heard of, and of any other change that the core shows, too.

    While a content takes the place of another one, a change may be seen that is none: it is shown, and empty.
    """
    return published_of(
        Records(
            {key: reader.deployment(key) for key in reader.heard.deployments},
            {key: reader.incident(key) for key in reader.heard.incidents},
            {key: reader.change(key) for key in {*reader.heard.changes, *reader.changes, *found.changes}},
            {key: reader.metrics(key) for key in reader.heard.places},
        ),
        set(),
    )


def bare(records: dict[str, Any]) -> dict[str, Any]:
    """Records without their versions."""
    return {name: {**record, "as_of": None, "at": None} for name, record in records.items()}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The names of the records that say something else now."""
    was, now = bare(before), bare(after)
    return {name for name in now if now[name] != was.get(name)}


def check_versions(found: dict[str, Any], due: set[str], offset: int, clock: Micros) -> None:
    """A record that says something else was published after this message, and says so."""
    for name, record in found.items():
        as_of = record["as_of"]
        assert as_of["partition"] == 0
        assert as_of["offset"] == offset if name in due else as_of["offset"] <= offset, name
        if as_of["offset"] == offset:
            assert record.get("at", clock) == clock


def told_by(event: EventValue) -> tuple[Any, ...]:
    """What one service tells another of an incident."""
    assert (event["event_type"], event["lane"], event["incident"] is not None) == ("cause_linked", "normal", True)
    severity = event["incident"]["severity"] if event["incident"] is not None else None
    names = event["service"], event["env"], event["occurred_at"], severity, event["deployment_id"], event["commit_sha"]
    said = event["attributes"]["version"], event["attributes"]["holds"]
    return (event["attributes"]["origin"], event["incident_id"], *names, *said)


def notices(
    before: Mapping[tuple[str, str], Link], after: Mapping[tuple[str, str], Link], offset: int
) -> list[tuple[Any, ...]]:
    """What must be told: to the service that was blamed, that it is not any more; to the one that is now, how."""
    found: list[tuple[Any, ...]] = []
    for key in {*before, *after}:
        old, new = before.get(key), after.get(key)
        if old != new and old is not None and (new is None or new.service != old.service):
            found.append((*old, str(offset), "false"))
        if old != new and new is not None:
            found.append((*new, str(offset), "true"))
    return found
