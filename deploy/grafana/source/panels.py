"""Panels with the house's habits: a title, a description, a unit, colours that say something, and no surprise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, statetimeline, table, text, timeseries
from grafana_foundation_sdk.models import common, units
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode
from grafana_foundation_sdk.models.text import TextMode

from . import style
from .style import SOURCE, Steps


@dataclass(frozen=True, slots=True)
class Query:
    """One expression. `count`: a whole number, whatever the panel's unit. `right`: bars against the right axis.

    `dashed`: a line of a second kind beside those of the first.
    """

    expr: str
    name: str = ""
    count: bool = False
    steps: Steps | None = None
    color: str | None = None
    right: bool = False
    dashed: bool = False
    step: str | None = None
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, made by an expression."""

    name: str
    expr: str
    unit: str = units.Short
    steps: Steps | None = None
    below: str = style.PLAIN
    decimals: int | None = None


_REFS: Final = ascii_uppercase
NOTHING: Final = "none"
"""What a number shows that has no value."""


def _targets(queries: Sequence[Query], kind: PromQueryFormat, *, instant: bool = False) -> list[prometheus.Dataquery]:
    targets = []
    for ref, query in zip(_REFS, queries, strict=False):
        target = prometheus.Dataquery().datasource(SOURCE).ref_id(ref).expr(query.expr).format(kind)
        target = target.legend_format(query.name or "__auto").editor_mode(QueryEditorMode.CODE)
        target = target.instant() if instant else target.range()
        if query.step is not None:
            target = target.interval(query.step)
        if query.exemplars:
            target = target.exemplar(True)
        targets.append(target)
    return targets


def _fixed(color: str) -> DynamicConfigValue:
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})


def _own(query: Query) -> list[DynamicConfigValue]:
    """What a query has of its own."""
    own = []
    if query.count:
        own.append(DynamicConfigValue(id_val="unit", value=units.Short))
        own.append(DynamicConfigValue(id_val="decimals", value=0))
    if query.count or query.steps is not None:
        own.append(DynamicConfigValue(id_val="thresholds", value=style.thresholds(query.steps or ()).build()))
    if query.color is not None:
        own.append(_fixed(query.color))
    if query.dashed:
        own.append(DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 6]}))
    if query.right:
        bars = {"drawStyle": "bars", "fillOpacity": 18, "lineWidth": 0, "axisPlacement": "right", "axisLabel": "n"}
        own += [DynamicConfigValue(id_val=f"custom.{name}", value=value) for name, value in bars.items()]
        own.append(_fixed(style.GREY))
    return own


def number(
    title: str,
    description: str,
    *queries: Query,
    unit: str = units.Short,
    steps: Steps = (),
    below: str = style.PLAIN,
    decimals: int | None = None,
    nothing: str = NOTHING,
) -> stat.Panel:
    """One number, or a few side by side, as of the end of the time range."""
    several = len(queries) > 1
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .targets(list(_targets(queries, PromQueryFormat.TIME_SERIES, instant=True)))
        .unit(unit)
        .thresholds(style.thresholds(steps, below))
        .color_scheme(style.by_threshold())
        .no_value(nothing)
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME if several else common.BigValueTextMode.VALUE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .span(6)
        .height(4)
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    for query in queries:
        if own := _own(query):
            panel = panel.override_by_name(query.name, own)
    return panel


def trend(
    title: str,
    description: str,
    *queries: Query,
    unit: str = units.Short,
    steps: Steps = (),
    calcs: Sequence[str] = (),
) -> timeseries.Panel:
    """Lines over time; thresholds are drawn as lines too."""
    drawn = common.GraphThresholdsStyleMode.DASHED if steps else common.GraphThresholdsStyleMode.OFF
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .targets(list(_targets(queries, PromQueryFormat.TIME_SERIES)))
        .unit(unit)
        .min(0)
        .thresholds(style.thresholds(steps, "transparent"))
        .thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(drawn))
        .color_scheme(style.by_name())
        .line_width(2)
        .fill_opacity(0)
        .show_points(common.VisibilityMode.NEVER)
        .legend(style.legend(*calcs))
        .tooltip(style.tooltip())
        .span(12)
        .height(8)
    )
    for ref, query in zip(_REFS, queries, strict=False):
        if own := _own(query):
            panel = panel.override_by_query(ref, own)
    return panel


