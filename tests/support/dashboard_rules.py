"""What every dashboard must keep to. Each rule gives the places at which one is broken."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import promql_parser
from grafana_foundation_sdk.models import units

from streams.exporter.metrics import METRICS, MetricKind
from tests.support.dashboards import Board, panels, questions, recorded, substituted

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
WITHOUT_QUERIES: Final = {"row", "text"}
UNITS: Final = {value for name, value in vars(units).items() if not name.startswith("_") and isinstance(value, str)}
PALETTE: Final = {"#0072B2", "#56B4E9", "#009E73", "#F0E442", "#E69F00", "#D55E00", "#CC79A7", "#999999"}
"""Okabe and Ito's."""
PLAIN: Final = {"text", "transparent"}
RISING: Final = {"rate", "increase"}
FIXED_RANGES: Final = {"7d", "24h", "1d"}
"""Lengths that a panel's title or description promises; all others follow the window or the distance of points."""
COUNTED_SERIES: Final = {'count by (service) (deployments_total{service=~"$service"})'}
"""Asks which services there are, not how often they were deployed."""
OTHERS: Final = {"http_requests_total", "prometheus_target_scrapes_sample_out_of_bounds_total"}
"""Metrics that are not ours."""

Rule = Callable[[Board], Iterator[str]]


def one_datasource(board: Board) -> Iterator[str]:
    """The data source is chosen at one place."""
    chosen = [each["name"] for each in board["templating"]["list"] if each["type"] == "datasource"]
    if chosen != ["datasource"]:
        yield f"variables {chosen}"
    for panel in panels(board):
        if panel["type"] not in WITHOUT_QUERIES:
            for each in (panel, *panel["targets"]):
                if each.get("datasource") != SOURCE:
                    yield panel["title"]
    for each in (*board["annotations"]["list"], *board["templating"]["list"]):
        if each.get("type") != "datasource" and each["datasource"] != SOURCE:
            yield str(each["name"])


def explained(board: Board) -> Iterator[str]:
    """Every panel says what it is."""
    if not board.get("description"):
        yield "the dashboard"
    for panel in panels(board):
        if not panel.get("title") or (panel["type"] != "row" and not panel.get("description", "").endswith(".")):
            yield str(panel.get("title") or panel["id"])


def valid_units(board: Board) -> Iterator[str]:
    """A unit is one of Grafana's, and every panel with numbers has one."""
    for panel in panels(board):
        if panel["type"] in WITHOUT_QUERIES:
            continue
        field = panel["fieldConfig"]
        own = [each["value"] for one in field["overrides"] for each in one["properties"] if each["id"] == "unit"]
        if not {field["defaults"].get("unit"), *own} <= UNITS:
            yield str(panel["title"])


def parsed(board: Board) -> Iterator[str]:
    """Prometheus would understand every expression."""
    for question in questions(board):
        try:
            promql_parser.parse(substituted(question.expr))
        except ValueError as error:
            yield f"{question.place}: {error}"


def counters_rise(board: Board) -> Iterator[str]:
    """What a counter is says nothing; by how much it rose does."""
    for question in questions(board):
        expr = question.expr
        for exception in COUNTED_SERIES:
            expr = expr.replace(exception, "vector(0)")
        if question.place.startswith("variable "):
            continue
        for name, functions in _selected(promql_parser.parse(_in_place(expr)), ()):
            if _counts(name) and not RISING & set(functions):
                yield f"{question.place}: {name}"


def known_names(board: Board) -> Iterator[str]:
    """Every metric is one that somebody exposes."""
    for question in questions(board):
        for name, _ in _selected(promql_parser.parse(_in_place(question.expr)), ()):
            ours = name in OURS or name in recorded() or name in OTHERS
            if not ours and not name.startswith("delivery_sidecar_"):
                yield f"{question.place}: {name}"


def ranges_follow(board: Board) -> Iterator[str]:
    """A range fits the distance of the points, or the window that was chosen."""
    for question in questions(board):
        for length in re.findall(r"\[([^\]]+)\]", question.expr):
            if length not in {"$__rate_interval", "$window", *FIXED_RANGES}:
                yield f"{question.place}: [{length}]"


