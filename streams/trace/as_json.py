"""The chain for programs: the records of the topics, each with the reason why it is as it is."""

from typing import Any, Final

from schemas.models import from_micros
from schemas.records import ChangeRecord, DeploymentRecord, IncidentRecord
from schemas.values import Micros
from streams.core.outputs import change_value, deployment_value, incident_value
from streams.replay.known_states import ServiceStates
from streams.trace.chain import NOWHERE, CommitNotes, TraceChain, gates_of
from streams.trace.reasons import why_put, why_verdict

_OF_WORKERS: Final = {"as_of", "judged_at", "observed", "revisions"}
"""When a worker learned or counted it: not known here."""


def as_json(what: str, at: Micros, services: ServiceStates, chain: TraceChain, notes: CommitNotes) -> dict[str, Any]:
    """Return plain values. Times in ISO 8601, lengths in microseconds, as in the topics."""
    return {
        "what": what,
        "at": _time(at),
        "found": [one._asdict() for one in chain.found],
        "changes": [
            {
                **_plain(ChangeRecord.from_value(value)),
                "commits": [_commit(state.service, sha, notes) for sha in value["commits"]],
            }
            for state, one in chain.changes
            for value in [change_value(state, one, NOWHERE)]
        ],
        "deployments": [
            {
                **_plain(DeploymentRecord.from_value(deployment_value(state, one, NOWHERE))),
                "gates": {gate: _time(passed) for gate, passed in gates_of(state, one.sha or "").items()},
                "why": why_verdict(state, one),
            }
            for state, one in chain.deployments
        ],
        "incidents": [
            {
                **_plain(IncidentRecord.from_value(incident_value(state, one, NOWHERE))),
                "why": why_put(services, state, one),
            }
            for state, one in chain.incidents
        ],
    }


def _plain(record: ChangeRecord | DeploymentRecord | IncidentRecord) -> dict[str, Any]:
    value = record.model_dump(mode="json", exclude=_OF_WORKERS)
    for promotion in value.get("promotions", ()):
        del promotion["observed"]
    return value


def _commit(service: str, sha: str, notes: CommitNotes) -> dict[str, Any]:
    at, author = notes.commits.get((service, sha), (None, None))
    return {
        "commit_sha": sha,
        "occurred_at": None if at is None else _time(at),
        "author": author,
        "artifact_digest": notes.digests.get((service, sha)),
    }


def _time(at: Micros) -> str:
    """As the records write theirs."""
    return from_micros(at).isoformat().replace("+00:00", "Z")
