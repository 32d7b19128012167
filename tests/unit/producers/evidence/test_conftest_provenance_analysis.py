"""conftest, provenance and analysis runs."""

import base64
import json
from hashlib import sha256
from typing import Any

import pytest

from producers.errors import UsageError
from producers.evidence.analysis_run import read_analysis, read_failure
from producers.evidence.conftest_report import read_conftest
from producers.evidence.provenance import read_builder_levels, read_provenance
from producers.evidence.report import EvidenceError, ReportFile
from tests.unit.producers.evidence.shown import report, said, text_report

V1 = report("provenance/v1.json")
V02 = report("provenance/v02.json")
DIGEST = "sha256:5f0c8f2631d2a5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0"


def test_a_rule_of_conftest_is_a_namespace() -> None:
    reading = read_conftest([report("conftest/good.json")])

    assert said(reading) == {
        "policy.engine": "conftest",
        "policy.rules": [
            {"id": "kubernetes.latest", "evaluated": 3, "failures": 0, "exceptions": 1},
            {"id": "kubernetes.root", "evaluated": 5, "failures": 0, "exceptions": 0},
        ],
        "attributes.policy.warnings": "1",
    }
    assert not reading.objections


def test_a_policy_that_failed_has_not_passed() -> None:
    reading = read_conftest([report("conftest/good.json"), report("conftest/bad.json")])

    assert reading.objections == ["1 failures in kubernetes.root: container shop runs as root"]
    assert said(reading)["policy.rules"][1]["evaluated"] == 8


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "no rule was evaluated"),
        ('[{"filename": "a.yaml", "namespace": "main", "successes": 0}]', "no rule was evaluated"),
        ('{"filename": "a.yaml"}', "is not a list"),
        ("[{}]", r"\[0\]: is not a result of conftest"),
        ('[{"filename": "a.yaml"}]', r"\[0\].successes: is not a number from 0 up"),
        ('[{"filename": "a.yaml", "successes": -1}]', r"\[0\].successes: is not a number"),
        ("FAIL - a.yaml - main - no", "is not a report of conftest in JSON"),
    ],
)
def test_what_is_no_report_of_conftest_is_refused(text: str, problem: str) -> None:
    with pytest.raises(EvidenceError, match=problem):
        read_conftest([text_report(text)])


def _envelope(statement: ReportFile, keyid: str = "", **fields: Any) -> dict[str, Any]:
    payload = base64.b64encode(statement.data).decode()
    return {
        "payloadType": "application/vnd.in-toto+json",
        "payload": payload,
        "signatures": [{"keyid": keyid, "sig": "MEUCIQ=="}],
        **fields,
    }


def _bundle(statement: ReportFile) -> dict[str, Any]:
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"certificate": {"rawBytes": "MIIC"}},
        "dsseEnvelope": _envelope(statement),
    }


OTHER = ReportFile("sbom.json", json.dumps({"_type": "https://in-toto.io/Statement/v1", "predicateType": "x"}).encode())


@pytest.mark.parametrize(
    "text",
    [
        V1.data.decode(),
        json.dumps(_envelope(V1)),
        json.dumps(_bundle(V1)),
        json.dumps(_bundle(OTHER)) + "\n" + json.dumps(_bundle(V1)) + "\n",
    ],
    ids=["statement", "DSSE", "bundle", "lines"],
)
def test_a_statement_is_read_from_each_wrapping(text: str) -> None:
    known = said(read_provenance(text_report(text), None, {}))

    assert known == {"artifact.provenance_sha256": sha256(text.encode()).hexdigest(), "artifact_digest": DIGEST}


def test_the_artifact_must_be_a_subject() -> None:
    arm = "sha256:" + "b" * 64

    assert set(said(read_provenance(V02, arm, {}))) == {"artifact.provenance_sha256"}
    with pytest.raises(EvidenceError, match=f"v02.json: subject: is not of {DIGEST}"):
        read_provenance(V02, DIGEST, {})


def test_the_level_is_what_is_granted_to_the_builder() -> None:
    levels = read_builder_levels(["https://github.com/slsa-framework/slsa-github-generator/*=3", "*=1"])

    assert said(read_provenance(V02, None, levels))["artifact.slsa_level"] == 1
    assert said(read_provenance(V02, None, dict(list(levels.items())[:1])))["artifact.slsa_level"] == 3
    assert "artifact.slsa_level" not in said(read_provenance(V1, None, {"https://gitlab.com/*": 3}))


