"""Histories as they lie in a partition: in some order, with append times, delays and ticks between them."""

from collections.abc import Sequence

from hypothesis import strategies as st

from schemas.values import DAY, HOUR, MINUTE, SECOND, EventValue, Micros
from tests.property.asking import SETTINGS
from tests.support.histories import LAST, histories
from tests.support.log_replay import Line, Topic
from tests.support.oracle.known import moments

delays: st.SearchStrategy[Micros] = st.sampled_from((0, 0, SECOND, 10 * MINUTE, 20 * MINUTE, 3 * HOUR, 30 * HOUR))
END = LAST + 10 * DAY
"""When everything that a log holds has been judged and observed."""


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    """Each event after it happened, late by little or by much; the append times of a log never fall."""
    lines: list[Line] = []
    now: Micros = 0
    events: Sequence[EventValue] = draw(histories)
    in_order = sorted(((max(moments(event)) + draw(delays), number) for number, event in enumerate(events)))
    for arrival, number in in_order:
        now = max(now, arrival)
        lines.append(Line(events[number], now))
        if draw(st.booleans()):
            now += draw(delays)
            lines.append(Line(None, now))
    return lines


def topic_of(lines: Sequence[Line], until: Micros | None = END) -> Topic:
    """One partition that holds a log, and a last tick; nothing is read yet."""
    topic = Topic(SETTINGS, {line.event["service"] for line in lines if line.event is not None})
    for line in lines:
        topic.append(*line)
    if until is not None:
        topic.append(None, until)
    return topic


def settled(lines: Sequence[Line], batch: int = 1_000) -> Topic:
    """A log that was read to its end, and a tick after whatever links that brought."""
    topic = topic_of(lines)
    topic.settle(batch)
    topic.append(None, END)
    topic.settle(batch)
    return topic
