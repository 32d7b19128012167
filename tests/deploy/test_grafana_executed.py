"""All that the dashboards ask, on a real Prometheus that holds ninety days of the company and a pipeline in trouble.

What is expected is computed from the events by tests/support/reference, which shares no code with the product.
"""

import math
import re
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Final, NamedTuple

import pytest

from schemas.values import DAY, SECOND, Micros
from streams.backfill.blocks import COMMAND
from streams.core.buckets import LEAD_BUCKETS
from streams.core.settings import Settings
from tests.deploy.test_prometheus import names_in, promtool
from tests.support.company_history import END, company_events
from tests.support.dashboards import CHOSEN, Board, Question, board, boards, questions, since, substituted, written_out
from tests.support.pipeline_story import DEAD_A_STEP, ERRORS, LAG, LOG_AGE, REQUESTS, SPOOL_AGE, story
from tests.support.prometheus import Prometheus, PrometheusStarter
from tests.support.reference import Facts, facts, quantile

pytestmark = pytest.mark.prometheus

NOW: Final = END // SECOND
WINDOW: Final = 30 * DAY
SETTINGS: Final = Settings()
POINTS: Final = 100
"""About how many points a graph gets here; Grafana asks for as many as it has pixels."""
SCRAPES: Final = 30
SPARSE: Final = 4 * 3600
"""The fixture has a sample every hour, so a rate must look back farther than over four scrapes."""


