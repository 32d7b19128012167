"""Closing what is older than the longest window changes no number, wherever a crash falls."""

import random
from dataclasses import replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from schemas.values import DAY, HOUR, MINUTE, EventValue
from streams.core.facts import owner_of
from streams.core.settings import MetricSettings
from tests.property.logs import END, logs
from tests.support.events import promoted
from tests.support.log_replay import Line, Partition
from tests.support.oracle.known import moments

SHORT: Final = MetricSettings(
    failure_window=HOUR,
    lateness=MINUTE,
    canary_timeout=HOUR,
    windows=(HOUR, 2 * HOUR),
    retention_period=2 * HOUR,
)
"""Windows so short that within the days of a history most of it is closed."""

KEPT: Final = replace(SHORT, retention_period=1_000 * DAY)
"""The same numbers, and nothing is ever closed."""

AGE: Final = 2 * HOUR + HOUR + MINUTE + HOUR
"""What is older than this may have been closed."""

seeds = st.integers(0, 2**32)


def names(event: EventValue) -> set[str]:
    """Whatever an event speaks of."""
    commit, canary, rollback = event["commit"], event["canary"], event["rollback"]
    incident = event["incident"]
    cause = incident["cause"] if incident else None
    found = {event["event_id"], event["commit_sha"], event["change_id"], event["deployment_id"], event["incident_id"]}
    found |= {commit["merge_sha"]} if commit else set()
    found |= {*(canary["included_shas"] or ())} if canary else set()
    found |= {rollback["to_sha"]} if rollback else set()
    found |= {cause["deployment_id"], cause["commit_sha"]} if cause else set()
    return {f"{event['service']} {name}" for name in found if name is not None}


def in_time(lines: list[Line]) -> list[Line]:
    """A log in which no event is older than the longest window, nor speaks of anything first heard of before it.

    At its end, when all that is old was closed, something happens everywhere: every number is published once more.
    """
    heard: dict[str, int] = {}
    kept: list[Line] = []
    for event, append_time in lines:
        limit = append_time - AGE
        if event is None or any(heard.setdefault(name, append_time) < limit for name in names(event)):
            kept.append(Line(None, append_time))
        else:
            kept.append(Line(None if min(moments(event)) < limit else event, append_time))
    quiet = [Line(None, END + hours * HOUR) for hours in range(6)]
    places = {(event["service"], event["env"]) for event, _ in kept if event is not None and event["env"] is not None}
    news = [Line(promoted("DX", END, service=service, env=env), END + 6 * HOUR) for service, env in sorted(places)]
    return [*kept, *quiet, *news]


def read(lines: list[Line], settings: MetricSettings) -> tuple[Partition, list[Line]]:
    """A partition that read a log message by message, and the log without what it refused."""
    partition = Partition(0, settings)
    partition.log = lines
    taken: list[Line] = []
    for line in lines:
        refusal = partition.partition_state.read(line.event, line.append_time, partition.position)
        taken.append(line if refusal is None else Line(None, line.append_time))
        partition.position += 1
        partition.collect()
    return partition, taken


def numbers(partition: Partition) -> dict[tuple[str, str], object]:
    """Everything that was published as a number; when it last changed may differ."""
    return {key: (one["counters"], one["state"], one["windows"]) for key, one in partition.published.metrics.items()}


class TestClosing:
    """Records older than the longest window are folded into the totals, then closed."""

    @given(logs())
    def test_no_number_changes(self, lines: list[Line]) -> None:
        closed, taken = read(in_time(lines), SHORT)
        assert numbers(closed) == numbers(read(taken, KEPT)[0])

    @given(logs(), seeds)
    def test_killed_while_the_rows_were_stored(self, lines: list[Line], seed: int) -> None:
        chance, log = random.Random(seed), in_time(lines)
        whole, _ = read(log, SHORT)
        partition = Partition(0, SHORT)
        partition.log = log
        while partition.position < len(log):
            before = partition.position
            partition.read(chance.randint(1, 4))
            if chance.random() < 0.3:
                partition.collect(rows=chance.randint(0, 8))
                partition.restart(back=partition.position - before)
            else:
                partition.collect()
        assert partition.published.metrics == whole.published.metrics
        assert not partition.published.dips

    @given(logs())
    def test_an_event_for_a_closed_record_is_refused(self, lines: list[Line]) -> None:
        log = in_time(lines)
        partition, _ = read(log, SHORT)
        before = numbers(partition)
        for line in log:
            if (
                line.event is not None
                and owner_of(line.event) in partition.partition_state.services[line.event["service"]].closed
            ):
                refusal = partition.partition_state.read(line.event, END + 6 * HOUR, partition.position)
                assert refusal == "record_closed"
                partition.position += 1
                partition.collect()
        assert numbers(partition) == before
