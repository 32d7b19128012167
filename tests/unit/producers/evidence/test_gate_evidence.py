"""The report flags of `candora-ci emit`."""

import json
from pathlib import Path
from typing import Any

import pytest

from producers import cli
from tests.support.events import sha
from tests.unit.producers.evidence.shown import FOLDER

BASE = ["--service", "shop", "--sha", sha("c1"), "--occurred-at", "2026-11-20T09:14:03Z", "--dry-run"]
CANARY = ["canary_promoted", "--env", "prod"]
JUNIT = f"unit={FOLDER}/junit/pytest.xml"


def _emit(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert cli.main(["emit", *argv, *BASE]) == 0
    event: dict[str, Any] = json.loads(capsys.readouterr().out)
    return event


def _refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert cli.main(["emit", *argv, *BASE]) == 2
    shown = capsys.readouterr()
    assert not shown.out
    return shown.err


def test_tests_passed(capsys: pytest.CaptureFixture[str]) -> None:
    coverage = ["--coverage", f"{FOLDER}/coverage/coverage.json", "--coverage-threshold", "shop/payments=85%"]

    event = _emit(capsys, "tests_passed", "--junit", JUNIT, "--junit", f"unit={FOLDER}/junit/goo*.xml", *coverage)

    assert event["tests"] == {
        "suites": [{"kind": "unit", "executed": 4, "passed": 4, "skipped": 4}],
        "coverage": [{"module": "shop/payments", "critical": True, "line": 0.9, "threshold": 0.85}],
    }


def test_security_scanned(capsys: pytest.CaptureFixture[str]) -> None:
    trivy = [f"--trivy={FOLDER}/trivy/{name}.json" for name in ("image", "version")]

    event = _emit(capsys, "security_scanned", *trivy, f"--kev-catalogue={FOLDER}/trivy/kev.json")

    assert event["scan"]["counts"] == {"critical": 0, "high": 0, "medium": 1, "low": 1, "unknown": 1}
    assert event["scan"]["db_updated_at"] == "2026-11-20T06:21:14.437654Z"
    assert event["scan"]["kev"] == []


def test_licences_of_the_scan_and_of_the_bill_of_materials_are_one_list(capsys: pytest.CaptureFixture[str]) -> None:
    argv = [f"--trivy={FOLDER}/trivy/image.json", f"--sbom={FOLDER}/sbom/spdx.json", "--deny-licence=GPL-3.0*"]

    event = _emit(capsys, "security_scanned", *argv, "--accepted-because", "never shipped")

    assert event["scan"]["licences_denied"] == ["GPL-3.0-only", "GPL-3.0-or-later AND LicenseRef-docs"]


def test_policy_passed_takes_the_engine_that_the_caller_names(capsys: pytest.CaptureFixture[str]) -> None:
    policy = f"--conftest={FOLDER}/conftest/good.json"

    assert _emit(capsys, "policy_passed", policy)["policy"]["engine"] == "conftest"
    assert _emit(capsys, "policy_passed", policy, "--engine", "conftest 0.71")["policy"]["engine"] == "conftest 0.71"


def test_artifact_built(capsys: pytest.CaptureFixture[str]) -> None:
    evidence = [f"--sbom={FOLDER}/sbom/spdx.json", f"--provenance={FOLDER}/provenance/v1.json"]

    event = _emit(capsys, "artifact_built", *evidence, "--builder-level", "https://github.com/acme/*=2")

    assert event["artifact_digest"].startswith("sha256:5f0c8f26")
    assert event["artifact"].keys() == {"slsa_level", "provenance_sha256", "sbom_sha256"}


def test_canary_promoted_shows_metrics_that_failed_too(capsys: pytest.CaptureFixture[str]) -> None:
    event = _emit(capsys, *CANARY, "--analysis-run", f"{FOLDER}/analysis/guarded.json")

    verdicts = [entry["verdict"] for entry in event["canary"]["analysis"]]
    assert verdicts == ["pass", "fail", "no_data", "inconclusive", "error (dry run)"]


def test_a_rollback_takes_its_reason_from_the_run_unless_one_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["rollback_triggered", "--env", "prod", "--trigger", "auto", f"--analysis-run={FOLDER}/analysis/failed.yaml"]

    assert _emit(capsys, *argv)["rollback"]["reason"].startswith('Metric "5xx" assessed Failed')
    assert _emit(capsys, *argv, "--reason", "errors")["rollback"]["reason"] == "errors"


def test_explain_names_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["emit", "tests_passed", "--junit", JUNIT, "--explain", *BASE]) == 0

    assert f"(junit {FOLDER}/junit/pytest.xml)" in capsys.readouterr().err


