"""The review as it is shown: golden texts of the demo company, and texts of others that are out to do harm."""

import json
import re
from collections.abc import Iterable
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

from schemas.values import DAY, EventTypeName, EventValue
from streams.core.settings import MetricSettings
from streams.report.as_json import as_json
from streams.report.blocks import ReportDocument
from streams.report.layout import document
from streams.report.markdown import markdown
from streams.report.page import page
from streams.report.periods import PeriodPair, last, quarter, week
from streams.report.review import Review, ReviewRequest, review
from streams.report.terminal import show
from streams.terminal.console import WIDTH
from tests.support.builders.hostile_review import hostile_review
from tests.support.company_history import END, company_events
from tests.support.events import DAY_1, commit, promoted, rollback, stage

GOLDEN = Path(__file__).parent / "golden"
"""Written anew by `python -m tests.unit.streams.report.test_rendering`; look at what changed before you commit it."""
ASKED = {"week": week("2026-W13", END), "month": last(30 * DAY, END), "quarter": quarter("2026-Q1", END + DAY)}


@cache
def company(pair: PeriodPair) -> Review:
    return review(company_events(), ReviewRequest(pair, ("prod",)), MetricSettings())


def terminal(laid_out: ReportDocument, *, colour: bool = False) -> str:
    file = StringIO()
    show(laid_out, file, colour=colour)
    return file.getvalue()


def texts() -> Iterable[tuple[str, str]]:
    for name, pair in ASKED.items():
        laid_out = document(company(pair))
        yield from ((f"{name}.txt", terminal(laid_out)), (f"{name}.md", markdown(laid_out)))


@pytest.mark.parametrize("name", [f"{name}.{ending}" for name in ASKED for ending in ("txt", "md")])
def test_the_demo_company_reads_as_it_was_approved(name: str) -> None:
    assert dict(texts())[name] == (GOLDEN / name).read_text("utf-8")


def test_a_terminal_of_80_columns_is_never_left_and_colour_says_nothing_alone() -> None:
    for told_of in (company(ASKED["month"]), hostile_review()):
        laid_out = document(told_of)
        plain = terminal(laid_out)
        assert max(map(len, plain.splitlines())) <= WIDTH
        coloured = terminal(laid_out, colour=True)
        assert "\x1b[" in coloured
        assert [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()] == plain.splitlines()


def test_no_control_character_of_others_reaches_a_terminal() -> None:
    text = terminal(document(hostile_review()))
    assert "alert(" in text
    assert all(letter.isprintable() for line in text.splitlines() for letter in line)


def test_markdown_of_others_is_no_markdown() -> None:
    text = markdown(document(hostile_review()))
    assert "<" not in text.replace("&lt;", "")
    assert r"\[a\](http://b)" in text
    assert "&amp;amp;" in text
    rows = [re.sub(r"\\.", "", line) for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows if "canary" in row or "rollback" in row} == {5}


def test_html_of_others_is_no_html() -> None:
    told_of = hostile_review()
    text = page(told_of, document(told_of))
    assert "&lt;script&gt;alert(" in text
    assert "<script" not in text
    assert "<img" not in text


def test_the_page_asks_for_nothing_and_is_the_same_each_time() -> None:
    told_of = company(ASKED["month"])
    text = page(told_of, document(told_of))
    assert text == page(told_of, document(told_of))
    assert not re.findall(r"(?:src|href)=\"(?!#|data:,)[^\"]*\"|url\((?!#)|@import|<script|https?://", text)
    ids = re.findall(r"\bid=\"([^\"]+)\"", text)
    assert len(ids) == len(set(ids))
    referred = re.findall(r"href=\"#([^\"]+)\"|url\(#([^)]+)\)|aria-labelledby=\"([^\"]+)\"", text)
    assert {name for found in referred for names in found for name in names.split()} <= set(ids)


def test_each_picture_says_what_it_shows_and_has_a_table() -> None:
    told_of = company(ASKED["month"])
    text = page(told_of, document(told_of))
    pictures = re.findall(r"<svg[^>]*role=\"img\"[^>]*>\s*<title[^>]*>[^<]+</title><desc[^>]*>[^<]+</desc>", text)
    assert len(pictures) == text.count("<svg") == 12
    assert {"Changes by lead time", "By week", "Failures by reason"} <= set(
        re.findall(r"aria-label=\"([^\"]+)\"", text)
    )


def test_what_is_not_compared_is_not_shown_as_nothing() -> None:
    for name, expected in (("month", 2), ("quarter", 0)):
        told_of = company(ASKED[name])
        text = page(told_of, document(told_of))
        figures = text.split('<section id="numbers"')[1].split('class="figure"', 1)[1]
        assert figures.count('role="columnheader" class="right">before<') == expected
        assert ("before: -" in text, "<p>-</p>" in text) == (False, False)


