"""The dashboards of deploy/grafana as data: their panels, and all that they ask of Prometheus."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.tools.mixin import evaluated

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "grafana"
CHOSEN: Final[Mapping[str, str]] = {"env": "prod", "service": ".+", "window": "30d", "app": "myapp", "datasource": "x"}
"""What each variable is, if a dashboard is opened as it is."""
_LABEL_VALUES: Final = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")
_DURATION: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

Board = dict[str, Any]


class Question(NamedTuple):
    """One expression of a dashboard. `step` is the least, in seconds; `at_once` wants one moment, not a stretch."""

    board: str
    place: str
    expr: str
    step: int
    at_once: bool


@cache
def _written() -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((FOLDER / "dashboards").glob("*.json"))}


def boards() -> dict[str, Board]:
    """The dashboards by uid, as they are committed; each call gives new ones, to be spoiled at will."""
    return {uid: json.loads(text) for uid, text in _written().items()}


def board(uid: str) -> Board:
    """One of them."""
    return copy.deepcopy(boards()[uid])


def panels(node: Board) -> Iterator[Board]:
    """Every panel, those in rows too."""
    for panel in node.get("panels", ()):
        yield panel
        yield from panels(panel)


def questions(one: Board) -> Iterator[Question]:
    """What its panels, marks and variables ask."""
    uid = one["uid"]
    for panel in panels(one):
        for target in panel.get("targets", ()):
            place = f"{panel['title']} {target['refId']}"
            step = seconds(target.get("interval", "0s"))
            yield Question(uid, place, target["expr"], step, at_once=bool(target["instant"]))
    for mark in one.get("annotations", {}).get("list", ()):
        yield Question(uid, f"mark {mark['name']}", mark["expr"], seconds(mark["step"]), at_once=False)
    for variable in one["templating"]["list"]:
        if variable["type"] == "query":
            yield Question(uid, f"variable {variable['name']}", _as_promql(variable["query"]), 0, at_once=True)


def _as_promql(query: str) -> str:
    """What lists the values of a label: Grafana asks another address, which knows no expressions."""
    match = _LABEL_VALUES.fullmatch(query)
    assert match is not None, f"{query!r} is not label_values(SELECTOR, LABEL)"
    return f"count by ({match['label']}) ({match['selector']})"


def seconds(text: str) -> int:
    """A length of time as Grafana and Prometheus write it."""
    match = _DURATION.fullmatch(text)
    assert match is not None, f"{text!r} is no length of time"
    return int(match[1]) * _SECONDS[match[2]]


def since(one: Board) -> int:
    """How many seconds the dashboard shows when it is opened."""
    return seconds(one["time"]["from"].removeprefix("now-"))


def substituted(expr: str, rate_interval: int = 4 * 3600, chosen: Mapping[str, str] = CHOSEN) -> str:
    """The expression as Grafana would send it, with the names of recording rules written out."""
    for name, value in {**chosen, "__rate_interval": f"{rate_interval}s"}.items():
        expr = re.sub(rf"\$(?:{name}\b|{{{name}}})", value, expr)
    assert "$" not in expr, f"{expr}: what Grafana would put there is not known"
    return written_out(expr)


def written_out(expr: str) -> str:
    """With the expressions of recording rules in the place of their names, also of those that other rules read."""
    written = expr
    for record, rule in recorded().items():
        written = re.sub(rf"(?<![\w:]){re.escape(record)}(?:{{[^}}]*}})?", f"({rule})".replace("\\", r"\\"), written)
    return written if written == expr else written_out(written)


@cache
def recorded() -> dict[str, str]:
    """The expression of each recording rule, with the rule's own labels on what it gives."""
    rules = (rule for group in evaluated("prometheusRules")["groups"] for rule in group["rules"])
    return {rule["record"]: _labelled(rule["expr"], rule.get("labels", {})) for rule in rules}


def _labelled(expr: str, labels: Mapping[str, str]) -> str:
    for name, value in labels.items():
        expr = f'label_replace({expr}, "{name}", "{value}", "", "")'
    return expr
