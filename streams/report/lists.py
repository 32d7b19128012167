"""Lay out the lists of a review: missing gates, failed deployments, incidents."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from schemas.values import SECOND
from streams.core.incident import NOBODYS
from streams.report.blocks import ReportSection, ReportTable, TableCell, TableColumn
from streams.report.formatting import clock, count, name_of, number, plain, short
from streams.report.period_facts import GATES, FailedDeployment, IncidentSummary
from streams.report.review import Review

_MAX_DEPLOYMENTS: Final = 20
"""Maximum number of rows in a list of deployments."""
_MAX_INCIDENTS: Final = 8
_RULES: Final = {"explicit": "named", "sha": "named by its SHA", "in_force": "in force"}


def gates(review: Review) -> ReportSection:
    """List which gates were reported for the deployed commit before its rollout began."""
    coverage = review.gate_coverage.values()
    deployments, every = sum(one.deployments for one in coverage), sum(one.every for one in coverage)
    if not deployments:
        return ReportSection("gates", "Gates", ("No deployment was judged.",))
    if not any(any(one.seen) for one in coverage):
        none = f"No gate was reported for the commit of {'a' if deployments > 1 else 'the'} judged deployment"
        return ReportSection("gates", "Gates", (f"{none}: no {', '.join(GATES[:-1])} or {GATES[-1]}.",))
    judged = count(deployments, "judged deployment")
    text = (f"{every} of {judged} had every gate reported for the commit before the rollout began.",)
    columns = (
        TableColumn("service"),
        *(TableColumn(gate.replace("_", " "), len(gate) + 1, right=True) for gate in GATES),
    )
    rows = tuple(
        (
            TableCell(name_of(place, review.question.envs)),
            *(TableCell(f"{seen} of {one.deployments}") for seen in one.seen),
        )
        for place, one in sorted(review.gate_coverage.items())
        if one.every < one.deployments
    )
    return ReportSection(
        "gates", "Gates", text, (ReportTable("Services that lack a gate", columns, rows),) if rows else ()
    )


def failures(review: Review) -> ReportSection:
    """List the failed deployments, by reason and one by one."""
    if not review.failures:
        text = "No judged deployment failed." if review.total.judged else "No deployment was judged."
        return ReportSection("failures", "Deployments that failed", (text,))
    shown = review.failures[:_MAX_DEPLOYMENTS]
    columns = (
        TableColumn("finished", 12),
        TableColumn("service", 13),
        TableColumn("deployment", 18),
        TableColumn("why"),
    )
    rows = tuple(_failed(one, name_of(one.place, review.question.envs)) for one in shown)
    rest = _rest(len(review.failures) - len(shown), "earlier")
    return ReportSection(
        "failures",
        "Deployments that failed",
        (_reasons(review),),
        (ReportTable("The latest first", columns, rows, rest),),
    )


def _reasons(review: Review) -> str:
    named = (f"{how_many} {reason.replace('_', ' ')}" for reason, how_many in review.total.reasons)
    return f"{review.total.failed} failed, by what came first: {', '.join(named)}."


def _failed(one: FailedDeployment, name: str) -> tuple[TableCell, ...]:
    return (
        TableCell(clock(one.finished_at)),
        TableCell(name),
        TableCell(plain(one.deployment_id), short(one.sha)),
        TableCell(one.reason.replace("_", " "), plain(one.detail)),
    )


def _rest(how_many: int, what: str) -> str:
    return f"and {how_many} {what}; --format json has all" if how_many > 0 else ""


def incidents(review: Review) -> ReportSection:
    """List incidents: open, longest to restore, unattributed; and the follow-up to them."""
    envs = review.question.envs
    tables = [
        _incident_table("Open at the end", review.open, envs),
        _incident_table("The longest to restore", review.restored, envs),
        _incident_table("Put on no deployment", review.unattributed, envs),
    ]
    filled = tuple(table for table in tables if table.rows)
    restored = len(review.restored)
    opened = count(review.total.incidents, "incident")
    text = f"{opened} opened, {restored} {'was' if restored == 1 else 'were'} restored."
    if not review.total.incidents and not restored:
        text = "No incident was opened or restored."
    return ReportSection("incidents", "Incidents", (text, *_lessons(review)), filled)


def _lessons(review: Review) -> tuple[str, ...]:
    """Summarise regression tests and escaped gates of the restored incidents."""
    if not review.restored:
        return ()
    tested = sum(one.regression_test is not None for one in review.restored)
    text = f"{tested} of {len(review.restored)} restored named a regression test."
    gates = Counter(gate for one in review.restored for gate in one.escaped_gates)
    if not gates:
        return (text,)
    named = ", ".join(
        f"{plain(gate)} {number}" for gate, number in sorted(gates.items(), key=lambda one: (-one[1], one[0]))
    )
    return (f"{text} Gates they escaped: {named}.",)


def _incident_table(name: str, incidents: Sequence[IncidentSummary], envs: tuple[str, ...]) -> ReportTable:
    columns = (
        TableColumn("opened", 12),
        TableColumn("service", 13),
        TableColumn("lasted", 8, right=True),
        TableColumn("incident"),
    )
    rows = tuple(
        (
            TableCell(clock(one.opened_at)),
            TableCell(name_of(one.place, envs)),
            TableCell("open" if one.length is None else number("length", one.length / SECOND)),
            TableCell(
                f"{plain(one.severity or 'no severity')} {plain(one.title or 'no title')}",
                _blamed(one) + _follow_up(one),
            ),
        )
        for one in incidents[:_MAX_INCIDENTS]
    )
    return ReportTable(name, columns, rows, _rest(len(incidents) - len(rows), "more"))


def _blamed(one: IncidentSummary) -> str:
    if one.unattributed:
        return plain(f"{one.incident_id}; put on no deployment")
    if one.blamed in NOBODYS:
        return plain(f"{one.incident_id}; no deployment's fault: {one.blamed}")
    return plain(f"{one.incident_id}; put on {one.blamed} ({_RULES[one.rule]})")


def _follow_up(one: IncidentSummary) -> str:
    """Format regression test and escaped gates of an incident."""
    gates = f"; escaped {plain(', '.join(one.escaped_gates))}" if one.escaped_gates else ""
    return f"; regression test {plain(one.regression_test)}{gates}" if one.regression_test else gates
