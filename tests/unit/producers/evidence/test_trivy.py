import json
from typing import Any

import pytest

from producers.errors import UsageError
from producers.evidence.licences import LicencePolicy
from producers.evidence.report import EvidenceError
from producers.evidence.trivy import read_blocking, read_trivy
from tests.unit.producers.evidence.shown import report, said, text_report

NO_POLICY = LicencePolicy()
BLOCKING = read_blocking(None, ignore_unfixed=False)


def test_findings_are_counted_by_severity() -> None:
    reading = read_trivy([report("trivy/image.json"), report("trivy/version.json")], BLOCKING, NO_POLICY)

    assert said(reading) == {
        "scan.scanner": "trivy 0.68.1",
        "scan.counts.critical": 0,
        "scan.counts.high": 0,
        "scan.counts.medium": 1,
        "scan.counts.low": 1,
        "scan.counts.unknown": 1,
        "scan.db_updated_at": "2026-11-20T06:21:14.437654+00:00",
        "scan.licences_denied": [],
        "attributes.scan.unfixed": "2",
        "attributes.scan.os_end_of_life": "debian 10.13",
    }
    assert not reading.objections


def test_what_is_not_known_is_not_said() -> None:
    known = said(read_trivy([report("trivy/blocking.json")], BLOCKING, NO_POLICY))

    assert known["scan.scanner"] == "trivy"
    assert known.keys().isdisjoint({"scan.db_updated_at", "scan.kev", "scan.licences_denied"})


@pytest.mark.parametrize(
    ("severities", "ignore_unfixed", "objections"),
    [
        (
            None,
            False,
            ["2 critical findings: CVE-2021-44228, secret aws-access-key-id", "2 high findings: CVE-2026-2001, DS002"],
        ),
        ("high", True, ["1 high findings: DS002"]),
        ("none", False, []),
    ],
)
def test_findings_that_block_are_an_objection(
    severities: str | None, ignore_unfixed: bool, objections: list[str]
) -> None:
    blocking = read_blocking(severities, ignore_unfixed=ignore_unfixed)

    reading = read_trivy([report("trivy/blocking.json")], blocking, NO_POLICY)

    assert reading.objections == objections
    assert said(reading)["scan.counts.critical"] == 2


def test_what_is_known_to_be_exploited_always_blocks() -> None:
    blocking = read_blocking("none", ignore_unfixed=True)

    reading = read_trivy([report("trivy/blocking.json")], blocking, NO_POLICY, report("trivy/kev.json"))

    assert said(reading)["scan.kev"] == ["CVE-2021-44228"]
    assert said(reading)["attributes.scan.kev_catalogue"] == "2026.11.19"
    assert reading.objections == ["known to be exploited: CVE-2021-44228"]


def test_a_catalogue_without_a_hit_is_an_empty_list() -> None:
    reading = read_trivy([report("trivy/image.json")], BLOCKING, NO_POLICY, report("trivy/kev.json"))

    assert said(reading)["scan.kev"] == []


def test_licences_are_denied_by_the_lists_of_the_operator() -> None:
    reading = read_trivy([report("trivy/image.json")], BLOCKING, LicencePolicy(deny=["GPL-*"]))

    assert said(reading)["scan.licences_denied"] == ["GPL-3.0-only"]
    assert reading.objections == ["licences that are denied: GPL-3.0-only"]


def _scan(**fields: Any) -> str:
    return json.dumps({"SchemaVersion": 2, "ArtifactName": "shop", **fields})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "is not a report of Trivy"),
        ("[]", "is not a report of Trivy"),
        ('{"SchemaVersion": 2, "Arti', "line 1 column"),
        (_scan(SchemaVersion=1), "SchemaVersion: is not 2"),
        (_scan(), "Trivy looked at nothing"),
        (_scan(Results=None), "Trivy looked at nothing"),
        (_scan(Results={}), "Results: is not a list"),
        (_scan(Results=[{"Vulnerabilities": [{"Severity": "LOW"}]}]), r"Results\[0\].Vulnerabilities\[0\].Vuln"),
        (_scan(Results=[{"Vulnerabilities": [{"VulnerabilityID": "C", "Severity": "BAD"}]}]), "is 'bad', none that"),
        ('{"VulnerabilityDB": {"UpdatedAt": "yesterday"}}', "UpdatedAt: is not a time"),
        ('{"VulnerabilityDB": {"UpdatedAt": "2026-11-20T06:21:14"}}', "UpdatedAt: is a time without a zone"),
    ],
)
def test_what_is_no_scan_is_refused(text: str, problem: str) -> None:
    with pytest.raises(EvidenceError, match=problem):
        read_trivy([text_report(text)], BLOCKING, NO_POLICY)


@pytest.mark.parametrize("text", ["{}", '{"vulnerabilities": []}', '{"vulnerabilities": [{}]}'])
def test_an_empty_catalogue_proves_nothing(text: str) -> None:
    with pytest.raises(EvidenceError, match=r"known_exploited|cveID"):
        read_trivy([report("trivy/image.json")], BLOCKING, NO_POLICY, text_report(text))


def test_a_severity_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="'severe' is none of critical"):
        read_blocking("critical,severe", ignore_unfixed=False)
