"""deploy/grafana: what is committed is what its source says, Grafana's SDK reads it, and it keeps to the rules."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from producers.sidecar.metrics import SidecarMetrics
from producers.spool.spool import Spool
from streams.exporter.collector import EXEMPLAR_LABEL
from streams.report.bands import YEAR, band
from tests.support.dashboard_rules import RULES, Rule
from tests.support.dashboards import FOLDER, Board, board, boards, panels, questions
from tests.tools.mixin import evaluated

UIDS: Final = ("candora-canary", "candora-gates", "candora-overview", "candora-pipeline", "candora-service")
OF_PROMETHEUS: Final = {"step", "target", "titleFormat", "textFormat", "tagKeys"}
"""Fields of an annotation that belong to its data source; the SDK knows only those of all."""


def test_the_committed_dashboards_are_what_the_source_writes(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    subprocess.run([sys.executable, "-m", "source", str(tmp_path)], cwd=FOLDER, env=env, check=True, timeout=60)
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text(encoding="utf-8") for path in (FOLDER / "dashboards").iterdir()}
    assert written == committed, "run `make dashboards`"


def test_the_dashboards_are_those_that_alerts_lead_to() -> None:
    assert tuple(sorted(boards())) == UIDS
    assert all(uid == one["uid"] for uid, one in boards().items())
    alerts = [rule for group in evaluated("prometheusAlerts")["groups"] for rule in group["rules"]]
    assert {rule["annotations"]["dashboard_url"].rpartition("/")[2] for rule in alerts} <= set(UIDS)


@pytest.mark.parametrize("uid", UIDS)
def test_grafanas_sdk_reads_them_and_writes_the_same(uid: str) -> None:
    register_default_plugins()
    given = board(uid)
    read = json.loads(json.dumps(Dashboard.from_json(board(uid)), cls=JSONEncoder))
    for mark in given["annotations"]["list"]:
        for name in OF_PROMETHEUS:
            assert mark.pop(name)
    for mark in read["annotations"]["list"]:
        mark.pop("target")
    assert read == given


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("uid", UIDS)
def test_every_dashboard_keeps_to_every_rule(uid: str, rule: Rule) -> None:
    assert list(rule(board(uid))) == []


def panel_of(one: Board, title: str) -> dict[str, Any]:
    return next(panel for panel in panels(one) if panel["title"] == title)


def asks(expr: str) -> Callable[[Board], None]:
    """Let the first panel of a dashboard that asks something ask this."""

    def spoil(one: Board) -> None:
        next(panel for panel in panels(one) if panel.get("targets"))["targets"][0]["expr"] = expr

    return spoil


def puts(title: str, **fields: object) -> Callable[[Board], None]:
    return lambda one: panel_of(one, title).update(fields)


def sets(part: str, **fields: object) -> Callable[[Board], None]:
    """Change the second entry of a list of the dashboard: a variable or a mark."""
    return lambda one: one[part]["list"][1].update(fields)


BAD: Final[dict[str, tuple[Callable[[Board], None], str]]] = {
    "one_datasource": (puts("Pending", datasource={"type": "prometheus", "uid": "mine"}), "Pending"),
    "explained": (puts("Pending", description=""), "Pending"),
    "valid_units": (puts("Pending", fieldConfig={"defaults": {"unit": "bananas"}, "overrides": []}), "Pending"),
    "parsed": (asks("rate("), "Failing now A"),
    "counters_rise": (asks("sum(deployments_total)"), "Failing now A: deployments_total"),
    "known_names": (asks("sum(increase(deployment_total[7d]))"), "Failing now A: deployment_total"),
    "ranges_follow": (asks("sum(increase(deployments_total[5m]))"), "Failing now A: [5m]"),
    "variables_known": (asks('up{team="$team"}'), "Failing now A: ['team']"),
    "variables_refresh": (sets("templating", refresh=1), "env"),
    "read_only": (lambda one: one.update(editable=True), "editable"),
    "unique_ids": (puts("Pending", id=1), "panel 1"),
    "placed": (puts("Pending", gridPos={"x": 0, "y": 0, "w": 4, "h": 4}), "Pending on What this means"),
    "filled": (puts("Pending", targets=[]), "Pending"),
    "safe_colors": (sets("annotations", iconColor="green"), "green"),
    "marks_are_rare": (sets("annotations", expr="deployments_total"), "Failed"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_sees_a_dashboard_that_breaks_it(rule: Rule) -> None:
    spoil, place = BAD[rule.__name__]
    spoiled = board("candora-service")
    spoil(spoiled)
    found = list(rule(spoiled))
    assert len(found) == 1
    assert found[0].startswith(place)


def test_every_metric_of_the_sidecar_exists(tmp_path: Path) -> None:
    with Spool(str(tmp_path)) as spool:
        exposed = set(re.findall(r"^(delivery_sidecar_\w+)", SidecarMetrics(spool).text().decode(), re.MULTILINE))
    asked = {name for one in boards().values() for each in questions(one) for name in _sidecar_names(each.expr)}
    of_objectives = {name for name in asked if name.startswith("delivery_sidecar_slo_")}
    assert asked - of_objectives <= exposed
    assert of_objectives <= {
        f"delivery_sidecar_slo_{name}" for name in ("waiting", "released_total", "gave_up_total", "failures_total")
    }
    assert len(asked) > 20


def _sidecar_names(expr: str) -> list[str]:
    return re.findall(r"delivery_sidecar_\w+", expr)


def test_links_lead_to_dashboards_that_exist() -> None:
    led_to = set(re.findall(r"/d/([\w-]+)", json.dumps(boards())))
    assert led_to
    assert led_to <= set(UIDS)
    for one in boards().values():
        assert [link["tags"] for link in one["links"] if link["type"] == "dashboards"] == [one["tags"]]


def test_numbers_that_alerts_know_too_are_the_same() -> None:
    """Where runbooks are, from when on something is too much: stated in config.libsonnet and in style.py."""
    config: dict[str, Any] = evaluated("_config")
    style = (FOLDER / "source" / "style.py").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^(\w+): Final = (.+)$", style, re.MULTILINE))
    assert stated["SERVING_URL"] == f'"{config["servingURL"]}"'
    for name, value in (
        ("CANARY_ERROR_RATIO", config["canary"]["errorRatio"]),
        ("CANARY_OBJECTIVE", config["canary"]["objective"]),
        ("FAILURE_RATE_TARGET", config["changeFailureRateTarget"]),
        ("UNATTRIBUTED_SHARE", config["unattributedShare"]),
        ("REHEARSE_SECONDS", config["rehearseSeconds"]),
        ("LAG_MESSAGES", config["lagMessages"]),
        ("LOG_SILENT_SECONDS", config["logSilentSeconds"]),
        ("SERVICE_SILENT_SECONDS", config["serviceSilentSeconds"]),
    ):
        assert _product(stated[name]) == value, name


COLORS: Final = {"elite": "#009E73", "high": "#56B4E9", "medium": "#E69F00", "low": "#D55E00"}
LEVELLED: Final = (
    ("candora-overview", "Change failure rate", None, "change_failure_rate"),
    ("candora-overview", "Lead time, median", None, "lead_time_p50"),
    ("candora-overview", "Time to restore, mean", None, "recovery_mean"),
    ("candora-overview", "Services", "per day", "frequency"),
    ("candora-overview", "Services", "Lead time p50", "lead_time_p50"),
    ("candora-overview", "Services", "Failure rate", "change_failure_rate"),
    ("candora-overview", "Services", "Time to restore", "recovery_mean"),
    ("candora-service", "Times to restore in the window", "Mean", "recovery_mean"),
)
"""Where a level is shown: dashboard, panel, column, and the measure that `candora report` knows it by."""


@pytest.mark.parametrize(("uid", "title", "column", "measure"), LEVELLED)
def test_a_level_is_the_same_as_in_the_report(uid: str, title: str, column: str | None, measure: str) -> None:
    """On both sides of each edge, and on the edge itself: one failure in ten is still high."""
    steps = steps_of(panel_of(board(uid), title), column)
    edges = [step["value"] for step in steps if step["value"] is not None]
    assert len(edges) == 3
    for value in (round(edge, 9) * by for edge in edges for by in (0.999, 1, 1.001)):
        level = band(measure, value)
        assert level is not None
        assert color_of(value, steps) == COLORS[level], value


def steps_of(panel: dict[str, Any], column: str | None) -> list[dict[str, Any]]:
    """The colours of a panel's value, or of a column."""
    field = panel["fieldConfig"]
    own = [each["properties"] for each in field["overrides"] if each["matcher"]["options"] == column]
    found = [each["value"] for properties in own for each in properties if each["id"] == "thresholds"]
    steps: list[dict[str, Any]] = (found[0] if column else field["defaults"]["thresholds"])["steps"]
    return steps


