from typing import Any

import pytest

from producers.sidecar.webhooks import fields
from producers.sidecar.webhooks.sources import SOURCES, UnknownSource, canonical_name, find_source


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-05-02T11:55:16Z", "2026-05-02T11:55:16Z"),
        ("2026-05-02T11:55:16.123456789+02:00", "2026-05-02T09:55:16.123456Z"),
        ("2026-05-02T11:55:16,5z", "2026-05-02T11:55:16.500000Z"),
        ("2026-05-02 11:55:16 +0000", "2026-05-02T11:55:16Z"),
        ("2017-09-15 16:50:55 UTC", "2017-09-15T16:50:55Z"),
        ("2026-05-02 11:55:16.123456789 +0200 CEST", "2026-05-02T09:55:16.123456Z"),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-05-02T11:55:16", None),
        ("", None),
        (1793610898, None),
        (None, None),
    ],
)
def test_a_time_is_read_as_people_write_it(text: Any, time: str | None) -> None:
    assert fields.time(text) == time


@pytest.mark.parametrize(
    ("number", "per_second", "time"),
    [
        (1793610898000, 1000, "2026-11-02T09:14:58Z"),
        ("1793610898000", 1000, "2026-11-02T09:14:58Z"),
        (1793610899000000123, 10**9, "2026-11-02T09:14:59Z"),
        (1793610899123456789, 10**9, "2026-11-02T09:14:59.123456Z"),
        (1793610898.5, 1, "2026-11-02T09:14:58.500000Z"),
        (1e308, 1, None),
        (float("nan"), 1, None),
        (10**400, 1, None),
        (True, 1, None),
        ("soon", 1, None),
    ],
)
def test_a_number_is_read_as_a_time_of_its_unit(number: Any, per_second: int, time: str | None) -> None:
    assert fields.from_epoch(number, per_second) == time


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://a.example/b?c#d", "https://a.example/b?c#d"),
        ("javascript:alert(1)", None),
        ("https://me:secret@a.example/", None),
        ("https://a.example/" + "x" * 3000, None),
        ("?orgId=1", None),
        (["https://a.example"], None),
    ],
)
def test_an_address_is_one_that_a_person_can_open(value: Any, url: str | None) -> None:
    assert fields.url(value) == url


def test_a_title_is_one_line_that_the_contract_takes() -> None:
    assert fields.title(" a\n\tb\x00c\ud800 ") == "a b c"
    assert len(fields.title("x" * 10_000) or "") == 512


def test_a_path_that_ends_before_leads_to_nothing() -> None:
    value = {"a": [{"b": 1}]}

    assert fields.at(value, "a", 0, "b") == 1
    assert [fields.at(value, *path) for path in (("a", 1), ("a", "b"), ("x", 0, "b"), ("a", 0, "b", "c"))] == [None] * 4


@pytest.mark.parametrize(
    ("given", "name"),
    [("Incident.io", "incident_io"), ("incident-io", "incident_io"), ("JSM", "opsgenie"), ("argo", "argo_rollouts"),
     ("PagerDuty", "pagerduty"), ("grafana alerting", "grafana")],
)  # fmt: skip
def test_a_source_is_found_by_what_people_call_it(given: str, name: str) -> None:
    assert canonical_name(given) == name


def test_an_unknown_source_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownSource, match="did you mean pagerduty"):
        find_source("pagrduty")
    with pytest.raises(UnknownSource, match="known are pagerduty, alertmanager"):
        find_source("fax")


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_of_the_table_is_there(name: str) -> None:
    assert find_source(name).name == name
