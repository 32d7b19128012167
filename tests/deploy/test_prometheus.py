"""deploy/prometheus: promtool accepts it, its tests pass, and every name and runbook that it points at exists."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import promql_parser
import pytest
import yaml

from streams.exporter.http import runbook
from streams.exporter.metrics import METRICS
from tests.support.missing import not_run
from tests.tools.mixin import FOLDER, evaluated, written

TESTS: Final = sorted((FOLDER / "tests").glob("*.test.yaml"))
OTHERS: Final = {"up", "http_requests_total", "prometheus_target_scrapes_sample_out_of_bounds_total"}
"""Metrics that are not ours: Prometheus' own, and those of the service behind a canary."""
OURS: Final = {name for metric in METRICS for name in metric.series}


def rules(field: str) -> list[dict[str, Any]]:
    return [rule for group in evaluated(field)["groups"] for rule in group["rules"]]


RULES: Final = rules("prometheusRules")
ALERTS: Final = rules("prometheusAlerts")


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    binary = shutil.which("promtool")
    if binary is None:
        not_run("promtool", "It comes with Prometheus (Debian: apt-get install prometheus).")
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False, cwd=FOLDER, timeout=100)


def names_in(expr: str) -> Iterator[str]:
    """The metrics that an expression reads."""
    yield from _names(promql_parser.parse(expr))


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name or ""
    for part in ("lhs", "rhs", "expr", "args", "vector_selector"):
        child = getattr(node, part, None)
        for each in child if isinstance(child, list) else [child]:
            if each is not None and not isinstance(each, str | float | int):
                yield from _names(each)


@pytest.mark.parametrize("path", written(), ids=lambda path: path.name)
def test_the_written_files_are_what_the_mixin_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == written()[path], "run `make mixin`"


def test_promtool_accepts_configuration_and_rules() -> None:
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout
    assert f"{len(ALERTS)} rules found" in done.stdout


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_promtool_finds_what_the_tests_expect(path: Path) -> None:
    done = promtool("test", "rules", f"tests/{path.name}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_makes_promtool_fail(tmp_path: Path) -> None:
    text = (FOLDER / "tests" / "alerts.test.yaml").read_text().replace("../", f"{FOLDER}/")
    wrong = tmp_path / "wrong.test.yaml"
    wrong.write_text(text.replace("eval_time: 19m}", "eval_time: 20m}"))
    assert promtool("test", "rules", str(wrong)).returncode != 0


@pytest.mark.parametrize("rule", [*RULES, *ALERTS], ids=lambda rule: rule.get("record") or rule["alert"])
def test_every_expression_reads_what_exists(rule: dict[str, Any]) -> None:
    recorded = {each["record"] for each in RULES}
    read = set(names_in(rule["expr"]))
    assert read
    assert read <= OURS | recorded | OTHERS


def test_a_renamed_metric_is_seen() -> None:
    assert set(names_in("sum(increase(deployment_total[30d])) > 0")) == {"deployment_total"}
    assert "deployment_total" not in OURS


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_explains_itself(alert: dict[str, Any]) -> None:
    said = alert["annotations"]
    assert said["summary"].endswith(".")
    assert said["description"].endswith(".")
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert said["runbook_url"].endswith(f"/runbooks/{alert['alert']}")
    assert len((runbook(alert["alert"]) or "").splitlines()) >= 3


def test_there_is_no_runbook_without_its_alert() -> None:
    assert set(re.findall(r"^## (\w+)$", runbook() or "", re.MULTILINE)) == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_is_seen_silent_and_firing(alert: dict[str, Any]) -> None:
    """In promtool's tests: a moment without a sample of it, and a later one with."""
    silent: list[str] = []
    firing: list[str] = []
    for path in TESTS:
        for case in yaml.safe_load(path.read_text())["tests"]:
            for asked in case.get("promql_expr_test", ()):
                if f'"{alert["alert"]}"' in asked["expr"]:
                    (firing if asked.get("exp_samples") else silent).append(asked["eval_time"])
    assert silent
    assert firing
