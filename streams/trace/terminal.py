"""The chain in eighty columns: a part for each record, a line for each thing that happened. A file reads the same."""

from collections.abc import Iterator
from io import StringIO
from operator import itemgetter
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.values import SECOND, Micros
from streams.core.change import ChangeState
from streams.core.deployment import DeploymentState
from streams.core.incident import IncidentState
from streams.core.outputs import change_value, deployment_value, incident_value
from streams.core.service_state import ServiceState
from streams.replay.known_states import ServiceStates
from streams.report.formatting import count, moment, plain, short
from streams.terminal.console import page
from streams.terminal.durations import length
from streams.trace.chain import NOWHERE, CommitNotes, TraceChain, gates_of
from streams.trace.reasons import why_put, why_verdict

_SHOWN: Final = 10
_GATES: Final = {
    "artifact_built": "artifact",
    "tests_passed": "tests",
    "security_scanned": "security",
    "policy_passed": "policy",
}
_COLOURS: Final = {"failed": "red", "succeeded": "green", "open": "red"}


class TraceRow(NamedTuple):
    """Something that happened; what is no event has no time."""

    at: Micros | None
    name: str
    text: str


class TraceSection(NamedTuple):
    """A record: what it is, its outcome, and its rows."""

    title: str
    status: str
    rows: list[TraceRow]


def render(at: Micros, services: ServiceStates, chain: TraceChain, notes: CommitNotes, *, colour: bool = False) -> str:
    """Forwards from a commit, a change or a deployment; backwards from an incident."""
    file = StringIO()
    console = page(file, colour=colour)
    for kind, name, service in chain.found:
        console.print(Text(plain(f"{kind} {name} of {service}")))
    console.print(Text(f"as of {moment(at)}, all times in UTC"))
    for part in _parts(services, chain, notes):
        console.print()
        _print(console, part)
    for sentence in _missing(chain):
        console.print(Text(f"\n{sentence}"))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def _parts(services: ServiceStates, chain: TraceChain, notes: CommitNotes) -> list[TraceSection]:
    asked = {named.name for named in chain.found} | {one.sha for _, one in chain.deployments if one.sha}
    changes = [_change(state, one, notes, asked) for state, one in chain.changes[:_SHOWN]]
    if len(chain.changes) > _SHOWN:
        changes.append(TraceSection(f"and {count(len(chain.changes) - _SHOWN, 'more change')}; --json has all", "", []))
    deployments = [_deployment(state, one) for state, one in chain.deployments]
    incidents = [_incident(services, state, one) for state, one in chain.incidents]
    if all(named.kind == "incident" for named in chain.found):
        return [*incidents, *deployments, *changes]
    return [*changes, *deployments, *incidents]


def _missing(chain: TraceChain) -> Iterator[str]:
    """Where the chain ends early."""
    if not (chain.changes or chain.deployments or chain.incidents):
        yield "Only a rollback or a merge names it: no event tells of it."
    elif not chain.deployments and chain.changes:
        yield "No deployment carries it."
    elif not chain.changes and chain.deployments:
        yield "No commit of it was reported: its lead time is not known."


def _print(console: Console, part: TraceSection) -> None:
    status = (f": {part.status}", _COLOURS.get(part.status.partition(",")[0], "")) if part.status else ""
    console.print(Text.assemble((plain(part.title), "bold"), status))
    grid = Table.grid(padding=(0, 2, 0, 0))
    for width in (16, 9):
        grid.add_column(width=width)
    grid.add_column(overflow="fold")
    for row in part.rows:
        grid.add_row(Text("" if row.at is None else moment(row.at)), Text(row.name), Text(plain(row.text)))
    console.print(grid)


def _change(state: ServiceState, one: ChangeState, notes: CommitNotes, asked: set[str]) -> TraceSection:
    value = change_value(state, one, NOWHERE)
    rows = list(_commits(state.service, value["commits"], value["first_commit_sha"], notes))
    silent = []
    for gate, name in _GATES.items():
        reports = [stage for stage in value["stages"] if stage["stage"] == gate]
        passed = sorted((one["commit_sha"] not in asked, one["occurred_at"], one["commit_sha"]) for one in reports)
        if not passed:
            silent.append(name)
            continue
        _, at, sha = passed[0]
        digest = notes.digests.get((state.service, sha)) if gate == "artifact_built" else None
        more = f" and {count(len(passed) - 1, 'more commit')}" if len(passed) > 1 else ""
        rows.append(
            TraceRow(
                at, name, f"{digest or ('built' if gate == 'artifact_built' else 'passed')}, of {short(sha)}{more}"
            )
        )
    if silent and not one.carriers:
        rows.append(TraceRow(None, "gates", f"no report of {', '.join(silent)}"))
    for promotion in sorted(value["promotions"], key=itemgetter("promoted_at")):
        lead = promotion["lead_time"]
        taken = f"lead time {length(lead / SECOND)}" if lead >= 0 else "before its first commit: clocks are skewed"
        text = f"of {promotion['env']} by {promotion['deployment_id']}; {taken}"
        rows.append(TraceRow(promotion["promoted_at"], "100 %", text))
    kind = "commit" if one.name in value["commits"] else "change"
    return TraceSection(f"{kind} {one.name} of {state.service}", "", rows)


