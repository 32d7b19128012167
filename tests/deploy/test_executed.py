"""Every expression of the rules, the alerts, the README and the docs, on a real Prometheus that holds ninety days.

What it answers is compared with what `candora compute` makes of the same events: counters within one in a hundred,
quantiles within their bucket, means of incidents exactly. The dashboards' expressions have a test of their own.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from schemas.values import DAY, SECOND, Micros
from streams.backfill.replay import told_at
from streams.compute import Numbers, compute
from streams.core.buckets import LEAD_BUCKETS
from streams.core.settings import Settings
from streams.serving.metrics import METRICS, PIPELINE
from tests.support.company_history import END, company_events
from tests.support.mixin import evaluated
from tests.support.prometheus import Prometheus, QueryRefused, Sample

ROOT: Final = Path(__file__).parents[2]
MONTH: Final = 30 * DAY
WEEK: Final = 7 * DAY
SCRAPE: Final = {("job", "candora"), ("instance", "candora")}
Values = dict[tuple[tuple[str, str], ...], float]
OURS: Final = tuple(name for metric in METRICS for name in metric.series)


def rules(field: str) -> list[dict[str, Any]]:
    return [rule for group in evaluated(field)["groups"] for rule in group["rules"]]


RECORDED: Final = {rule["record"]: rule for rule in rules("prometheusRules")}
ALERTS: Final = {rule["alert"]: rule["expr"] for rule in rules("prometheusAlerts")}
NO_DATA: Final = {name for name, rule in RECORDED.items() if "http_requests" in rule["expr"]}
"""What the company's events do not say: the requests of the service behind a canary."""


def written_out(expr: str) -> str:
    """An expression with the rules it reads in place of what they record: the past has no history of them."""
    names = sorted((name for name in RECORDED if name in expr), key=len, reverse=True)
    return written_out(expr.replace(names[0], f"({RECORDED[names[0]]['expr']})")) if names else expr


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
NOT_IN_THE_PAST: Final = tuple(name for metric in PIPELINE for name in metric.series)


@cache
def computed(at: Micros, window: Micros) -> Mapping[str, Numbers]:
    """The numbers by service and env, of what was told by then."""
    told = [event for event in company_events() if told_at(event) <= at]
    return compute(told, at, Settings(), window)[0]["services"]


def counted(name: str) -> dict[tuple[str, str], int]:
    """How much a counter rose in the last thirty days, by service and env."""
    before = computed(END - MONTH, MONTH)
    return {
        pair_of(pair): int(now[name]) - int(before[pair][name] if pair in before else 0)  # type: ignore[literal-required]
        for pair, now in computed(END, MONTH).items()
    }


def pair_of(text: str) -> tuple[str, str]:
    service, _, env = text.rpartition("/")
    return service, env


def per_pair(values: Mapping[tuple[str, str], float]) -> Values:
    return {(("env", env), ("service", service)): value for (service, env), value in values.items()}


def per_env(values: Mapping[tuple[str, str], float]) -> dict[str, float]:
    summed: dict[str, float] = {}
    for (_, env), value in values.items():
        summed[env] = summed.get(env, 0) + value
    return summed


def labelled(values: Mapping[str, float], *more: tuple[str, str]) -> Values:
    return {(("env", env), *more): value for env, value in values.items()}


def ratio(part: Mapping[Any, float], whole: Mapping[Any, float]) -> dict[Any, float]:
    return {key: part[key] / whole[key] for key in whole if whole[key]}


def windowed(name: str, window: Micros = MONTH) -> dict[tuple[str, str], float]:
    found = {pair_of(pair): one[name] for pair, one in computed(END, window).items()}  # type: ignore[literal-required]
    return {pair: value for pair, value in found.items() if value is not None}


def answered(server: Prometheus, expr: str) -> Values:
    """What Prometheus says at the end of the ninety days, without the labels of the scrape."""
    found = server.query(written_out(expr), at=END / SECOND)
    return {tuple(sorted(one.labels.items() - SCRAPE - {("__name__", name_of(one))})): one.value for one in found}


def of_the_month(values: Values) -> Values:
    """Without the other windows, where there are windows."""
    return {labels: value for labels, value in values.items() if dict(labels).get("window", "30d") == "30d"}


def name_of(sample: Sample) -> str:
    return sample.labels.get("__name__", "")


def failed_by_counters() -> dict[tuple[str, str], int]:
    good = counted("deployments_success_total")
    return {pair: number - good[pair] for pair, number in counted("deployments_total").items()}


def means() -> dict[str, float]:
    """The mean time to restore by env, each incident counted once."""
    number = windowed("restore_count")
    total = {pair: value * number[pair] for pair, value in windowed("restore_mean").items()}
    return ratio(per_env(total), per_env(number))


def month(values: Mapping[str, float]) -> Values:
    return labelled(values, ("window", "30d"))


EXPECTED: Final[Mapping[str, Any]] = {
    "service_env:deployments:increase30d": lambda: per_pair(counted("deployments_total")),
    "service_env:deployments_success:increase30d": lambda: per_pair(counted("deployments_success_total")),
    "service_env:deployments_failed:ratio_increase30d": lambda: per_pair(
        ratio(failed_by_counters(), counted("deployments_total"))
    ),
    "env:deployments_failed:ratio_increase30d": lambda: labelled(
        ratio(per_env(failed_by_counters()), per_env(counted("deployments_total")))
    ),
    "service_env:incident_resolution_seconds:avg30d": lambda: per_pair(windowed("restore_mean")),
    "env_window:delivery_change_failure:ratio": lambda: month(
        ratio(per_env(windowed("failed")), per_env(windowed("judged")))
    ),
    "env_window:delivery_deployment_frequency:per_day": lambda: month(
        {env: number / 30 for env, number in per_env(windowed("judged")).items()}
    ),
    "env_window:delivery_restore_seconds:mean": lambda: month(means()),
}
"""What a rule must say, from the events."""


