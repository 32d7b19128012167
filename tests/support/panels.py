"""Compares what a real Prometheus answers to the dashboards' questions with what is expected."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from schemas.values import DAY, HOUR, SECOND, Micros
from tests.support.company_history import END
from tests.support.dashboards import CHOSEN, Board, Question, since, substituted
from tests.support.expected.asked import Between, Expectation, Line, Values, View
from tests.support.servers.prometheus import Prometheus


class Sampling(NamedTuple):
    """At how many points the graphs of a dashboard are compared: the last of each `step`, over all that it shows.

    `over` is how far rates look back there. The fixture has a sample every hour, so it is four hours at least.
    """

    step: Micros
    over: Micros


DAILY: Final = Sampling(DAY, DAY)
SAMPLED: Final[Mapping[str, Sampling]] = {
    "candora-overview": DAILY,
    "candora-service": DAILY,
    "candora-gates": DAILY,
    "candora-canary": Sampling(HOUR, 4 * HOUR),
    "candora-pipeline": Sampling(4 * HOUR, 4 * HOUR),
}
SCRAPES: Final[Micros] = 30 * SECOND
"""Grafana makes `$__rate_interval` longer than the distance of points by this, so that no rise falls between two."""
OF_A_SCRAPE: Final = frozenset({"__name__", "job", "instance"})
CHOSEN_ONE: Final = frozenset({"env", "window"})
"""Labels of which one value is chosen at the top, and which a bare metric therefore may show."""

Found = dict[Line, float]
Rewrite = Callable[[str], str]


def differences(
    server: Prometheus,
    board: Board,
    question: Question,
    expected: Expectation,
    services: tuple[str, ...],
    rewrite: Rewrite = str,
) -> Iterator[str]:
    """Where the answer is not what is expected: of the dashboard as it opens, of the last moment and the time before.

    `rewrite` changes the expression that is asked.
    """
    sampling, points = SAMPLED[question.board], points_of(board, question)
    chosen = {**CHOSEN, "service": "|".join(services)}
    expr = rewrite(substituted(question.expr, (sampling.over + SCRAPES) // SECOND, chosen))
    if points == 1:
        answers = {END: answer(server, expr, expected.by)}
    else:
        answers = _over_time(server, expr, expected.by, sampling, points)
    for number in reversed(range(points)):
        at = END - number * sampling.step
        wanted = expected.read(View(at, sampling.over, services))
        for problem in compared(answers.get(at, {}), wanted, expected.near):
            yield f"{question.place} of {chosen['service']}, {number} points before the last: {problem}"


def points_of(board: Board, question: Question) -> int:
    """At how many points an answer is compared, the last of which is the end."""
    return 1 if question.at_once else since(board) * SECOND // SAMPLED[question.board].step


def is_of_something(board: Board, question: Question, expected: Expectation, services: tuple[str, ...]) -> bool:
    """Whether anything but zeros is expected at any point."""
    step, over = SAMPLED[question.board]
    views = (View(END - number * step, over, services) for number in range(points_of(board, question)))
    return any(value not in {None, 0, Between(0, 0)} for view in views for value in expected.read(view).values())


def answer(server: Prometheus, expr: str, by: Line) -> Found:
    """What Prometheus says at the end, by the labels that its lines are told by."""
    found: Found = {}
    for sample in server.query(expr, at=END / SECOND):
        _add(found, sample.labels, sample.value, by)
    return found


def _over_time(server: Prometheus, expr: str, by: Line, sampling: Sampling, points: int) -> dict[Micros, Found]:
    found: dict[Micros, Found] = {}
    begin = END - (points - 1) * sampling.step
    for series in server.query_range(expr, begin / SECOND, END / SECOND, sampling.step / SECOND):
        for at, value in series.points:
            _add(found.setdefault(round(at * SECOND), {}), series.labels, value, by)
    return found


def _add(found: Found, labels: Mapping[str, str], value: float, by: Line) -> None:
    told = labels.keys() - OF_A_SCRAPE
    assert told - CHOSEN_ONE <= set(by) <= told, f"labels {sorted(told)} instead of {by}"
    line = tuple(_bound(labels[name]) if name == "le" else labels[name] for name in by)
    assert line not in found, f"{line} stands there twice"
    if not math.isnan(value):  # a quantile of nothing: a gap
        found[line] = value


def _bound(text: str) -> str:
    """The edge of a bucket, however it is written."""
    return f"{float(text):g}"


def compared(found: Found, wanted: Values, near: float) -> Iterator[str]:
    """Every line that is not what is wanted, missing or too many."""
    values = {line: value for line, value in wanted.items() if value is not None}
    for line in sorted(found.keys() | values.keys()):
        if line not in values:
            yield f"{line} should not be there and is {found[line]}"
        elif line not in found:
            yield f"{line} should be {values[line]} and is not there"
        elif not _same(found[line], values[line], near):
            yield f"{line} should be {values[line]} and is {found[line]}"


def _same(found: float, wanted: float | Between, near: float) -> bool:
    if isinstance(wanted, Between):
        return wanted.low <= found <= wanted.high
    return math.isclose(found, wanted, rel_tol=near, abs_tol=1e-9)