def bars(title: str, description: str, *queries: Query, unit: str = units.Short) -> timeseries.Panel:
    """Bars over time, stacked: what happened in each stretch of it."""
    stacking = common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
    panel = trend(title, description, *queries, unit=unit, calcs=("sum",))
    return panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(70).line_width(0).stacking(stacking).decimals(0)


def dots(title: str, description: str, *queries: Query, unit: str) -> timeseries.Panel:
    """A dot for each thing that happened."""
    panel = trend(title, description, *queries, unit=unit, calcs=("count", "mean", "max"))
    return panel.draw_style(common.GraphDrawStyle.POINTS).point_size(8).show_points(common.VisibilityMode.ALWAYS)


def heat(title: str, description: str, query: Query, unit: str) -> heatmap.Panel:
    """How many fell into each bucket of a histogram, over time."""
    colors = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Cividis").steps(32)
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .targets(list(_targets([query], PromQueryFormat.HEATMAP)))
        .calculate(False)
        .color(colors.scale(HeatmapColorScale.EXPONENTIAL).exponent(0.5))
        .y_axis(heatmap.YAxisConfig().unit(unit).decimals(0))
        .unit(units.Short)
        .thresholds(style.thresholds(()))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .exemplars_color(style.RED)
        .hide_from(common_builders.HideSeriesConfig().viz(False).legend(False).tooltip(False))
        .show_legend()
        .span(12)
        .height(9)
    )


def states(title: str, description: str, query: Query, named: Mapping[int, tuple[str, str]]) -> statetimeline.Panel:
    """What state each series was in; `named` gives a number its text and colour."""
    results = {
        str(value): ValueMappingResult(text=words, color=color, index=index)
        for index, (value, (words, color)) in enumerate(named.items())
    }
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .targets(list(_targets([query], PromQueryFormat.TIME_SERIES)))
        .unit(units.NoUnit)
        .mappings([ValueMap(options=results)])
        .thresholds(style.thresholds((), style.GREY))
        .color_scheme(style.by_threshold())
        .merge_values(True)
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.8)
        .fill_opacity(80)
        .legend(style.legend())
        .span(24)
        .height(7)
    )


def rows(
    title: str,
    description: str,
    labels: Mapping[str, str],
    *columns: Column,
    link: str | None = None,
) -> table.Panel:
    """A table with a line for each value of `labels` (label: heading) as of the end of the time range.

    Every expression keeps exactly these labels; the lines of the columns are joined by them. `link` is where the
    first label leads.
    """
    queries = [Query(column.expr, column.name) for column in columns]
    values = ["Value"] if len(columns) == 1 else [f"Value #{ref}" for ref, _ in zip(_REFS, columns, strict=False)]
    renamed = {**labels, **dict(zip(values, (column.name for column in columns), strict=True))}
    order = {name: index for index, name in enumerate(renamed)}
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .targets(list(_targets(queries, PromQueryFormat.TABLE, instant=True)))
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                id_val="organize",
                options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed},
            )
        )
        .unit(units.Short)
        .thresholds(style.thresholds(()))
        .color_scheme(style.by_threshold())
        .no_value("-")
        .filterable(False)
        .show_header(True)
        .span(24)
        .height(8)
    )
    for column in columns:
        panel = panel.override_by_name(column.name, _column(column))
    if link is not None:
        shown = [DynamicConfigValue(id_val="links", value=[{"title": "Open", "url": link}])]
        panel = panel.override_by_name(next(iter(labels.values())), shown)
    return panel


def _column(column: Column) -> list[DynamicConfigValue]:
    values = [DynamicConfigValue(id_val="unit", value=column.unit)]
    if column.decimals is not None:
        values.append(DynamicConfigValue(id_val="decimals", value=column.decimals))
    if column.steps is not None:
        colors = style.thresholds(column.steps, column.below).build()
        values.append(DynamicConfigValue(id_val="thresholds", value=colors))
        values.append(DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}))
    return values


def words(title: str, content: str, height: int = 4, width: int = 24) -> text.Panel:
    """A few words on what is shown."""
    return (
        text.Panel()
        .title(title)
        .description("What is shown here, in words.")
        .mode(TextMode.MARKDOWN)
        .content(content)
        .span(width)
        .height(height)
    )
