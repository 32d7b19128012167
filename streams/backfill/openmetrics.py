"""OpenMetrics text as `promtool tsdb create-blocks-from openmetrics` reads it: families whole, series by time."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final

from prometheus_client.utils import floatToGoString

from schemas.values import SECOND, Micros
from streams.backfill.series import SeriesHistory, SeriesName, sampled
from streams.exporter.metrics import INCIDENT_RESOLUTION, MetricSpec

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def write(history: SeriesHistory, grid: range, target: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the file, a chunk for each series, from the first moment of the grid to a step after its last.

    `target` are the labels that a scrape adds, `job` and `instance`: with others than the scraped series have, the
    backfilled ones would be counted beside them.
    """
    times = {at: _time(at) for at in grid}
    for metric, series in history.series():
        if series:
            yield from _head(metric)
        for name, changes in series.items():
            text = _series(name, target)
            yield "".join(f"{text} {_number(value)} {times[at]}\n" for at, value in sampled(changes, grid))
    yield from _head(INCIDENT_RESOLUTION)
    for line, samples in groupby(sorted(history.incidents(grid[0], grid[-1] + grid.step)), key=lambda one: one[0]):
        text = _series(SeriesName(INCIDENT_RESOLUTION.name, tuple(line._asdict().items())), target)
        yield "".join(f"{text} {_number(sample.seconds)} {sample.at / 1000:.3f}\n" for _, sample in samples)
    yield "# EOF\n"


def _head(metric: MetricSpec) -> Iterable[str]:
    # To promtool an info is a gauge whose name ends so.
    family = metric.family if metric.kind != "info" else metric.name
    kind = metric.kind.value if metric.kind != "info" else "gauge"
    return f"# HELP {family} {metric.help}\n", f"# TYPE {family} {kind}\n"


def _series(name: SeriesName, target: Mapping[str, str]) -> str:
    labels = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in (*name.labels, *target.items()))
    return f"{name.sample}{{{labels}}}"


def _number(value: float) -> str:
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
    return text


def _time(at: Micros) -> str:
    return f"{at / SECOND:.3f}"
