"""Tables: what their columns mean, and what is wrong with a cell or a mapping."""

from pathlib import Path

import pytest

from schemas.values import SECOND, Micros
from tests.unit.producers.history_import.runs import Capture, history, numbers_of

JUDGED: Micros = 1_772_798_400 * SECOND  # 2026-03-06T12:00:00Z

INCIDENTS = """\
rows: incident
delimiter: ";"
source: service-desk
columns:
  Ticket: {field: incident_id}
  System: {field: service}
  From: {field: opened_at}
  To: {field: resolved_at}
  Level: {field: incident.severity, values: {Critical: sev1, Minor: sev3}}
constants: {env: prod}
times: {format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}
"""
TABLE = """\
Ticket;System;From;To;Level;Note
I-1;shop;03.03.2026 14:00;03.03.2026 14:40;Critical;"two
lines; and a semicolon"
I-2;shop;03.03.2026 15:00;;Minor;
"""
DEPLOYMENTS = """\
rows: event
event_type_column: What
event_types: {Released: canary_promoted, Undone: rollback_triggered}
columns:
  When: {field: occurred_at}
  Commit: {field: commit_sha}
  With: {field: canary.included_shas}
  Id: {field: deployment_id}
constants: {service: shop, env: prod}
"""
RELEASES = f"When,What,Commit,With,Id\n2026-03-03T12:00:00Z,Released,{'A' * 40},{'b' * 40} {'c' * 40},r1\n"


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_two_tables_in_numbers(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "out"
    incidents, releases = written(tmp_path, "i.csv", TABLE), written(tmp_path, "d.csv", RELEASES)
    first = history(capsys, output, "csv", incidents, "--mapping", written(tmp_path, "i.yaml", INCIDENTS))
    ran = history(capsys, output, "csv", releases, "--mapping", written(tmp_path, "d.yaml", DEPLOYMENTS))
    assert (first.code, ran.code) == (0, 0), first.said + ran.said

    numbers = numbers_of(ran.events, JUDGED, "shop/prod")
    assert (numbers["judged"], numbers["failed"], numbers["attribution"]["I-1"]) == (1, 1, ("r1", "in_force"))
    assert (numbers["restore_count"], numbers["restore_mean"], numbers["open"]) == (1, 2400, 1)
    opened = ran.of("incident_opened")[0]
    assert (opened["occurred_at"], opened["source"]) == ("2026-03-03T13:00:00Z", {"system": "service-desk"})
    assert ran.of("canary_promoted")[0]["canary"]["included_shas"] == ["b" * 40, "c" * 40]
    assert ran.summary["unjoined"] == {
        "deployments_of_unknown_commits": ["shop/prod/r1"],
        "incidents_still_open": ["shop/I-2"],
    }


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            "I-1;shop;29.03.2026 02:30;;Minor;",
            ":2: column \"From\": '29.03.2026 02:30' never happened in Europe/Berlin",
        ),
        ("I-1;shop;25.10.2026 02:30;;Minor;", "happened twice in Europe/Berlin"),
        ("I-1;shop;2026-03-03;;Minor;", "is no time of the form %d.%m.%Y %H:%M"),
        ("I-1;shop;;;Minor;", 'column "From": is empty'),
        ("I-1;shop;03.03.2026 14:00;;Awful;", "column \"Level\": 'Awful' is none of Critical, Minor"),
        ("I-1;shop;03.03.2026 14:00;;Minor", "the row has 5 cells, and the head of the table 6"),
        ("I-1;;03.03.2026 14:00;;Minor;", "service"),
        ("I-1;sh op;03.03.2026 14:00;;Minor;", "service: is not the name of a service"),
        ("I-1;shop;03.03.2999 14:00;;Minor;", "ahead of this machine's clock"),
    ],
)
def test_a_bad_row_is_named_and_the_others_are_taken(row: str, problem: str, tmp_path: Path, capsys: Capture) -> None:
    head, *good = TABLE.splitlines(keepends=True)
    path = written(tmp_path, "i.csv", "".join([head, row + "\n", *good]))
    ran = history(capsys, tmp_path / "out", "csv", path, "--mapping", written(tmp_path, "i.yaml", INCIDENTS))

    assert ran.code == 1
    assert problem in ran.said
    assert ran.summary["refused"][0]["place"] == f"{path}:2"
    assert len(ran.events) == 3


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("rows: incident", "rows: month", "i.yaml:1: rows"),
        ("{field: service}", "{field: sevice}", "i.yaml:6: columns.System.field: 'sevice' is no field of an event"),
        ("zone: Europe/Berlin", "zone: Mars/Olympus", "i.yaml:11: times.zone: 'Mars/Olympus' is no time zone"),
        (", zone: Europe/Berlin", "", "say which the times are in"),
        ("  From: {field: opened_at}\n", "", "needs columns for opened_at and incident_id"),
        ("constants: {env: prod}", "constants: {env: prod, service: shop}", "service is given twice"),
        ("  System: {field: service}\n", "", "nothing says the service"),
        ("  Ticket:", "  Tikcet:", 'i.csv:1: column "Tikcet" is not there; the columns are Ticket, System'),
    ],
)
def test_a_bad_mapping_is_wrong_usage(old: str, new: str, problem: str, tmp_path: Path, capsys: Capture) -> None:
    path = written(tmp_path, "i.csv", TABLE)
    mapping = written(tmp_path, "i.yaml", INCIDENTS.replace(old, new))
    ran = history(capsys, tmp_path / "out", "csv", path, "--mapping", mapping)

    assert ran.code == 2
    assert problem in ran.said
    assert not ran.events


@pytest.mark.parametrize("text", ["", "a,b\n", 'Ticket;System;From;To;Level;Note\n"I-1', "Ticket;\x00\n", "\xff"])
def test_what_is_no_table_is_wrong_usage_or_empty(text: str, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "i.csv"
    path.write_bytes(text.encode("latin-1"))
    ran = history(capsys, tmp_path / "out", "csv", path, "--mapping", written(tmp_path, "i.yaml", INCIDENTS))

    assert ran.code == 2
    assert str(path) in ran.said