def test_a_key_is_named_only_if_the_envelope_names_one() -> None:
    stated = text_report(json.dumps(_envelope(V1, keyid="SHA256:abc")))

    assert said(read_provenance(stated, None, {}))["artifact.signed_by"] == "SHA256:abc"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "is not an in-toto statement"),
        (OTHER.data.decode(), "states x, not SLSA provenance"),
        (json.dumps(_envelope(V1, payloadType="text/plain")), "payloadType: is not application"),
        (json.dumps(_envelope(V1, payload="%%%")), "payload: is not in base64"),
        (json.dumps(_envelope(text_report("nonsense"))), "payload: line 1 column 1: is not a statement"),
        (json.dumps(_envelope(V1)) + "\n" + json.dumps(_envelope(V02)), "holds several provenances"),
        (V1.data.decode().replace("sha256", "sha512"), "subject: names no artifact by its sha256"),
        (V1.data.decode()[:-20], "is not provenance in JSON"),
    ],
)
def test_what_is_no_provenance_is_refused(text: str, problem: str) -> None:
    with pytest.raises(EvidenceError, match=problem):
        read_provenance(text_report(text), None, {})


@pytest.mark.parametrize("text", ["3", "builder=", "builder=5", "=3"])
def test_a_level_without_a_builder_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected BUILDER_ID=LEVEL"):
        read_builder_levels([text])


def test_an_analysis_says_what_was_measured_and_what_was_not() -> None:
    reading = read_analysis([report("analysis/guarded.json")])

    keys = ("metric", "verdict", "value", "threshold", "n")
    assert [tuple(entry[key] for key in keys) for entry in said(reading)["canary.analysis"]] == [
        ("5xx", "pass", 0.0035, 0.02, 5),
        ("latency", "fail", 0.71, None, 1),
        ("silent", "no_data", None, 0.02, 2),
        ("volume", "inconclusive", None, 1000.0, 1),
        ("kpi", "error (dry run)", None, None, None),
    ]


def test_yaml_and_lists_are_read_as_well() -> None:
    run = json.loads(report("analysis/guarded.json").data)
    listed = text_report(json.dumps({"apiVersion": "v1", "kind": "List", "items": [run]}))

    reading = read_analysis([report("analysis/failed.yaml"), listed])

    first, *rest = said(reading)["canary.analysis"]
    assert first == {"metric": "5xx", "verdict": "fail", "value": 0.05, "threshold": 0.02, "n": 1}
    assert len(rest) == 5


def test_a_rollback_has_the_reason_of_the_analysis() -> None:
    reason = said(read_failure([report("analysis/failed.yaml")]))["rollback.reason"]

    assert reason == 'Metric "5xx" assessed Failed due to failed (1) > failureLimit (0)'


RUN = '{"kind": "AnalysisRun", "status": {"phase": "Successful", "metricResults": [%s]}}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"kind": "Rollout"}', "kind: is not AnalysisRun"),
        ('{"kind": "AnalysisRun"}', "nothing has been measured yet"),
        ('{"kind": "List", "items": []}', "lists no AnalysisRun"),
        (RUN % '{"name": "a", "phase": "Odd"}', r"metricResults\[0\].phase: is 'Odd'"),
        (RUN % '{"phase": "Failed"}', r"metricResults\[0\].name: is missing"),
        ("a: &a [1]\nb: [*a, *a]", "is not plain YAML"),
        ("a: !!python/object:os.system {}", "is not plain YAML"),
        ("a: 2026-13-45", "is not plain YAML"),
        ("a: [", "line 1: is not plain YAML"),
        ("just words", "is not an object"),
    ],
)
def test_what_is_no_analysis_is_refused(text: str, problem: str) -> None:
    with pytest.raises(EvidenceError, match=problem):
        read_analysis([text_report(text)])


def test_a_run_that_succeeded_is_no_reason_to_roll_back() -> None:
    with pytest.raises(EvidenceError, match="no run has failed"):
        read_failure([text_report(RUN % "")])
