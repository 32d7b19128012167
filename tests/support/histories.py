"""Small histories that are out to do harm: few names, few moments, so that everything collides with everything.

Two services, two envs, four commits and four deployments; all ten event types, rehearsals, causes in other services,
names nobody knows, reopenings, equal times and event ids that come with two contents.
"""

from collections.abc import Iterable
from typing import Final, cast, get_args

from hypothesis import strategies as st

from schemas.values import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    CauseValue,
    EventTypeName,
    EventValue,
    IncidentValue,
    LaneName,
    Micros,
    RollbackValue,
    SourceValue,
)
from streams.core.settings import MetricSettings
from tests.support import events
from tests.support.events import DAY_1

SERVICES: Final = ("bank", "shop")
ENVS: Final = ("prod", "staging")
COMMITS: Final = ("c0", "c1", "c2", "c3")
DEPLOYMENTS: Final = ("D1", "D2", "D3")
UNKNOWN: Final = "D9"
"""A deployment that no history ever begins."""
INCIDENTS: Final = ("i1", "i2")
REQUESTS: Final = ("repo#1", "repo#2")
STAGES: Final[tuple[EventTypeName, ...]] = ("artifact_built", "tests_passed", "security_scanned", "policy_passed")
TEN_TYPES: Final = tuple(
    name for name in get_args(EventTypeName) if name not in {"UNKNOWN", "clock_tick", "cause_linked"}
)
LAST: Final[Micros] = DAY_1 + 4 * DAY
"""No event of a history is later than this."""

moments: st.SearchStrategy[Micros] = st.one_of(
    st.integers(0, 6).map(lambda hours: DAY_1 + hours * HOUR),
    st.builds(
        lambda hours, days, seconds: DAY_1 + hours * HOUR + days * DAY + seconds * SECOND,
        st.integers(0, 6),
        st.integers(0, 3),
        st.sampled_from((-1, 0, 0, 0, 1)),
    ),
)
"""Few whole hours, their like one to three days later (exactly the failure window), and a second beside."""

services = st.sampled_from(("shop", "shop", "shop", "shop", "bank"))
envs = st.sampled_from(("prod",) * 5 + ("staging",))
lanes: st.SearchStrategy[LaneName] = st.sampled_from(("normal",) * 12 + ("hotfix", "hotfix", "rehearsal", "synthetic"))
commits = st.sampled_from(COMMITS)
deployments = st.sampled_from(DEPLOYMENTS)
named = st.sampled_from((*DEPLOYMENTS, UNKNOWN))
incidents = st.sampled_from(INCIDENTS)
severities = st.sampled_from(("sev1", "sev1", "sev2", "sev3", None))
common = {"service": services, "lane": lanes, "emitted_at": st.sampled_from((None, DAY_1))}