@pytest.mark.parametrize("events", [[], [promoted("D1", "12:00", sha="c1")]], ids=["an empty log", "one deployment"])
def test_little_is_said_of_little(events: list[EventValue]) -> None:
    told_of = review(events, ReviewRequest(last(7 * DAY, DAY_1 + 4 * DAY), ("prod",)), MetricSettings())
    laid_out = document(told_of)
    for text in (terminal(laid_out), markdown(laid_out), page(told_of, laid_out)):
        assert "not enough data" in text
        assert "the week before" not in text
        assert "NaN" not in text
        assert "None" not in text
        assert "DORA 2023" not in text


LITTLE: dict[str, tuple[list[EventValue], str]] = {
    "an empty log": ([], "The log is empty: not enough data"),
    "a log that began later": ([promoted("D1", "d9 12:00")], "after this period: not enough data for any number"),
    "another environment": (
        [promoted("D1", "12:00", env="staging")],
        "in prod, only in staging (see --env): not enough",
    ),
    "a young log": (
        [promoted("D1", "d2 12:00")],
        "The log began on Tue 17 Feb 2026: all numbers are of the time since",
    ),
    "nothing before": (
        [commit("c0", "09:00", env=None), promoted("D1", "d3 12:00")],
        "all numbers are of the time since",
    ),
    "an old log": (
        [commit("c0", DAY_1 - 90 * DAY), rollback("10:00", lane="rehearsal")],
        "not enough data to compare any number with the 7 days before",
    ),
}


@pytest.mark.parametrize(("events", "said"), LITTLE.values(), ids=list(LITTLE))
def test_why_there_is_not_enough_data_is_said(events: list[EventValue], said: str) -> None:
    laid_out = document(review(events, ReviewRequest(last(7 * DAY, DAY_1 + 4 * DAY), ("prod",)), MetricSettings()))
    text = " ".join(terminal(laid_out).split())
    assert said in text
    assert ("the log is empty" in text) == (not events)
    assert "DORA 2023:" not in text


def test_a_share_of_few_is_shown_as_so_many_of_so_many() -> None:
    begin = commit("c0", DAY_1 - 90 * DAY)
    told_of = review(
        [begin, promoted("D1", "12:00")], ReviewRequest(last(7 * DAY, DAY_1 + 4 * DAY), ("prod",)), MetricSettings()
    )
    laid_out = document(told_of)
    for text in (terminal(laid_out), markdown(laid_out), page(told_of, laid_out)):
        assert "0 of 1" in text
        assert "0.0%" not in text.split("The last")[0]


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        ([], "No gate was reported for the commit of the judged deployment"),
        (["tests_passed"], "shop 0 of 1 1 of 1 0 of 1 0 of 1"),
        (["artifact_built", "tests_passed", "security_scanned", "policy_passed"], "1 of 1 judged deployment had every"),
    ],
)
def test_a_service_that_lacks_a_gate_is_named(gates: list[EventTypeName], said: str) -> None:
    events = [*(stage(gate, "c1", "09:00") for gate in gates), promoted("D1", "12:00", sha="c1")]
    laid_out = document(review(events, ReviewRequest(last(7 * DAY, DAY_1 + 4 * DAY), ("prod",)), MetricSettings()))
    text = terminal(laid_out)
    assert said in " ".join(text.split())
    assert ("Services that lack a gate" in text) == (len(gates) == 1)


def test_no_picture_is_drawn_of_nothing() -> None:
    begin = commit("c0", DAY_1 - 90 * DAY)
    drill = rollback("10:00", lane="rehearsal", service="drill")
    told_of = review(
        [begin, promoted("D1", "12:00"), drill],
        ReviewRequest(last(7 * DAY, DAY_1 + 4 * DAY), ("prod",)),
        MetricSettings(),
    )
    titles = re.findall(r"<figcaption><b>([^<]+)</b>", page(told_of, document(told_of)))
    assert titles == ["Change failure rate", "Deployments a week", "shop"]


def test_only_rehearsals() -> None:
    events = [rollback("10:00", env="prod", lane="rehearsal")]
    laid_out = document(review(events, ReviewRequest(last(7 * DAY, DAY_1 + 4 * DAY), ("prod",)), MetricSettings()))
    assert "No deployment was judged" in terminal(laid_out)


def test_the_json_has_every_number_with_its_parts() -> None:
    told_of = company(ASKED["month"])
    value = json.loads(json.dumps(as_json(told_of, refused=3)))
    rate = value["measures"]["change_failure_rate"]
    assert (rate["now"]["hits"], rate["now"]["n"]) == (told_of.total.failed, told_of.total.judged)
    assert rate["now"]["range"][0] < rate["now"]["value"] < rate["now"]["range"][1]
    assert rate["difference"][0] < 0 < rate["difference"][1]
    assert len(value["failed_deployments"]) == told_of.total.failed
    assert len(value["failed_deployments"][0]["commit_sha"]) == 40
    assert value["unknown"]["refused_messages"] == 3
    assert value["settings"]["failure_window"] == 24 * 3600
    assert value["period"]["end"] == "2026-03-31T12:00:00Z"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, text in texts():
        (GOLDEN / name).write_text(text, "utf-8")
