"""The parts of a review that list single things: gates that were lacking, deployments that failed, incidents."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from schemas.values import SECOND
from streams.core.incident import NOBODYS
from streams.report.blocks import ReportSection, ReportTable, TableCell, TableColumn
from streams.report.formatting import clock, count, name_of, number, plain, short
from streams.report.period_facts import GATES, FailedDeployment, IncidentSummary
from streams.report.review import Review

_MOST: Final = 20
"""Rows of a list of deployments."""
_MOST_INCIDENTS: Final = 8
_RULES: Final = {"explicit": "named", "sha": "named by its SHA", "in_force": "in force"}


def gates(review: Review) -> ReportSection:
    """Which gates were reported for the commit that was rolled out, before that began."""
    held = review.gated.values()
    deployments, every = sum(one.deployments for one in held), sum(one.every for one in held)
    if not deployments:
        return ReportSection("gates", "Gates", ("No deployment was judged.",))
    if not any(any(one.seen) for one in held):
        none = f"No gate was reported for the commit of {'a' if deployments > 1 else 'the'} judged deployment"
        return ReportSection("gates", "Gates", (f"{none}: no {', '.join(GATES[:-1])} or {GATES[-1]}.",))
    judged = count(deployments, "judged deployment")
    said = (f"{every} of {judged} had every gate reported for the commit before the rollout began.",)
    columns = (
        TableColumn("service"),
        *(TableColumn(gate.replace("_", " "), len(gate) + 1, right=True) for gate in GATES),
    )
    rows = tuple(
        (
            TableCell(name_of(place, review.question.envs)),
            *(TableCell(f"{seen} of {one.deployments}") for seen in one.seen),
        )
        for place, one in sorted(review.gated.items())
        if one.every < one.deployments
    )
    return ReportSection(
        "gates", "Gates", said, (ReportTable("Services that lack a gate", columns, rows),) if rows else ()
    )


def failures(review: Review) -> ReportSection:
    """The deployments that failed, by reason and one by one."""
    if not review.failures:
        said = "No judged deployment failed." if review.total.judged else "No deployment was judged."
        return ReportSection("failures", "Deployments that failed", (said,))
    shown = review.failures[:_MOST]
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
    """What is open, what took longest, what is put on no deployment, and what was learned of it."""
    envs = review.question.envs
    tables = [
        _troubles("Open at the end", review.open, envs),
        _troubles("The longest to restore", review.restored, envs),
        _troubles("Put on no deployment", review.unattributed, envs),
    ]
    held = tuple(table for table in tables if table.rows)
    restored = len(review.restored)
    opened = count(review.total.incidents, "incident")
    said = f"{opened} opened, {restored} {'was' if restored == 1 else 'were'} restored."
    if not review.total.incidents and not restored:
        said = "No incident was opened or restored."
    return ReportSection("incidents", "Incidents", (said, *_learned(review)), held)


def _learned(review: Review) -> tuple[str, ...]:
    """Whether what was restored cannot come back unseen."""
    if not review.restored:
        return ()
    tested = sum(one.regression_test is not None for one in review.restored)
    said = f"{tested} of {len(review.restored)} restored named a regression test."
    gates = Counter(gate for one in review.restored for gate in one.escaped_gates)
    if not gates:
        return (said,)
    named = ", ".join(
        f"{plain(gate)} {number}" for gate, number in sorted(gates.items(), key=lambda one: (-one[1], one[0]))
    )
    return (f"{said} Gates they escaped: {named}.",)


def _troubles(name: str, troubles: Sequence[IncidentSummary], envs: tuple[str, ...]) -> ReportTable:
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
                f"{plain(one.severity or 'no severity')} {plain(one.title or 'no title')}", _blamed(one) + _after(one)
            ),
        )
        for one in troubles[:_MOST_INCIDENTS]
    )
    return ReportTable(name, columns, rows, _rest(len(troubles) - len(rows), "more"))


def _blamed(one: IncidentSummary) -> str:
    if one.unattributed:
        return plain(f"{one.incident_id}; put on no deployment")
    if one.blamed in NOBODYS:
        return plain(f"{one.incident_id}; no deployment's fault: {one.blamed}")
    return plain(f"{one.incident_id}; put on {one.blamed} ({_RULES[one.rule]})")


def _after(one: IncidentSummary) -> str:
    """What was done so that it does not come back."""
    gates = f"; escaped {plain(', '.join(one.escaped_gates))}" if one.escaped_gates else ""
    return f"; regression test {plain(one.regression_test)}{gates}" if one.regression_test else gates