def maybe(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    """Mostly nothing."""
    return st.one_of(st.none(), st.none(), st.none(), strategy)


causes: st.SearchStrategy[CauseValue | None] = st.one_of(
    st.none(),
    st.none(),
    st.none(),
    st.builds(
        events.cause,
        service=maybe(services),
        deployment=maybe(named),
        sha=maybe(commits),
        kind=st.sampled_from(("change", "change", "unknown", "infra", "external")),
    ),
)


@st.composite
def commit_events(draw: st.DrawFn) -> EventValue:
    """A commit: alone, under a request, or under its own SHA (which is alone, too); merged into any commit."""
    label = draw(commits)
    found: EventValue = events.commit(
        label,
        draw(moments),
        change=draw(st.sampled_from((None, events.sha(label), *REQUESTS))),
        merge=draw(maybe(commits)),
        **{name: draw(strategy) for name, strategy in common.items()},
    )
    return found


stage_events = st.builds(
    events.stage, st.sampled_from(STAGES), commits, moments, change_id=maybe(st.sampled_from(REQUESTS)), **common
)


@st.composite
def deployment_events(draw: st.DrawFn) -> EventValue:
    """A start or a promotion, named by id, by SHA or by both."""
    make = draw(st.sampled_from((events.started, events.promoted, events.promoted)))
    deployment = draw(st.one_of(deployments, deployments, deployments, st.none()))
    found: EventValue = make(
        deployment,
        draw(moments),
        sha=draw(commits) if deployment is None else draw(st.one_of(st.none(), commits)),
        included=draw(st.one_of(st.none(), st.lists(commits, max_size=3))),
        env=draw(envs),
        **{name: draw(strategy) for name, strategy in common.items()},
    )
    return found


rollback_events = st.builds(events.rollback, moments, deployment=maybe(named), sha=maybe(commits), env=envs, **common)
opened_events = st.builds(
    events.opened,
    incidents,
    moments,
    severity=severities,
    deployment=maybe(named),
    sha=maybe(commits),
    cause=causes,
    env=envs,
    **common,
)
resolved_events = st.builds(
    events.resolved,
    incidents,
    moments,
    severity=severities,
    deployment=maybe(named),
    sha=maybe(commits),
    cause=causes,
    slo_met=st.one_of(st.none(), moments),
    alert_cleared=st.one_of(st.none(), moments),
    env=st.one_of(st.none(), envs),
    **common,
)
few_words: st.SearchStrategy[EventValue] = st.one_of(
    commit_events(),
    deployment_events(),
    deployment_events(),
    rollback_events,
    opened_events,
    resolved_events,
    stage_events,
)


def with_words(event: EventValue, number: int) -> EventValue:
    """The same event with more to show: nothing of it decides a number."""
    label = str(number)
    if event["event_type"] in {"canary_started", "canary_promoted"}:
        source: SourceValue = {"system": "ci", "run_id": None, "attempt": None, "url": label, "actor": None}
        digest = f"sha256:{number:064x}" if number > 1 else None
        return {**event, "source": source if number != WORDS - 1 else None, "artifact_digest": digest}
    if event["rollback"] is not None:
        told: RollbackValue = {
            "trigger": "manual",
            "to_sha": events.sha("c0"),
            "reason": label,
            "path_sha256": None,
            "succeeded": None if number > 1 else False,
        }
        return {**event, "rollback": None if number == WORDS - 1 else told}
    if event["incident"] is not None:
        gates = [f"gate-{one}" for one in (number, 1)]
        words = {"title": label, "escaped_gates": gates, "regression_test": label if number > 1 else None}
        return {**event, "incident": cast("IncidentValue", {**event["incident"], **words})}
    return event


WORDS: Final = 4
words = st.sampled_from((0, 0, *range(1, WORDS)))
one_event: st.SearchStrategy[EventValue] = st.builds(
    lambda event, number: with_words(event, number) if number else event, few_words, words
)


def with_shared_ids(history: list[tuple[EventValue, str | None]]) -> list[EventValue]:
    """Some events take an id that others of their service may have, too."""
    return [
        event if label is None else {**event, "event_id": events.event_id(f"{event['service']} {label}")}
        for event, label in history
    ]


shared_ids = st.sampled_from((None,) * 12 + ("x", "y"))
histories: st.SearchStrategy[list[EventValue]] = st.one_of(
    st.lists(st.tuples(one_event, shared_ids), max_size=6),
    st.lists(st.tuples(one_event, shared_ids), min_size=6, max_size=20),
    st.lists(st.tuples(one_event, shared_ids), min_size=6, max_size=20),
).map(with_shared_ids)
"""All that happened, in no order."""

clocks: st.SearchStrategy[Micros] = st.one_of(
    st.just(LAST + 2 * DAY),
    st.just(LAST + 2 * DAY),
    st.just(LAST + 5 * DAY),
    moments.map(lambda at: at + DAY + 15 * MINUTE),
    moments.map(lambda at: at + 15 * MINUTE),
    moments,
)
"""When the question is asked: after everything, at or around the moment that something is judged, or amid it all."""


rules: st.SearchStrategy[MetricSettings] = st.builds(
    MetricSettings,
    failure_window=st.sampled_from((DAY, DAY, 2 * HOUR, 0)),
    lateness=st.sampled_from((15 * MINUTE, 15 * MINUTE, 0)),
    canary_timeout=st.sampled_from((DAY, 3 * HOUR)),
    failing_severities=st.sampled_from((("sev1", "sev2"), ("sev1",), ("sev1", "sev2", "sev3"))),
)
"""The defaults and what else somebody may declare."""
windows = st.sampled_from((7 * DAY, 30 * DAY, 90 * DAY))


def latest_of(history: Iterable[EventValue]) -> Micros:
    """The largest event time of a history."""
    return max((event["occurred_at"] for event in history), default=DAY_1)
