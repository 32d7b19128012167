"""The table: every number with its parts, in eighty columns and twenty-four lines."""

import io

import pytest
from rich.console import Console

from streams.demo.habits import COMPANY
from streams.demo.metrics_summary import MetricsSummary
from streams.demo.table import WIDTH, render
from streams.terminal.durations import length
from tests.unit.streams.demo.test_metrics_summary import NEW, SHOP

URL = "http://127.0.0.1:9464/metrics"
DEAD = {
    "undecodable": 11,
    "unknown_schema": 5,
    "failed_validation": 6,
    "future_timestamp": 5,
    "wrong_key": 5,
    "wrong_partition": 5,
}


def shown(summary: MetricsSummary, news: list[str], *, live: bool) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=WIDTH).print(render(summary, DEAD, URL, news, live=live))
    return out.getvalue().splitlines()


def test_each_rate_stands_over_its_parts() -> None:
    lines = shown(MetricsSummary((SHOP,)), [], live=False)
    [number, parts] = lines[lines.index(next(line for line in lines if line.startswith("shop"))) :][:2]
    assert number.split() == ["shop", "5.0%", "17h", "27m", "2d", "22h", "1h", "01m", "4", "1", "9"]
    assert " ".join(parts.split()) == "3 of 60 n 158 n 6 5 sup 8 ab 2 unattr"


def test_what_has_no_value_is_a_dash() -> None:
    [line] = [line for line in shown(MetricsSummary((NEW,)), [], live=False) if line.startswith("bank")]
    assert line.split() == ["bank", "-", "-", "-", "-", "0", "0", "0"]


def test_refused_messages_are_counted_by_reason() -> None:
    text = " ".join(shown(MetricsSummary((SHOP,)), [], live=False))
    assert "Refused messages 37" in text
    for reason, number in DEAD.items():
        assert f"{reason}:{number}" in text


def test_the_address_of_metrics_is_on_a_line_of_its_own_while_it_answers() -> None:
    assert URL not in " ".join(shown(MetricsSummary((SHOP,)), [], live=False))
    assert shown(MetricsSummary((SHOP,)), [], live=True)[-1] == f"Metrics {URL}   Ctrl-C ends the demo"


def test_the_whole_company_fits_a_terminal_of_eighty_by_twenty_four() -> None:
    news = ["12:00:00  " + "a very long line of news " * 8] * 2
    lines = shown(MetricsSummary((SHOP,) * len(COMPANY)), news, live=True)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m"),
        (3599, "59m"),
        (3600, "1h 00m"),
        (7 * 3600 + 300, "7h 05m"),
        (86400, "1d 0h"),
        (13 * 86400 + 15 * 3600 + 59 * 60, "13d 15h"),
    ],
)
def test_a_length_is_said_in_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert length(seconds) == text
