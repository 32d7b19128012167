"""Derive an event's id from its content, so that a retry has the same id and is dropped as a duplicate."""

import json
from typing import Any, Final
from uuid import UUID, uuid5

from schemas.values import EventValue

_NAMESPACE: Final = UUID("6a1f0f5e-9c3b-5d0a-8f5e-0f4c2b7d9e31")
"""As in `schemas.events`, which would load the models. A test holds the two together."""

_IDENTITY: Final = ("service", "env", "commit_sha", "change_id", "deployment_id", "incident_id", "artifact_digest")
_DETAILS: Final = ("commit", "artifact", "tests", "scan", "policy", "canary", "rollback", "incident")

_ROLLOUT_TYPES: Final = frozenset({"canary_started", "canary_promoted", "rollback_triggered"})
_INCIDENT_TYPES: Final = frozenset({"incident_opened", "incident_resolved"})


def natural_key(event: EventValue) -> str:
    """Return the parts that identify what is reported, joined by "|".

    The clock of the reporting job is left out, and so are its run and its attributes: running a test job again is no
    new commit. Three cases need more. A rollout of one SHA can happen again: its run and attempt count, or, when
    neither a run nor a deployment is named, its time; so it does for a rehearsal without a run, which is held again and
    again with one deployment. An incident can be opened and resolved again: its time counts.
    And what is reported in the details counts, so that two jobs may each report a part.
    """
    source = event["source"]
    parts = [source["system"] if source else "candora-ci", event["event_type"], event["lane"]]
    parts += [str(event[name] or "") for name in _IDENTITY]
    parts.append(_occasion(event))
    details = {name: _known(event[name]) for name in _DETAILS if event[name] is not None}
    parts.append(json.dumps(details, sort_keys=True, separators=(",", ":")) if details else "")
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)


def derived_id(key: str) -> str:
    """Return the id of the event with this natural key, as `schemas.events.new_event_id` makes it."""
    return str(uuid5(_NAMESPACE, key))


def _occasion(event: EventValue) -> str:
    """Distinguish repeated occurrences of the same thing: by a time, or by a run and its attempt."""
    if event["event_type"] in _INCIDENT_TYPES:
        return str(event["occurred_at"])
    if event["event_type"] not in _ROLLOUT_TYPES:
        return ""
    source = event["source"]
    if source and source["run_id"]:
        return f"{source['run_id']}#{source['attempt'] or 1}"
    return "" if event["deployment_id"] and event["lane"] != "rehearsal" else str(event["occurred_at"])


def _known(value: Any) -> Any:
    """Drop null fields, so that a field added to the contract later changes no identity."""
    if isinstance(value, dict):
        return {name: _known(entry) for name, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [_known(entry) for entry in value]
    return value
