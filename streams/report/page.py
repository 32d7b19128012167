"""Render a review as one self-contained HTML page: no scripts, fonts or external requests."""

from collections.abc import Iterable
from importlib.resources import files
from typing import Final, NamedTuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from streams.report import charts
from streams.report.blocks import ReportDocument, ReportSection, ReportTable, TableCell, TableColumn
from streams.report.charts import BUCKETS, Chart, bucketed
from streams.report.formatting import last_day, name_of, number
from streams.report.layout import comparison
from streams.report.measures import CHANGE_FAILURE_RATE, FREQUENCY, LEAD_TIME, RESTORE, enough
from streams.report.period_facts import Cohort
from streams.report.review import Review

_KEYS: Final = (CHANGE_FAILURE_RATE, LEAD_TIME, RESTORE, FREQUENCY)
_MAX_SERVICES: Final = 12
"""Maximum number of small charts; the services with most deployments are shown."""


class ChartWithTable(NamedTuple):
    """Charts, with a table of the same data."""

    charts: tuple[Chart, ...]
    table: ReportTable | None
    small: bool = False


class PageSection(NamedTuple):
    """A section with its charts."""

    section: ReportSection
    figures: tuple[ChartWithTable, ...]
    tables_first: bool


def page(review: Review, document: ReportDocument) -> str:
    """Render the page."""
    keys = [one for one in review.headline if one.measure in _KEYS] if review.lines else []
    template = _environment().from_string((files("streams.report") / "page.html").read_text("utf-8"))
    return template.render(
        document=document,
        keys=[comparison(one) for one in keys],
        verdicts=[one.verdict.name.lower() for one in keys],
        few=[not enough(one.measure, one.now) for one in keys],
        parts=[PageSection(one, _figures(one, review), one.key == "numbers") for one in document.sections],
    )


def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["drawing"] = _drawing
    return environment


def _drawing(chart: Chart) -> Markup:
    """Mark a chart as safe HTML: it is generated here, with all text escaped."""
    return Markup(chart.svg)  # noqa: S704


def _figures(section: ReportSection, review: Review) -> tuple[ChartWithTable, ...]:
    match section.key:
        case "trend":
            return _figure(charts.trend(review.weeks) if review.eventful else [], None)  # the section has its own table
        case "numbers":
            drawn = charts.distribution(review.total, _compared(review))
            return _figure([drawn] if drawn else [], _spread(review))
        case "services":
            return _services(review)
        case "failures":
            drawn = charts.reasons(dict(review.total.reasons), dict(_compared(review).reasons))
            return _figure([drawn] if drawn else [], _reasons(review))
    return ()


def _figure(drawn: list[Chart], table: ReportTable | None, *, small: bool = False) -> tuple[ChartWithTable, ...]:
    return (ChartWithTable(tuple(drawn), table, small),) if drawn else ()


def _compared(review: Review) -> Cohort:
    """Return the previous period, if the log covers it, else an empty cohort."""
    return review.before if review.covered else Cohort()


def _comparison_table(
    review: Review, name: str, what: str, rows: Iterable[tuple[str, int, int]], whole: int
) -> ReportTable:
    """Build a table of counts and shares, with counts of the previous period if the log covers it."""
    columns = (
        TableColumn(what),
        TableColumn("now", right=True),
        TableColumn("share", right=True),
        TableColumn("before", right=True),
    )
    shown_columns = len(columns) if review.covered else len(columns) - 1
    cells = ((one, str(now), number("share", now / whole if whole else None), str(before)) for one, now, before in rows)
    return ReportTable(
        name, columns[:shown_columns], tuple(tuple(map(TableCell, row[:shown_columns])) for row in cells)
    )


def _spread(review: Review) -> ReportTable:
    names = [f"up to {name}" for name, _ in BUCKETS] + [f"over {BUCKETS[-1][0]}"]
    rows = zip(names, bucketed(review.total), bucketed(_compared(review)), strict=True)
    return _comparison_table(review, "Changes by lead time", "lead time", rows, len(review.total.lead))


def _reasons(review: Review) -> ReportTable:
    now, before = dict(review.total.reasons), dict(_compared(review).reasons)
    rows = ((one.replace("_", " "), now.get(one, 0), before.get(one, 0)) for one in sorted({*now, *before}))
    return _comparison_table(review, "Failures by reason", "what came first", rows, review.total.failed)


def _services(review: Review) -> tuple[ChartWithTable, ...]:
    weeks, envs = review.weeks, review.question.envs
    if not weeks or not review.eventful:
        return ()
    seen = {place for week in weeks for place, cohort in week.places.items() if cohort.judged}
    drawable = (one for one in review.lines if one.place in seen)
    busiest = sorted(drawable, key=lambda one: (-one.cohort.judged, one.place))[:_MAX_SERVICES]
    places = sorted(one.place for one in busiest)
    drawn = charts.services(weeks, places, lambda place: name_of(place, envs))
    columns = (TableColumn("week to"), *(TableColumn(name_of(place, envs), right=True) for place in places))
    rows = []
    for week in weeks:
        cohorts = [week.places.get(place) for place in places]
        cells = (TableCell(f"{one.failed} of {one.judged}" if one else "0 of 0") for one in cohorts)
        rows.append((TableCell(last_day(week.end)), *cells))
    return _figure(drawn, ReportTable("Failed of judged deployments, by week", columns, tuple(rows)), small=True)
