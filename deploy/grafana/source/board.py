"""A dashboard: its variables, links and marks, and the rows of panels below them."""

import json
from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from typing_extensions import override

from .queries import rise
from .style import BLUE, GREY, RED, SERVING_URL, SOURCE, TAG

_MARK_STEP: Final = "60s"
Panels = list[Builder[dashboard.Panel]]
Row = tuple[str, Panels]
"""A heading, or none, and the panels under it."""


class Mark(dashboard.AnnotationQuery):
    """An annotation of the Prometheus data source, which has fields that the SDK does not know."""

    def __init__(self, name: str, expr: str, color: str, text: str, *, shown: bool = True) -> None:
        super().__init__(name=name, datasource=SOURCE, enable=shown, hide=False, icon_color=color, expr=expr)
        self.text = text

    @override
    def to_json(self) -> dict[str, object]:
        """With what a mark says, and its query twice: newer Grafanas read it from `target`, older ones beside it."""
        query = {"refId": "Anno", "expr": self.expr, "interval": _MARK_STEP}
        says = {"titleFormat": self.name, "textFormat": self.text, "tagKeys": "service"}
        return {**super().to_json(), **says, "step": _MARK_STEP, "target": query}


class _Made(Builder[dashboard.AnnotationQuery]):
    def __init__(self, mark: Mark) -> None:
        self._mark = mark

    @override
    def build(self) -> dashboard.AnnotationQuery:
        return self._mark


def marks() -> list[Mark]:
    """Deployments as vertical lines. Every point that is returned is a line, so they are those above 0."""
    live = rise("lead_time_seconds_count", by="service")
    bare = rise("delivery_deployments_without_commits_total", by="service")
    failed = rise("delivery_deployment_failures_total", by="service, reason")
    return [
        Mark("Went live", f"({live} + {bare}) > 0", BLUE, "{{service}}: promoted to 100 % a quarter of an hour before"),
        Mark("Failed", f"{failed} > 0", RED, "{{service}}: {{reason}}"),
        Mark(
            "Judged",
            f"{rise('deployments_total', by='service')} > 0",
            GREY,
            "{{service}}: the verdict was due, a day after the deployment had finished",
            shown=False,
        ),
    ]


def board(
    uid: str,
    title: str,
    description: str,
    rows: Sequence[Row],
    *,
    variables: Sequence[Builder[dashboard.VariableModel]],
    since: str,
    refresh: str,
    marked: bool = False,
) -> builders.Dashboard:
    """The dashboard, with its panels numbered in reading order."""
    made = (
        builders.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time(since, "now")
        .refresh(refresh)
        .timezone("browser")
        .annotations([_Made(mark) for mark in marks()] if marked else [])
        .link(_others())
        .link(_runbooks())
    )
    for variable in (_datasource(), *variables):
        made = made.with_variable(variable)
    for heading, panels in rows:
        if heading:
            made = made.with_row(builders.Row(heading))
        for panel in panels:
            made = made.with_panel(panel)
    for number, placed in enumerate(made.build().panels or [], start=1):
        placed.id_val = number
    return made


def as_json(made: dashboard.Dashboard) -> str:
    """The file for Grafana."""
    return json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _others() -> builders.DashboardLink:
    link = builders.DashboardLink("candora").type(DashboardLinkType.DASHBOARDS).tags([TAG]).icon("external link")
    return link.as_dropdown(False).include_vars(True).keep_time(False)


def _runbooks() -> builders.DashboardLink:
    link = builders.DashboardLink("Runbooks").type(DashboardLinkType.LINK).url(f"{SERVING_URL}/runbooks")
    return link.icon("doc").tooltip("What to do about each alert").target_blank(True)


def _datasource() -> builders.DatasourceVariable:
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _query(name: str, label: str, query: str) -> builders.QueryVariable:
    variable = builders.QueryVariable(name).label(label).query(query).datasource(SOURCE)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)


def env() -> builders.QueryVariable:
    """The environment, one: numbers of two say nothing together."""
    chosen = VariableOption(selected=True, text="prod", value="prod")
    return _query("env", "Environment", "label_values(deployments_total, env)").current(chosen)


def service(*, scoped: bool = True) -> builders.QueryVariable:
    """The services, several or all: of the chosen environment, or of any."""
    chosen = VariableOption(selected=True, text=["All"], value=["$__all"])
    matchers = '{env="$env"}' if scoped else ""
    variable = _query("service", "Service", f"label_values(deployments_total{matchers}, service)").current(chosen)
    return variable.multi(True).include_all(True).all_value(".+")


def window() -> builders.QueryVariable:
    """The length that rates are over, of those that the workers are told to keep."""
    chosen = VariableOption(selected=True, text="30d", value="30d")
    variable = _query("window", "Window", "label_values(delivery_deployments_judged, window)").current(chosen)
    return variable.sort(VariableSort.NATURAL_ASC)


def app() -> builders.QueryVariable:
    """The application whose requests a canary is judged by."""
    return _query("app", "Application", "label_values(app:http_requests_error:ratio_rate5m, app)")
