"""Each setting that bends numbers is seen, and what we ship passes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml

from streams.cli import main
from streams.doctor.prometheus import PrometheusFinding, PrometheusStatus, examine, seconds
from tests.tools.mixin import FOLDER

TARGET: Mapping[str, Any] = {"scrapePool": "candora", "scrapeUrl": "http://candora:9464/metrics", "health": "up"}
RULES = [
    {
        "name": "candora-keys",
        "rules": [
            {"name": "env_window:delivery_change_failure:ratio", "type": "recording", "health": "ok"},
            {"name": "CandoraDeadLetters", "type": "alerting", "health": "ok"},
        ],
    }
]
GOOD = PrometheusStatus(
    version="2.53.5",
    flags={"storage.tsdb.retention.time": "400d", "enable-feature": "a,exemplar-storage"},
    config=yaml.safe_load((FOLDER / "prometheus.yml").read_text()),
    targets=[TARGET],
    rules=RULES,
    instances=["candora"],
)


def config(**changes: object) -> Mapping[str, Any]:
    scrape = {"job_name": "candora", "honor_labels": True, **changes}
    return {**GOOD.config, "scrape_configs": [scrape]}


def found(said: PrometheusStatus, job: str = "candora") -> list[PrometheusFinding]:
    return [finding for finding in examine(said, job) if finding.status != "ok"]


def test_what_we_ship_is_well() -> None:
    assert found(GOOD) == []
    assert len(list(examine(GOOD, "candora"))) >= 8


@pytest.mark.parametrize(
    ("said", "status", "text"),
    [
        (replace(GOOD, version="2.37.1"), "problem", "Prometheus is 2.37.1"),
        (replace(GOOD, version=""), "warning", "does not say which version"),
        (replace(GOOD, version="2.53.1"), "warning", "which drops samples"),
        (replace(GOOD, config=config(honor_labels=False)), "problem", "honor_labels is false"),
        (replace(GOOD, config=config(honor_timestamps=False)), "problem", "honor_timestamps is false"),
        (replace(GOOD, config={**GOOD.config, "storage": None}), "problem", "out_of_order_time_window is 0s"),
        (replace(GOOD, config={**GOOD.config, "scrape_configs": None}), "problem", "there is no scrape job 'candora'"),
        (replace(GOOD, targets=[]), "problem", "no target"),
        (replace(GOOD, targets=[TARGET, TARGET]), "problem", "2 targets"),
        (replace(GOOD, targets=[{**TARGET, "health": "down", "lastError": "503"}]), "problem", "is down: 503"),
        (replace(GOOD, flags={**GOOD.flags, "storage.tsdb.retention.time": "0s"}), "problem", "kept for 15 days"),
        (replace(GOOD, flags={**GOOD.flags, "storage.tsdb.retention.time": "30d"}), "problem", "kept for 30 days"),
        (replace(GOOD, flags={**GOOD.flags, "storage.tsdb.retention.size": "50GB"}), "warning", "beyond 50GB"),
        (replace(GOOD, flags={**GOOD.flags, "enable-feature": ""}), "warning", "exemplars are not stored"),
        (replace(GOOD, instances=[]), "problem", "no sample"),
        (replace(GOOD, instances=["a", "b"]), "problem", "2 instances (a, b)"),
        (replace(GOOD, rules=[]), "warning", "the recording rules are not loaded"),
        (
            replace(
                GOOD,
                rules=[*RULES, {"name": "candora-x", "rules": [{"name": "r", "health": "err", "lastError": "no"}]}],
            ),
            "problem",
            "rule r fails: no",
        ),
    ],
)
def test_what_bends_numbers_is_seen_and_comes_with_its_mend(said: PrometheusStatus, status: str, text: str) -> None:
    first = found(said)[0]
    assert first.status == status
    assert text in first.text
    assert first.advice


@pytest.mark.parametrize(("text", "length"), [("400d", 400 * 86400), ("1d12h", 129600), ("0s", 0), ("1y", 31536000)])
def test_lengths_are_read_as_prometheus_writes_them(text: str, length: float) -> None:
    assert seconds(text) == length


def test_no_answer_is_not_a_problem_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "prometheus", "http://127.0.0.1:1"]) == 3
    assert "does not answer" in capsys.readouterr().err


def test_what_is_no_url_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "prometheus", "prometheus:9090"]) == 2
    assert "write http://" in capsys.readouterr().err
