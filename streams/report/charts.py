"""Draw the charts of the HTML page as small SVG images, coloured by the page's CSS variables, without foreign text."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from typing import Any, Final, NamedTuple
from xml.etree.ElementTree import Element, tostring

import matplotlib as mpl
from defusedxml.ElementTree import fromstring
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from schemas.values import HOUR, Micros
from streams.report.figures import Estimate
from streams.report.formatting import last_day, number
from streams.report.measures import CHANGE_FAILURE_RATE, LEAD_TIME, RESTORE, Measure, enough
from streams.report.period_facts import Cohort, ServiceEnv
from streams.report.review import TrendWeek

COLOURS: Final = {
    "ink": "#010101",
    "muted": "#020202",
    "rule": "#030303",
    "accent": "#040404",
    "bad": "#050505",
    "soft": "#060606",
}
"""CSS variables of the page, and the placeholder colours that are drawn in their place."""
BUCKETS: Final[tuple[tuple[str, Micros], ...]] = (
    ("1h", HOUR),
    ("4h", 4 * HOUR),
    ("12h", 12 * HOUR),
    ("1d", 24 * HOUR),
    ("2d", 48 * HOUR),
    ("4d", 96 * HOUR),
    ("7d", 168 * HOUR),
    ("14d", 336 * HOUR),
    ("30d", 720 * HOUR),
)
"""Upper bounds of the lead time histogram; a last bucket takes what is longer."""
_SVG: Final = "{http://www.w3.org/2000/svg}"
_LINK: Final = "{http://www.w3.org/1999/xlink}href"
_FONT: Final = re.compile(r"font(?:-family)?: [^;]*?([0-9.]+px)?[^;]*;?")
_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "candora",
    "text.parse_math": False,
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": COLOURS["rule"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": COLOURS["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": COLOURS["rule"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "ytick.major.size": 0.0,
    "xtick.major.size": 3.0,
    "text.color": COLOURS["muted"],
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


class Chart(NamedTuple):
    """An SVG image with its description in words."""

    key: str
    title: str
    description: str
    svg: str


def trend(weeks: Sequence[TrendWeek]) -> list[Chart]:
    """Draw the four key metrics by week, with ranges where there is enough data; omit any without data."""
    if not weeks:
        return []
    drawn = [
        _rates(weeks),
        _times("lead", "Lead time, median", LEAD_TIME, weeks),
        _times("restore", "Time to restore, mean", RESTORE, weeks),
    ]
    return [*(one for one in drawn if one is not None), _frequency(weeks)]


def _rates(weeks: Sequence[TrendWeek]) -> Chart | None:
    figures = [week.figure(CHANGE_FAILURE_RATE) for week in weeks]

    def draw(axes: Axes) -> None:
        _points(axes, figures, CHANGE_FAILURE_RATE, 100.0)
        axes.set_ylim(0, None)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")
        _dates(axes, weeks)

    description = "Share of judged deployments that failed, with its 95% range. Hollow: fewer than 10."
    return _chart("rate", "Change failure rate", description, figures, CHANGE_FAILURE_RATE, draw)


def _times(key: str, title: str, measure: Measure, weeks: Sequence[TrendWeek]) -> Chart | None:
    figures = [week.figure(measure) for week in weeks]

    def draw(axes: Axes) -> None:
        _points(axes, figures, measure, 1 / 3600)
        axes.set_ylim(0, None)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} h")
        _dates(axes, weeks)

    description = f"Hours, with the 95% range. Hollow: fewer than {measure.least} {measure.counts}."
    return _chart(key, title, description, figures, measure, draw)


def _frequency(weeks: Sequence[TrendWeek]) -> Chart:
    totals = [week.total for week in weeks]

    def draw(axes: Axes) -> None:
        _stacked(axes, totals)
        _dates(axes, weeks)

    lowest, highest = min(one.judged for one in totals), max(one.judged for one in totals)
    description = f"Judged deployments a week, between {lowest} and {highest}; the dark part failed."
    return Chart(
        "frequency", "Deployments a week", description, _svg("frequency", "Deployments a week", description, draw)
    )


def services(
    weeks: Sequence[TrendWeek], places: Iterable[ServiceEnv], names: Callable[[ServiceEnv], str]
) -> list[Chart]:
    """Draw deployments a week per service and environment, failed and not, on a common scale."""
    highest = max((one.judged for week in weeks for one in week.places.values()), default=0)
    charts = []
    for index, place in enumerate(places):
        totals = [week.places.get(place, Cohort()) for week in weeks]

        def draw(axes: Axes, totals: Sequence[Cohort] = totals) -> None:
            _stacked(axes, totals)
            axes.set_ylim(0, max(highest, 1) * 1.08)
            _dates(axes, weeks, sparse=True)

        failed, judged = sum(one.failed for one in totals), sum(one.judged for one in totals)
        description = f"{failed} of {judged} failed in these weeks."
        name = names(place)
        charts.append(
            Chart(f"service-{index}", name, description, _svg(f"service-{index}", name, description, draw, (3.1, 1.35)))
        )
    return charts


def distribution(now: Cohort, before: Cohort) -> Chart | None:
    """Draw the distribution of lead times, as shares, next to that of the previous period."""
    if not now.lead:
        return None
    shares = [[100 * count / max(len(one.lead), 1) for count in bucketed(one)] for one in (now, before)]

    def draw(axes: Axes) -> None:
        places = range(len(shares[0]))
        axes.bar(places, shares[0], width=0.78, color=COLOURS["accent"])
        if before.lead:
            axes.hlines(
                shares[1], [at - 0.39 for at in places], [at + 0.39 for at in places], COLOURS["ink"], linewidth=1.6
            )
        axes.set_xticks(places, [f"≤{name}" for name, _ in BUCKETS] + [f">{BUCKETS[-1][0]}"])
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")
        axes.tick_params("x", length=0)

    description = f"Share of the {len(now.lead)} changes by lead time." + (
        " Lines: the period before." if before.lead else ""
    )
    return Chart("spread", "Lead times", description, _svg("spread", "Lead times", description, draw, (4.6, 2.3)))


def bucketed(cohort: Cohort) -> list[int]:
    """Count the lead times in each bucket."""
    counts = [0] * (len(BUCKETS) + 1)
    for length in cohort.lead:
        counts[next((index for index, (_, end) in enumerate(BUCKETS) if length <= end), len(BUCKETS))] += 1
    return counts


def reasons(now: Mapping[str, int], before: Mapping[str, int]) -> Chart | None:
    """Draw failures by reason, next to the previous period."""
    named = sorted({*now, *before})
    if not named:
        return None

    def draw(axes: Axes) -> None:
        places = range(len(named))
        bars = axes.barh(places, [now.get(one, 0) for one in named], height=0.6, color=COLOURS["bad"])
        axes.bar_label(bars, padding=4, color=COLOURS["ink"])
        earlier = [before.get(one, 0) for one in named]
        if before:
            axes.vlines(
                earlier, [at - 0.3 for at in places], [at + 0.3 for at in places], COLOURS["ink"], linewidth=1.6
            )
        axes.set_yticks(places, [one.replace("_", " ") for one in named])
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.set_xlim(0, max(*now.values(), *earlier, 1) * 1.12)

    description = f"{sum(now.values())} failed, by what came first." + (" Lines: the period before." if before else "")
    return Chart(
        "reasons", "Why deployments failed", description, _svg("reasons", "Why deployments failed", description, draw)
    )


def _points(axes: Axes, figures: Sequence[Estimate], measure: Measure, scale: float) -> None:
    """Plot a line through all values, with a range and a filled point where there is enough data, else a hollow one."""
    values = [(at, one.value * scale) for at, one in enumerate(figures) if one.value is not None]
    axes.plot([at for at, _ in values], [value for _, value in values], color=COLOURS["accent"], linewidth=1.2)
    for at, value in values:
        full = enough(measure, figures[at])
        interval = figures[at].interval() if full else None
        if interval is not None:
            axes.vlines(at, interval.low * scale, interval.high * scale, COLOURS["soft"], linewidth=5)
        face = COLOURS["accent"] if full else "none"
        axes.plot([at], [value], "o", markersize=4.5, color=COLOURS["accent"], markerfacecolor=face, zorder=3)


def _stacked(axes: Axes, totals: Sequence[Cohort]) -> None:
    places, failed = range(len(totals)), [one.failed for one in totals]
    axes.bar(places, failed, width=0.72, color=COLOURS["bad"])
    axes.bar(places, [one.judged - one.failed for one in totals], 0.72, failed, color=COLOURS["soft"])
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def _dates(axes: Axes, weeks: Sequence[TrendWeek], *, sparse: bool = False) -> None:
    """Label some of the weeks' ends, always including the last."""
    last = len(weeks) - 1
    step = max(1, -(-len(weeks) // (2 if sparse else 4)))
    shown = sorted(range(last, -1, -step))
    axes.set_xticks(shown, [last_day(weeks[at].end) for at in shown])
    axes.set_xlim(-0.6, last + 0.6)


def _chart(
    key: str, title: str, description: str, figures: Sequence[Estimate], measure: Measure, draw: Callable[[Axes], None]
) -> Chart | None:
    values = [one.value for one in figures if one.value is not None]
    if not values:
        return None
    span = f" Between {number(measure.unit, min(values))} and {number(measure.unit, max(values))}."
    return Chart(key, title, description, _svg(key, title, description + span, draw))


def _svg(
    key: str, title: str, description: str, draw: Callable[[Axes], None], size: tuple[float, float] = (4.6, 2.1)
) -> str:
    """Draw a chart and return it as an inline SVG element with an accessible title and description."""
    with mpl.rc_context(_SETTINGS):
        drawing = Drawing(figsize=size, layout="constrained")
        draw(drawing.add_subplot())
        file = StringIO()
        drawing.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _inline(fromstring(file.getvalue()), key, title, description)


def _inline(root: Element, key: str, title: str, description: str) -> str:
    for size in ("width", "height"):
        del root.attrib[size]
    for defs in [one for one in root if one.find(f"{_SVG}style") is not None]:
        root.remove(defs)  # its styles would apply to the whole page
    names = {value: f"{key}-{index}" for index, value in enumerate(_referenced_ids(root))}
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        if _LINK in element.attrib:
            element.set("href", "#" + names[element.attrib.pop(_LINK)[1:]])
        identifier = element.attrib.pop("id", None)
        if identifier in names:
            element.set("id", names[identifier])
        if "clip-path" in element.attrib:
            element.set("clip-path", f"url(#{names[element.attrib['clip-path'][5:-1]]})")
        if element.tag == "text":
            element.set(
                "style",
                _FONT.sub(lambda match: f"font-size: {match[1]};" if match[1] else "", element.get("style", "")),
            )
    root.attrib.update({"role": "img", "aria-labelledby": f"{key}-title {key}-says"})
    for tag, text in (("desc", description), ("title", title)):
        node = Element(tag, id=f"{key}-{'says' if tag == 'desc' else 'title'}")
        node.text = text
        root.insert(0, node)
    text = tostring(root, encoding="unicode")
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return text


def _referenced_ids(root: Element) -> list[str]:
    """Return the ids that are referenced within the image."""
    links = [element.attrib[_LINK][1:] for element in root.iter() if _LINK in element.attrib]
    clips = [element.attrib["clip-path"][5:-1] for element in root.iter() if "clip-path" in element.attrib]
    return list(dict.fromkeys([*links, *clips]))