def test_a_pass_against_its_report_needs_a_reason_which_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["tests_passed", "--junit", f"unit={FOLDER}/junit/phpunit.xml"]

    assert "tests_passed would not be true: 2 of 3 unit failed" in _refused(capsys, *argv)
    event = _emit(capsys, *argv, "--accepted-because", "quarantined, SHOP-12")
    assert event["tests"]["suites"] == [{"kind": "unit", "executed": 3, "passed": 1, "skipped": 0}]
    assert event["attributes"]["accepted_because"] == "quarantined, SHOP-12"
    assert event["attributes"]["accepted_findings"].startswith("2 of 3 unit failed")


def test_a_reason_for_nothing_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    event = _emit(capsys, "tests_passed", "--junit", JUNIT, "--accepted-because", "in case")

    assert event["attributes"] == {}


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["policy_passed", "--junit", JUNIT], "--junit goes with tests_passed, not with policy_passed"),
        (["tests_passed", "--coverage-threshold", "90%"], "--coverage-threshold needs --coverage"),
        (["tests_passed", "--junit", "gone.xml"], "--junit gone.xml: No such file"),
        (["tests_passed", "--junit", "gone/*.xml"], "--junit gone/*.xml: no file is named so"),
        (["tests_passed", "--junit", str(FOLDER)], "Is a directory"),
        (["tests_passed", "--junit", "\0"], "is no name of a file"),
        (
            ["tests_passed", "--junit", JUNIT, "--set", "tests.suites=[]"],
            f"tests.suites: is set twice: by --set tests.suites and by junit {FOLDER}/junit/pytest.xml",
        ),
        (
            ["security_scanned", f"--trivy={FOLDER}/trivy/image.json", "--critical", "0"],
            "scan.counts.critical: is set twice: by --critical and by trivy",
        ),
        (["security_scanned", f"--sbom={FOLDER}/sbom/spdx.json"], "needs --deny-licence or --allow-licence"),
        (["artifact_built", f"--sbom={FOLDER}/sbom/*.json"], "an artifact has one; 3 files"),
        (
            ["artifact_built", f"--provenance={FOLDER}/provenance/v1.json", "--artifact-digest", "sha256:00"],
            "is not of sha256:00: no subject has that digest",
        ),
        (["policy_passed", f"--conftest={FOLDER}/conftest/bad.json"], "policy_passed would not be true: 1 failures"),
        (["security_scanned", f"--trivy={FOLDER}/trivy/blocking.json"], "2 critical findings"),
    ],
)
def test_what_cannot_be_is_refused(argv: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert problem in _refused(capsys, *argv)


def test_a_file_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("producers.evidence.junit.MAX_BYTES", 1024)
    (tmp_path / "giant.xml").write_bytes(b"<testsuite>" + b" " * 1024)

    assert "giant.xml: has more than" in _refused(capsys, "tests_passed", "--junit", f"{tmp_path}/giant.xml")


def test_reports_do_not_go_with_a_file_of_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "events.jsonl").touch()

    assert cli.main(["emit", "--file", f"{tmp_path}/events.jsonl", "--junit", JUNIT]) == 2
    assert "leave out --junit" in capsys.readouterr().err


def test_no_text_of_a_report_becomes_a_command_of_the_ci_system(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a&#10;::error::\u2028\u200f"
    text = f'<testsuite><testcase name="{name}"><failure/></testcase></testsuite>'
    (tmp_path / "r.xml").write_text(text, encoding="utf-8")

    shown = _refused(capsys, "tests_passed", "--junit", f"{tmp_path}/r.xml")

    assert "1 of 1 tests failed: a ::error::" in shown
    assert shown.count("\n") == 1