def _commits(service: str, shas: list[str], first: str | None, notes: CommitNotes) -> Iterator[TraceRow]:
    """Yield the first commit, then the others by time; a squash or merge commit may have no report of its own."""
    notes_of = {sha: notes.commits.get((service, sha)) for sha in shas}
    reported = sorted((said[0], sha, said[1]) for sha, said in notes_of.items() if said)
    for at, sha, author in sorted(reported, key=lambda one: one[1] != first)[:_SHOWN]:
        by = f" by {author}" if author else ""
        yield TraceRow(at, "commit", f"{short(sha)}{by}{', the first' if sha == first and len(notes_of) > 1 else ''}")
    if len(reported) > _SHOWN:
        yield TraceRow(None, "", f"and {count(len(reported) - _SHOWN, 'more commit')}; --json has all")
    for sha, said in notes_of.items():
        if not said:
            yield TraceRow(None, "commit", f"{short(sha)}, squashed or merged from these")
    if not notes_of:
        yield TraceRow(None, "commit", "none of it was reported")


def _gates(state: ServiceState, sha: str) -> str:
    passed = gates_of(state, sha)
    reported = ", ".join(name for gate, name in _GATES.items() if gate in passed)
    silent = ", ".join(name for gate, name in _GATES.items() if gate not in passed)
    parts = (f"passed: {reported}" if reported else "", f"no report of {silent}" if silent else "")
    return "; ".join(part for part in parts if part)


def _deployment(state: ServiceState, one: DeploymentState) -> TraceSection:
    value = deployment_value(state, one, NOWHERE)
    rows = []
    if one.sha is not None:
        carried = f", carries {count(len(value['changes']), 'change')}" if value["changes"] else ""
        more = f" and {len(one.included)} included" if one.included else ""
        rows.append(TraceRow(None, "commit", f"{one.sha}{more}{carried or '; none of its commits was reported'}"))
        rows.append(TraceRow(None, "gates", _gates(state, one.sha)))
    if value["artifact_digest"] is not None:
        rows.append(TraceRow(None, "artifact", value["artifact_digest"]))
    if value["url"] is not None:
        rows.append(TraceRow(None, "run", value["url"]))
    if one.started_at is not None:
        rows.append(TraceRow(one.started_at, "began", "first traffic"))
    happened = [TraceRow(one.promoted_at, "100 %", "promoted")] if one.promoted_at is not None else []
    for back in value["rollbacks"]:
        to = f", to {short(back['to_sha'])}" if back["to_sha"] else ""
        reason = f": {back['reason']}" if back["reason"] else ""
        happened.append(TraceRow(back["occurred_at"], "rollback", f"{back['trigger']}{reason}{to}"))
    for trouble in value["incidents"]:
        where = f" of {trouble['service']}" if trouble["service"] != state.service else ""
        text = f"{trouble['incident_id']}{where}, {trouble['severity'] or 'no severity'}"
        happened.append(TraceRow(trouble["opened_at"], "incident", text))
    rows += sorted(happened, key=lambda row: row.at or 0)
    rows.append(TraceRow(None, "why", why_verdict(state, one)))
    status = f"{one.verdict}, {one.lane}" if one.lane != "normal" else one.verdict
    return TraceSection(f"deployment {one.name} of {state.service} to {one.env}", status, rows)


def _incident(services: ServiceStates, state: ServiceState, one: IncidentState) -> TraceSection:
    value = incident_value(state, one, NOWHERE)
    rows = []
    for number, period in enumerate(one.periods):
        text = ", ".join(said for said in (one.severity, one.title) if said) if not number else "again"
        rows.append(TraceRow(period.opened_at, "opened", text))
        if period.ended_at is not None:
            rows.append(TraceRow(period.ended_at, "restored", ""))
    rows.append(TraceRow(None, "why", why_put(services, state, one)))
    if value["escaped_gates"]:
        rows.append(TraceRow(None, "escaped", ", ".join(value["escaped_gates"])))
    if value["regression_test"] is not None:
        rows.append(TraceRow(None, "test", value["regression_test"]))
    status = "open" if one.open else ""
    if one.time_to_restore is not None:
        status = f"restored after {length(one.time_to_restore / SECOND)}"
    return TraceSection(f"incident {one.name} of {state.service}" + (f" in {one.env}" if one.env else ""), status, rows)