@pytest.fixture(scope="module")
def whole(company_blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scraped the company, its pipeline and a canaried application."""
    home = tmp_path_factory.mktemp("grafana")
    data, text = home / "data", home / "story.txt"
    shutil.copytree(company_blocks, data)
    text.write_text("".join(story(home / "spool", END).lines()), encoding="utf-8")
    done = promtool(*COMMAND, str(text), str(data))
    assert done.returncode == 0, done.stderr
    starter = PrometheusStarter(home)
    yield starter.over(data)
    for server in starter.running:
        server.process.kill()


# --- every question has an answer -------------------------------------------------------------------------------------
def problem(server: Prometheus, one: Board, question: Question) -> str | None:
    """What is wrong with the answer; None: there is one, of finite numbers."""
    if question.at_once:
        values = [sample.value for sample in server.query(substituted(question.expr, SPARSE), at=NOW)]
        broken = not all(map(math.isfinite, values))
    else:
        step = max(question.step, since(one) // POINTS)
        points = POINTS if step > question.step else since(one) // step
        expr = substituted(question.expr, max(step + SCRAPES, SPARSE))
        found = server.query_range(expr, NOW - points * step, NOW, step)
        values = [value for series in found for _, value in series.points]
        # A quantile of nothing is NaN, and a gap in the graph.
        broken = any(map(math.isinf, values)) or (bool(values) and all(map(math.isnan, values)))
    if broken:
        return f"{question.place}: not finite: {question.expr}"
    return None if values else f"{question.place}: nothing: {question.expr}"


@pytest.mark.parametrize("uid", boards())
def test_every_question_has_an_answer(whole: Prometheus, uid: str) -> None:
    one = board(uid)
    assert [found for question in questions(one) if (found := problem(whole, one, question))] == []


@pytest.mark.parametrize("uid", boards())
def test_a_renamed_metric_is_seen(whole: Prometheus, uid: str) -> None:
    """Whichever metric of whichever dashboard it is."""
    one = board(uid)
    asked = list(questions(one))
    names = {name for question in asked for name in names_in(substituted(question.expr))}
    assert len(names) > 5
    unseen = []
    for name in sorted(names):
        renamed = [
            question._replace(expr=re.sub(rf"\b{name}\b", f"{name}_renamed", written_out(question.expr)))
            for question in asked
            if name in names_in(substituted(question.expr))
        ]
        if not any(problem(whole, one, question) for question in renamed):
            unseen.append(name)
    assert unseen == []


# --- the answers are those of the events ------------------------------------------------------------------------------
class Expected(NamedTuple):
    """What the events say of some services in prod over thirty days; None: there is no value."""

    judged: int
    failed: int
    hotfixes: int
    leads: list[Micros]
    restored: list[float]
    recovered: list[float]
    opened: int
    unattributed: int
    pending: int
    failing: int

    @property
    def shares(self) -> Mapping[str, float | None]:
        """Every rate by what it is called."""
        return {
            "failure rate": self.failed / self.judged if self.judged else None,
            "rework": self.hotfixes / self.judged if self.judged else None,
            "restore": mean(self.restored) if self.restored else None,
            "recovery": mean(self.recovered) if self.recovered else None,
            "unattributed": self.unattributed / self.opened if self.opened else None,
        }


@cache
def known(at: Micros) -> Facts:
    return facts(company_events(), at, SETTINGS)


def expected(at: Micros, services: str) -> Expected:
    """Of the services that match, at a moment."""
    found = known(at)
    settled, cohort = at - SETTINGS.lateness, at - SETTINGS.lateness - SETTINGS.failure_window

    def ours(service: str, env: str) -> bool:
        return env == "prod" and re.fullmatch(services, service) is not None

    verdicts = {key: one for key, one in found.verdicts.items() if ours(*key[:2])}
    judged = {
        key: one
        for key, one in verdicts.items()
        if one.name in {"succeeded", "failed"} and one.finished_at and cohort - WINDOW < one.finished_at <= cohort
    }
    incidents = [(one, put) for one, put in found.incidents if ours(one.service, one.env)]
    ended = [
        (one.time_to_restore / SECOND, put)
        for one, put in incidents
        if one.time_to_restore is not None and one.ended_at and settled - WINDOW < one.ended_at <= settled
    ]
    opened = [put for one, put in incidents if settled - WINDOW < one.opened_at <= settled]
    return Expected(
        judged=len(judged),
        failed=sum(one.name == "failed" for one in judged.values()),
        hotfixes=sum(found.deployments[key].lane == "hotfix" for key in judged),
        leads=sorted(
            one.lead_time
            for one in found.promotions
            if ours(one.service, one.env)
            and settled - WINDOW < one.promoted_at <= settled
            and one.lead_time is not None
        ),
        restored=[length for length, _ in ended],
        recovered=[length for length, put in ended if put.hit is not None],
        opened=len(opened),
        unattributed=sum(put.rule == "none" for put in opened),
        pending=sum(one.name == "pending" for one in verdicts.values()),
        failing=sum(one.name == "pending" and one.failure is not None for one in verdicts.values()),
    )


SERVICES: Final = ("identity", "ledger-legacy", "notifications", "payments", "search", "web-shop")


class Asked:
    """The numbers that a dashboard shows of some services."""

    def __init__(self, server: Prometheus, uid: str, service: str = ".+") -> None:
        self._server = server
        self._chosen = {**CHOSEN, "service": service}
        self._questions = {question.place: question for question in questions(board(uid))}

    def number(self, place: str) -> float | None:
        """What one expression of one panel gives; None: no value."""
        samples = self.by(place)
        assert set(samples) <= {()}, f"{place} is more than one number"
        return samples.get(())

    def by(self, place: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The same by labels."""
        question = self._questions[place]
        assert question.at_once
        expr = substituted(question.expr, SPARSE, self._chosen)
        samples = self._server.query(expr, at=NOW)
        return {tuple(sample.labels[name] for name in labels or sample.labels): sample.value for sample in samples}

    def total(self, place: str) -> float:
        """The sum of a graph's bars over the last thirty days."""
        question = self._questions[place]
        expr = substituted(question.expr, question.step + SCRAPES, self._chosen)
        found = self._server.query_range(expr, NOW - 29 * 86_400, NOW, question.step)
        return sum(value for series in found for _, value in series.points)


def same(value: float | None) -> object:
    return None if value is None else pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("service", [".+", *SERVICES], ids=["all", *SERVICES])
def test_the_four_keys_and_what_they_are_made_of(whole: Prometheus, service: str) -> None:
    shown, now = Asked(whole, "candora-overview", service), expected(END, service)
    assert shown.number("Failure rate: before, n B") == now.failed
    assert shown.number("Failure rate: before, n C") == shown.number("Per day: before, n B") == now.judged
    assert shown.number("Deployments per day A") == same(now.judged / 30)
    assert shown.number("Lead time: before, n B") == len(now.leads)
    assert shown.number("Time to restore: before, n B") == len(now.restored)
    assert shown.number("Change failure rate A") == same(now.shares["failure rate"])
    assert shown.number("Time to restore, mean A") == same(now.shares["restore"])
    assert shown.number("Rework rate A") == same(now.shares["rework"])
    assert shown.number("Rework rate B") == now.hotfixes
    assert shown.number("Failed deployment recovery A") == same(now.shares["recovery"])
    assert shown.number("Failed deployment recovery B") == len(now.recovered)
    assert shown.number("Unattributed incidents A") == same(now.shares["unattributed"])
    assert [shown.number(f"Unattributed incidents {ref}") for ref in "BC"] == [now.unattributed, now.opened]
    assert [shown.number(f"In flight {ref}") for ref in "AB"] == [now.pending, now.failing]


@pytest.mark.parametrize("service", [".+", *SERVICES], ids=["all", *SERVICES])
def test_the_same_one_window_before(whole: Prometheus, service: str) -> None:
    shown, before = Asked(whole, "candora-overview", service), expected(END - WINDOW, service)
    assert before.judged
    assert shown.number("Per day: before, n A") == same(before.judged / 30)
    assert shown.number("Failure rate: before, n A") == same(before.shares["failure rate"])
    assert shown.number("Time to restore: before, n A") == same(before.shares["restore"])


@pytest.mark.parametrize(("place", "at"), [("Lead time, median A", END), ("Lead time: before, n A", END - WINDOW)])
def test_lead_time_is_exact_for_one_service_and_close_for_all(whole: Prometheus, place: str, at: Micros) -> None:
    for service in SERVICES:
        assert Asked(whole, "candora-overview", service).number(place) == same(
            quantile(expected(at, service).leads, 0.5)
        )
    exact, shown = quantile(expected(at, ".+").leads, 0.5), Asked(whole, "candora-overview").number(place)
    assert exact is not None
    assert shown is not None
    assert abs(shown - exact) <= width_of_bucket(exact)


def width_of_bucket(seconds: float) -> float:
    above = next(bound for bound in LEAD_BUCKETS if seconds <= bound)
    return above - max((bound for bound in LEAD_BUCKETS if bound < seconds), default=0)


def test_the_table_of_services(whole: Prometheus) -> None:
    shown = Asked(whole, "candora-overview")
    for service in SERVICES:
        now = expected(END, service)
        line = [shown.by(f"Services {ref}", "service").get((service,)) for ref in "ABCDEFGHIJKL"]
        assert line == [
            same(now.judged / 30),
            now.judged,
            same(quantile(now.leads, 0.5)),
            len(now.leads),
            same(now.shares["failure rate"]),
            now.failed,
            same(now.shares["restore"]),
            len(now.restored),
            same(now.shares["rework"]),
            now.pending,
            now.failing,
            now.unattributed,
        ]


@pytest.mark.parametrize("uid", ["candora-overview", "candora-service"])
def test_bars_add_up_to_the_verdicts_that_came_due(whole: Prometheus, uid: str) -> None:
    """Counters: within 1 %."""
    panel = {"candora-overview": "Deployments judged", "candora-service": "Verdicts"}[uid]
    now = expected(END, ".+")
    assert Asked(whole, uid).total(f"{panel} A") == pytest.approx(now.judged - now.failed, rel=0.01)
    assert Asked(whole, uid).total(f"{panel} B") == pytest.approx(now.failed, rel=0.01)


def test_times_to_restore_by_severity(whole: Prometheus) -> None:
    shown = Asked(whole, "candora-service")
    settled = END - SETTINGS.lateness
    lengths: dict[tuple[str, str], list[tuple[Micros, float]]] = {}
    for one, _ in known(END).incidents:
        if one.env == "prod" and one.time_to_restore and one.ended_at and END - WINDOW < one.ended_at <= settled:
            times = lengths.setdefault((one.service, one.severity or "unknown"), [])
            times.append((one.ended_at, one.time_to_restore / SECOND))
    assert len(lengths) > 3
    columns = [shown.by(f"Times to restore in the window {ref}", "service", "severity") for ref in "ABCD"]
    assert columns == [
        {key: len(times) for key, times in lengths.items()},
        {key: same(mean(length for _, length in times)) for key, times in lengths.items()},
        {key: max(length for _, length in times) for key, times in lengths.items()},
        {key: max(times)[1] for key, times in lengths.items()},
    ]


def test_gates(whole: Prometheus) -> None:
    shown = Asked(whole, "candora-gates")
    rehearsed: dict[tuple[str, str], Micros] = {}
    for event in company_events():
        if event["event_type"] == "rollback_triggered" and event["lane"] == "rehearsal":
            key = event["service"], event["env"] or ""
            rehearsed[key] = max(rehearsed.get(key, 0), event["occurred_at"])
    ages = {key: same((END - at) / SECOND) for key, at in rehearsed.items()}
    assert shown.by("Since the last rehearsed rollback A", "service", "env") == ages
    never = set(SERVICES) - {service for service, _ in rehearsed}
    assert never
    assert {service for (service,) in shown.by("Never rehearsed A", "service")} == never
    now = expected(END, ".+")
    assert shown.number("Hotfix share A") == same(now.shares["rework"])
    assert shown.number("Unattributed incidents A") == same(now.shares["unattributed"])


def test_the_canary_burns(whole: Prometheus) -> None:
    shown = Asked(whole, "candora-canary")
    assert shown.by("Error ratio, 5 minutes A", "app") == {("myapp",): pytest.approx(ERRORS / REQUESTS)}
    assert shown.by("Burn, 1 hour A", "app") == {("myapp",): pytest.approx(ERRORS / REQUESTS / 0.001)}


def test_the_pipeline_is_in_trouble(whole: Prometheus) -> None:
    shown = Asked(whole, "candora-pipeline")
    assert shown.number("Serving A") == shown.number("Served by A") == 1
    assert shown.number("Last message in the log A") == LOG_AGE
    assert shown.number("Messages waiting A") == LAG
    assert shown.number("Last delivery A") == SPOOL_AGE
    assert shown.number("Dead letters, 24 hours A") == pytest.approx(DEAD_A_STEP * (24 + 40), abs=DEAD_A_STEP)
    silent = shown.by("Services by silence A", "service")
    last = {
        service: max(each["occurred_at"] for each in company_events() if each["service"] == service)
        for service in SERVICES
    }
    assert silent == {(service,): same((END - at) / SECOND) for service, at in last.items()}
