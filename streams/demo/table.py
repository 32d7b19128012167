"""Render the table of the demo for a terminal of eighty columns: each value with its parts below it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.demo.metrics_summary import WINDOW, MetricsSummary, ServiceSummary
from streams.terminal.durations import NO_VALUE, length

WIDTH: Final = 80
_DIM: Final = "bright_black"
_COLUMNS: Final = (
    ("\nservice", 13),
    ("change\nfailures", 9),
    ("lead time\np50", 9),
    ("\np90", 7),
    ("time to\nrestore", 7),
    ("not yet\njudged", 11),
    ("failing\nnow", 7),
    ("open\nincidents", 9),
)
_READING: Final = (
    "A release is judged 24 h after it finished; n: so many changes, or incidents.\n"
    "sup, ab: superseded, abandoned, in no rate. unattr: incidents put on no release."
)


def render(
    summary: MetricsSummary,
    dead_letters: Mapping[str, int],
    metrics_url: str,
    news: Sequence[str] = (),
    *,
    live: bool = False,
) -> RenderableType:
    """Render everything the demo shows. `news` are the latest events, newest last.

    `live`: the demo continues, so the address of the metrics is shown.
    """
    parts: list[RenderableType] = [_title(), _table(summary), _refused(dead_letters)]
    parts += [Text(line, _DIM, no_wrap=True, overflow="ellipsis") for line in news]
    parts.append(Text(_READING, _DIM))
    if live:
        parts.append(_address(metrics_url))
    return Group(*parts)


def _title() -> Text:
    days = WINDOW.removesuffix("d")
    return Text.assemble(("Production", "bold"), f", the last {days} days", (", from /metrics", _DIM))


def _table(summary: MetricsSummary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False, collapse_padding=True)
    for header, width in _COLUMNS:
        table.add_column(header, justify="left" if "service" in header else "right", width=width, no_wrap=True)
    for line in summary.lines:
        table.add_row(*_numbers(line))
        table.add_row(*_parts(line))
    return table


def _numbers(line: ServiceSummary) -> list[Text]:
    return [
        Text(line.service, "bold"),
        Text(NO_VALUE if line.ratio is None else f"{line.ratio:.1%}", "bold cyan"),
        Text(length(line.lead_p50), "bold cyan"),
        Text(length(line.lead_p90), "cyan"),
        Text(length(line.restore_mean), "bold cyan"),
        Text(str(line.pending)),
        _alarm(line.failing),
        _alarm(line.incidents_open),
    ]


def _parts(line: ServiceSummary) -> list[Text]:
    never = f"{line.superseded} sup {line.abandoned} ab"
    parts = ("", f"{line.failed} of {line.judged}", f"n {line.lead_count}", "", f"n {line.restore_count}", never, "")
    return [Text(part, _DIM) for part in (*parts, f"{line.unattributed} unattr")]


def _alarm(number: int) -> Text:
    return Text(str(number), "bold red" if number else _DIM)


def _refused(dead_letters: Mapping[str, int]) -> Text:
    reasons = " ".join(f"{reason}:{number}" for reason, number in sorted(dead_letters.items()))
    total = sum(dead_letters.values())
    return Text.assemble(("Refused messages ", "bold"), f"{total}", (f" ({reasons})" if reasons else "", _DIM))


def _address(url: str) -> Text:
    return Text.assemble(("Metrics ", "bold"), (url, "underline"), ("   Ctrl-C ends the demo", _DIM))
