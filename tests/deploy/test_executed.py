"""Every expression of the rules, the alerts, the README and the docs, on a real Prometheus that holds ninety days.

What it answers is compared with what tests/support/expected makes of the events: counters within one in a hundred,
quantiles within their bucket, the rest exactly. The dashboards' expressions have a test of their own.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from schemas.values import DAY, SECOND
from streams.exporter.metrics import METRICS
from tests.deploy.test_prometheus import names_in
from tests.support.company_history import END
from tests.support.dashboards import written_out
from tests.support.expected.alerts import FIRING
from tests.support.expected.asked import Expectation, Values, View
from tests.support.expected.company import services_of
from tests.support.expected.rules import PAIR, RULES, SERIES, mean, median_of_a_week, restores, risen_together
from tests.support.expected.rules import failed_ratio as failed
from tests.support.panels import answer, compared
from tests.support.pipeline_story import ERRORS, REQUESTS
from tests.support.servers.prometheus import Prometheus, QueryRefused
from tests.tools.mixin import evaluated

pytestmark = pytest.mark.prometheus

ROOT: Final = Path(__file__).parents[2]
OURS: Final = tuple(name for metric in METRICS for name in metric.series)
EVERYTHING: Final = View(END, DAY, ())
MATCHER: Final = re.compile(r'(\w+)="([^"]*)"')


def rules(field: str) -> list[dict[str, Any]]:
    return [rule for group in evaluated(field)["groups"] for rule in group["rules"]]


RECORDED: Final = {rule["record"] for rule in rules("prometheusRules")}
ALERTS: Final = {rule["alert"]: rule["expr"] for rule in rules("prometheusAlerts")}


class Printed(NamedTuple):
    """An expression that stands in a page."""

    page: str
    expr: str


def printed() -> Iterator[Printed]:
    """Every expression between backticks in a table of the README and the docs that names a series of ours."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text(encoding="utf-8")
        for line in text.splitlines():
            if line.startswith("|"):
                for expr in re.findall(r"`([^`]+)`", line):
                    if any(re.search(rf"\b{name}\b", expr) for name in (*OURS, *RECORDED)):
                        yield Printed(path.name, expr)


PRINTED: Final = sorted(set(printed()))
DOCUMENT: Final = {
    '(sum(increase(deployments_total{env="prod"}[30d])) - sum(increase(deployments_success_total{env="prod"}[30d])))'
    ' / sum(increase(deployments_total{env="prod"}[30d]))': risen_together(failed, "prod"),
    "histogram_quantile(0.5, sum by (le, service)(rate(lead_time_seconds_bucket[7d])))": median_of_a_week(),
    "avg_over_time(incident_resolution_seconds[30d])": restores(mean, (*PAIR, "severity")),
    '(sum(rate(http_requests_total{app="myapp",status=~"5.."}[5m])) / sum(rate(http_requests_total{app="myapp"}[5m])))'
    " > 0.02": Expectation(lambda _: {(): ERRORS / REQUESTS}),
}
"""The four expressions of the document, the first with its parentheses: without them it is a rule."""


def expected_of(expr: str) -> Expectation:
    """What a printed expression must say: a rule, one of the document's, or a series, whole or some of it."""
    if expr in RULES or expr in DOCUMENT:
        return RULES.get(expr) or DOCUMENT[expr]
    name, _, matchers = expr.partition("{")
    one, wanted = SERIES[name], dict(MATCHER.findall(matchers))

    def some(view: View) -> Values:
        return {
            line: value
            for line, value in one.read(view).items()
            if wanted.items() <= dict(zip(one.by, line, strict=True)).items()
        }

    return one._replace(read=some)


def problems(server: Prometheus, expr: str, expected: Expectation) -> list[str]:
    """Where the answer is not what the events say. An incident's sample is not held: its last one is asked for."""
    asked = f"last_over_time({expr}[30d])" if expr == "incident_resolution_seconds" else written_out(expr)
    wanted = expected.read(EVERYTHING._replace(services=services_of(None)))
    assert any(value is not None for value in wanted.values())
    return list(compared(answer(server, asked, expected.by), wanted, expected.near))


def test_every_rule_has_its_expectation() -> None:
    """A new rule needs a line in tests/support/expected/rules.py, with what it must record."""
    assert RULES.keys() == RECORDED


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_a_rule_says_what_the_events_say(whole: Prometheus, name: str) -> None:
    assert problems(whole, name, RULES[name]) == []


@pytest.mark.parametrize("expr", DOCUMENT)
def test_the_document_says_what_the_events_say(whole: Prometheus, expr: str) -> None:
    assert problems(whole, expr, DOCUMENT[expr]) == []


@pytest.mark.parametrize("one", PRINTED, ids=lambda one: f"{one.page}: {one.expr[:60]}")
def test_a_printed_expression_says_what_the_events_say(whole: Prometheus, one: Printed) -> None:
    assert problems(whole, one.expr, expected_of(one.expr)) == []


def named(server: Prometheus, expr: str, by: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Whom an alert's expression names."""
    found = server.query(written_out(expr), at=END / SECOND)
    return {tuple(one.labels.get(label, "") for label in by) for one in found}


def test_every_alert_has_its_expectation() -> None:
    """A new alert needs a line in tests/support/expected/alerts.py, with whom it must name."""
    assert FIRING.keys() == ALERTS.keys()


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_names_whom_the_events_name(whole: Prometheus, alert: str) -> None:
    assert named(whole, ALERTS[alert], FIRING[alert].by) == FIRING[alert].names()


def test_a_renamed_metric_silences_every_alert_that_names_somebody(whole: Prometheus) -> None:
    """But for the one on numbers that are absent."""
    loud = [alert for alert, firing in FIRING.items() if firing.names() and alert != "CandoraMetricsAbsent"]
    assert len(loud) > 10
    for alert in loud:
        asked = written_out(ALERTS[alert])
        metrics = "|".join(sorted(set(names_in(asked)), key=len, reverse=True))
        assert named(whole, re.sub(rf"\b({metrics})\b", r"\1_of_old", asked), FIRING[alert].by) == set(), alert


@pytest.mark.parametrize("expr", [*sorted(RECORDED), *DOCUMENT])
def test_a_renamed_metric_is_noticed(whole: Prometheus, expr: str) -> None:
    asked, expected = written_out(expr), RULES.get(expr) or DOCUMENT[expr]
    names = [name for name in (*OURS, "http_requests_total") if re.search(rf"\b{name}\b", asked)]
    assert names
    for name in names:
        renamed = re.sub(rf"\b{name}\b", f"{name}_of_old", asked)
        assert problems(whole, renamed, expected) != [], name


def test_what_is_no_expression_is_refused(whole: Prometheus) -> None:
    with pytest.raises(QueryRefused):
        whole.query("sum(increase(deployments_total[30d])")