def variables_known(board: Board) -> Iterator[str]:
    """No expression uses a variable that the dashboard has not."""
    known = {each["name"] for each in board["templating"]["list"]} | {"__rate_interval"}
    for question in questions(board):
        unknown = set(re.findall(r"\$\{?(\w+)", question.expr)) - known
        if unknown:
            yield f"{question.place}: {sorted(unknown)}"


def variables_refresh(board: Board) -> Iterator[str]:
    """A new service is there as soon as the time range changes."""
    for each in board["templating"]["list"]:
        if each["type"] == "query" and each["refresh"] != 2:
            yield str(each["name"])


def read_only(board: Board) -> Iterator[str]:
    """Changes belong into the source."""
    if board["editable"]:
        yield "editable"


def unique_ids(board: Board) -> Iterator[str]:
    """No two panels share a number or a title, no two targets of a panel a letter."""
    for name in ("id", "title"):
        given = [panel[name] for panel in panels(board)]
        yield from (f"panel {each}" for each in sorted(set(given)) if given.count(each) > 1)
    for panel in panels(board):
        refs = [target["refId"] for target in panel.get("targets", ())]
        if len(refs) != len(set(refs)):
            yield str(panel["title"])


def placed(board: Board) -> Iterator[str]:
    """Panels lie within the 24 columns, and on none another."""
    taken: dict[tuple[int, int], str] = {}
    for panel in panels(board):
        at = panel["gridPos"]
        if at["x"] + at["w"] > 24 or not at["w"] or not at["h"]:
            yield str(panel["title"])
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            if cell in taken:
                yield f"{panel['title']} on {taken[cell]}"
                break
            taken[cell] = panel["title"]


def filled(board: Board) -> Iterator[str]:
    """No panel is empty by design."""
    for panel in panels(board):
        if panel["type"] == "text" and not panel["options"]["content"].strip():
            yield str(panel["title"])
        if panel["type"] not in WITHOUT_QUERIES and not panel["targets"]:
            yield str(panel["title"])


def safe_colors(board: Board) -> Iterator[str]:
    """Colours that people with any colour vision tell apart; and never Grafana's green below 80 and red above."""
    for panel in panels(board):
        if panel["type"] not in WITHOUT_QUERIES and "thresholds" not in panel["fieldConfig"]["defaults"]:
            yield f"{panel['title']}: no thresholds"
    yield from sorted(set(_colors(board)) - PALETTE - PLAIN)


def marks_are_rare(board: Board) -> Iterator[str]:
    """Every point that an annotation's query returns is a line: only what is above 0 may be one."""
    for mark in board["annotations"]["list"]:
        if not mark["expr"].endswith("> 0") or mark["target"]["expr"] != mark["expr"]:
            yield str(mark["name"])


RULES: Final[tuple[Rule, ...]] = (
    one_datasource,
    explained,
    valid_units,
    parsed,
    counters_rise,
    known_names,
    ranges_follow,
    variables_known,
    variables_refresh,
    read_only,
    unique_ids,
    placed,
    filled,
    safe_colors,
    marks_are_rare,
)
OURS: Final = {name for metric in METRICS for name in metric.series}
_COUNTERS: Final = {
    name for metric in METRICS if metric.kind in {MetricKind.COUNTER, MetricKind.HISTOGRAM} for name in metric.series
}


def _counts(name: str) -> bool:
    return name in _COUNTERS or name.endswith(("_total", "_bucket"))


def _in_place(expr: str) -> str:
    """With a length of time for each macro, so that it can be read; recorded names stay."""
    return re.sub(r"\$(__rate_interval|window)\b", "30d", expr)


def _selected(node: Any, functions: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each metric in an expression, with the functions around it."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name or "", functions
    if isinstance(node, promql_parser.Call):
        functions = (*functions, node.func.name)
    for part in ("lhs", "rhs", "expr", "args", "vector_selector"):
        child = getattr(node, part, None)
        for each in child if isinstance(child, list) else [child]:
            if each is not None and not isinstance(each, str | float | int):
                yield from _selected(each, functions)


def _colors(node: Any) -> Iterator[str]:
    """Every colour that is named anywhere."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in {"color", "fixedColor", "iconColor"} and isinstance(value, str):
                yield value
            else:
                yield from _colors(value)
    elif isinstance(node, list):
        for each in node:
            yield from _colors(each)
