"""The stored form of a record: its facts and its marks, each with the offset after which it was known.

A batch is written row by row, and the partition's own row, with its offset, comes last. Rows that a crash left behind
with later facts or marks are cut back to that offset when they are read: the messages come again.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from streams.core.change import ChangeState
from streams.core.deployment import DeploymentState, Mark, VerdictMark
from streams.core.facts import (
    AnyFact,
    CanaryFact,
    CauseFact,
    CauseLinkFact,
    CommitFact,
    Fact,
    IncidentFact,
    RollbackFact,
    StageFact,
)
from streams.core.incident import IncidentState, LengthMark
from streams.core.joins import Entity
from streams.core.record_key import CAUSE_LINK, CHANGE, DEPLOYMENT, ROLLBACK, RecordKey, kind_of

Row = tuple[Any, ...]
"""Nested tuples of str, bytes, int, bool and None."""

_STAGE_FIELDS: Final = len(StageFact._fields)


def row_of(entity: Entity) -> Row:
    """What to store of a record."""
    facts = (*entity.facts, *entity.overruled)
    if isinstance(entity, DeploymentState):
        return (facts, entity.history, entity.failed_mark, entity.late_mark, entity.commits_mark)
    if isinstance(entity, ChangeState | IncidentState):
        return (facts, tuple(entity.history.items()))
    return (facts,)


def facts_in(key: RecordKey, row: Sequence[Any], offset: int) -> Iterable[AnyFact]:
    """The facts of a stored record that were known after the message at this offset."""
    for stored in row[0]:
        if stored[2] <= offset:
            event_id, mark, known, seen_at, at, lane, body = stored
            yield Fact(event_id, mark, known, seen_at, at, lane, _body(kind_of(key), body))


def set_marks(entity: Entity, row: Sequence[Any], offset: int) -> None:
    """Give a restored record the marks that were made until the message at this offset."""
    if isinstance(entity, DeploymentState):
        history, failed, late, commits = row[1:5]
        entity.history = tuple(VerdictMark(*mark) for mark in history if mark[2] <= offset)
        entity.failed_mark = _mark(failed, offset)
        entity.late_mark = _mark(late, offset)
        entity.commits_mark = _mark(commits, offset)
    elif isinstance(entity, ChangeState | IncidentState):
        for env, history in row[1]:
            marks = tuple(LengthMark(*mark) for mark in history if mark[2] <= offset)
            if marks:
                entity.history[env] = marks


def _mark(stored: Sequence[Any] | None, offset: int) -> Mark | None:
    return Mark(*stored) if stored is not None and stored[2] <= offset else None


def _body(kind: str, body: Sequence[Any]) -> Any:
    if kind == CHANGE:
        return StageFact(*body) if len(body) == _STAGE_FIELDS else CommitFact(*body)
    if kind == DEPLOYMENT:
        promoted, sha, digest, included, url = body
        return CanaryFact(promoted, sha, digest, None if included is None else tuple(included), url)
    if kind == ROLLBACK:
        return RollbackFact(*body)
    if kind == CAUSE_LINK:
        return CauseLinkFact(*body)
    opened, env, severity, title, slo_met_at, alert_cleared_at, cause, deployment_id, sha, escaped, test = body
    known = None if cause is None else CauseFact(*cause)
    times = (slo_met_at, alert_cleared_at)
    return IncidentFact(opened, env, severity, title, *times, known, deployment_id, sha, tuple(escaped), test)