def color_of(value: float, steps: list[dict[str, Any]]) -> str:
    """Grafana's choice: the last colour that begins at the value or below."""
    begun = [step["color"] for step in steps if step["value"] is None or step["value"] <= value]
    return str(begun[-1])


def test_levels_are_named_with_their_year() -> None:
    """Every year that stands on a dashboard is that of the levels."""
    assert set(re.findall(r"\b20[12]\d\b", json.dumps(boards()))) == {str(YEAR)}


def _product(text: str) -> float:
    """A number, or a product of numbers."""
    result = 1.0
    for factor in text.split(" * "):
        result *= float(factor)
    return result


def test_provisioning_fits_what_is_exposed() -> None:
    folder = FOLDER / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "candora.yaml").read_text())["datasources"]
    (destination,) = source["jsonData"]["exemplarTraceIdDestinations"]
    assert destination["name"] == EXEMPLAR_LABEL
    assert "$${__value.raw}" in destination["url"]
    scraping = yaml.safe_load((FOLDER.parent / "prometheus" / "prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scraping["scrape_interval"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "candora.yaml").read_text())["providers"]
    assert provider["allowUiUpdates"] is False


def test_lead_times_lead_to_commits() -> None:
    asked = [target for panel in panels(board("candora-service")) for target in panel.get("targets", ())]
    with_points = [target["expr"] for target in asked if target.get("exemplar")]
    assert len(with_points) == 2
    assert all("lead_time_seconds_bucket" in expr for expr in with_points)