def failing_too_often() -> set[str]:
    """Services that break more than one in seven of ten or more deployments to production."""
    judged, failed = windowed("judged"), windowed("failed")
    return {
        service
        for (service, env), number in judged.items()
        if env == "prod" and number >= 10 and failed[service, env] / number > 0.15
    }


def silent_for_a_week() -> set[str]:
    """Services whose last event is a week old, but not a month."""
    last: dict[str, Micros] = {}
    for event in company_events():
        last[event["service"]] = max(event["occurred_at"], last.get(event["service"], 0))
    return {service for service, at in last.items() if WEEK < END - at < MONTH}


FIRING: Final = {
    "CandoraChangeFailureRateHigh": failing_too_often,
    "CandoraServiceSilent": silent_for_a_week,
}
"""Whom an alert must name, from the events."""


@pytest.mark.parametrize("expr", EXPECTED)
def test_a_rule_says_what_the_events_say(company_prometheus: Prometheus, expr: str) -> None:
    expected: Values = EXPECTED[expr]()
    assert expected
    assert of_the_month(answered(company_prometheus, expr)) == pytest.approx(expected, rel=0.01)


def test_the_document_counts_what_the_events_count(company_prometheus: Prometheus) -> None:
    """As often written, and with its parentheses."""
    total = per_env(counted("deployments_total"))["prod"]
    good = per_env(counted("deployments_success_total"))["prod"]
    rate = next(one.expr for one in PRINTED if one.page == "README.md" and "increase(deployments_total" in one.expr)
    assert answered(company_prometheus, rate) == pytest.approx({(): (total - good) / total}, rel=0.01)
    as_written = answered(company_prometheus, "production:deployments_failed:as_written30d")
    assert as_written == pytest.approx({(): total - good / total}, rel=0.01)


@pytest.mark.parametrize(
    ("expr", "window"),
    [
        ("histogram_quantile(0.5, sum by (le, service)(rate(lead_time_seconds_bucket{env='prod'}[7d])))", WEEK),
        ("histogram_quantile(0.5, sum by (le, service)(rate(lead_time_seconds_bucket{env='prod'}[30d])))", MONTH),
    ],
)
def test_a_median_lies_in_the_bucket_of_the_true_one(company_prometheus: Prometheus, expr: str, window: Micros) -> None:
    """In its bucket or, where the middle lies between two observations, the one beside it."""
    found = answered(company_prometheus, expr)
    true = {service: value for (service, env), value in windowed("lead_p50", window).items() if env == "prod"}
    assert len(true) >= 5
    for service, value in true.items():
        measured = found[("service", service),]
        assert abs(bisect_left(LEAD_BUCKETS, measured) - bisect_left(LEAD_BUCKETS, value)) <= 1, service


def test_each_incident_counts_once(company_prometheus: Prometheus) -> None:
    """`avg_over_time` is exact for each severity; their means, weighed by how many there were, are the service's."""
    means_ = answered(company_prometheus, "avg_over_time(incident_resolution_seconds[30d])")
    numbers = answered(company_prometheus, "count_over_time(incident_resolution_seconds[30d])")
    totals: dict[tuple[str, str], tuple[float, float]] = {}
    for labels, mean in means_.items():
        pair = (dict(labels)["service"], dict(labels)["env"])
        total, number = totals.get(pair, (0, 0))
        totals[pair] = (total + mean * numbers[labels], number + numbers[labels])
    assert {pair: total / number for pair, (total, number) in totals.items()} == pytest.approx(windowed("restore_mean"))


@pytest.mark.parametrize("one", PRINTED, ids=lambda one: f"{one.page}: {one.expr[:60]}")
def test_every_printed_expression_is_taken(company_prometheus: Prometheus, one: Printed) -> None:
    """What the past has not got, such as the lag of workers, may be empty. A bare name is any series of it."""
    found = answered(company_prometheus, f"last_over_time({one.expr}[30d])" if one.expr.isidentifier() else one.expr)
    assert found or any(name in one.expr for name in NOT_IN_THE_PAST)


@pytest.mark.parametrize("name", sorted(RECORDED.keys() - NO_DATA))
def test_every_rule_has_an_answer(company_prometheus: Prometheus, name: str) -> None:
    found = answered(company_prometheus, name)
    assert found
    assert all(value == value for value in found.values()), "NaN"  # noqa: PLR0124 - as Prometheus' own parser does


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_taken(company_prometheus: Prometheus, alert: str) -> None:
    found = answered(company_prometheus, ALERTS[alert])
    expected = FIRING.get(alert)
    if expected is not None:
        assert {dict(labels)["service"] for labels in found} == expected()


def test_a_renamed_metric_is_noticed(company_prometheus: Prometheus) -> None:
    for expr, expected in EXPECTED.items():
        for name in ("deployments_total", "deployments_success_total", "incident_resolution_seconds"):
            asked = written_out(expr)
            if re.search(rf"\b{name}\b", asked):
                renamed = re.sub(rf"\b{name}\b", f"{name}_of_old", asked)
                assert of_the_month(answered(company_prometheus, renamed)) != pytest.approx(expected(), rel=0.01)


def test_what_is_no_expression_is_refused(company_prometheus: Prometheus) -> None:
    with pytest.raises(QueryRefused):
        answered(company_prometheus, "sum(increase(deployments_total[30d])")
